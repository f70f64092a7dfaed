/*
 * A backup of a relay: one text file of all that is in DATA/relay but the
 * present run's. Whoever has it has the relay's secrets: mode 0600.
 *
 *     adit-backup 1
 *     people.json 310 9f86d081...              name, bytes, SHA-256
 *     {"version":1,...                         the bytes, and a newline
 *     end 2c26b46b...                          SHA-256 of all before the line
 *
 * Names are those of a fixed list, in its order, each at most once.
 */
#ifndef ADIT_APP_BACKUP_H
#define ADIT_APP_BACKUP_H

#include "base/buf.h"
#include "net/data.h"

enum {
	BACKUP_FILES = 14,
	BACKUP_FILE_MAX = 512 * 1024,           /* bytes of one */
	BACKUP_BYTES_MAX = BACKUP_FILES * (BACKUP_FILE_MAX + 256),
};

/* Open files of a data directory, all of one moment. */
struct backup_files {
	size_t n;
	int fds[BACKUP_FILES];
	uint8_t which[BACKUP_FILES];            /* of the list */
	uint64_t bytes[BACKUP_FILES];
};

/* The list: name i, empty beyond its end. */
struct slice backup_name(size_t i);

/* Open all of the list that are there. False: one cannot be read. */
bool backup_open(struct backup_files *f, const struct data *d);
void backup_close(struct backup_files *f);

/* {"files":[{"name":...,"bytes":...},...]}, and back: fds are not touched. */
bool backup_list(struct buf *b, const struct backup_files *f);
bool backup_list_parse(struct backup_files *f, struct slice text);

/* Write the backup of f to `fd`. NULL, or what went wrong; then errno, or 0. */
const char *backup_write(int fd, const struct backup_files *f);

/* A backup that was read. */
struct backup {
	struct slice files[BACKUP_FILES];       /* by the list; p NULL: none */
};
/* Check all of it. NULL, or what is wrong with *line. */
const char *backup_parse(struct backup *b, struct slice text, size_t *line);

#endif
