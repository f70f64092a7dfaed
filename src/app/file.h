/*
 * Reading the few files that settings name.
 */
#ifndef ADIT_APP_FILE_H
#define ADIT_APP_FILE_H

#include "base/buf.h"
#include "base/err.h"

/*
 * file_read: append the file's content to *into.
 *   E_OK
 *   E_EOF    there is no such file
 *   E_RANGE  it does not fit
 *   E_IO     it cannot be read; errno says why
 * *exposed, if not NULL: others than its owner may read it.
 */
enum err file_read(const char *path, struct buf *into, bool *exposed);

/* The rest of an open file: E_OK, E_RANGE or E_IO. */
enum err file_take(int fd, struct buf *into);

#endif
