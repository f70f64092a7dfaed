/*
 * What --help says: made from the table of settings.
 */
#ifndef ADIT_APP_HELP_H
#define ADIT_APP_HELP_H

#include "app/conf.h"

enum { HELP_MAX = 24 * 1024 };

/* Append words, indented, in lines of no more than 78 columns. */
void help_wrapped(struct buf *b, const char *text);
/* Append the help of a command. */
void help_put(struct buf *b, enum conf_role role);
/* Write either to standard output. */
void help_print_all(void);
void help_print(enum conf_role role);

#endif
