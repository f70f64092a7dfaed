/*
 * Lines for a person, before there is a log and where there is none.
 */
#ifndef ADIT_APP_OUT_H
#define ADIT_APP_OUT_H

#include "base/buf.h"

enum {                          /* exit codes, as in adit(1) */
	EXIT_STOPPED = 0,
	EXIT_FAILED = 1,        /* at run time */
	EXIT_USAGE = 2,         /* usage or configuration */
	EXIT_REFUSED = 3,       /* the relay refused this agent for good */
	EXIT_REPLACED = 4,      /* a newer agent took its name */
	EXIT_GO_ON = -1,        /* none: the next step may begin */
};

/* A C string, as the command line and tables have them. */
struct slice out_str(const char *c);
/* Write all of it to a standard stream; an error is nobody's affair. */
void out_write(int fd, struct slice s);
/* "adit: TEXT" and a newline to standard error. TEXT is printable already. */
void out_error(struct slice text);
/* The same of up to four parts: "WHAT NAME: WHY". C strings, or NULL; `name`
 * is escaped. Returns code. */
int out_fail(int code, const char *what, struct slice name, const char *why);

#endif
