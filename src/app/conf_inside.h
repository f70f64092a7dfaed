/*
 * What the files conf*.c share. Not for others.
 *
 *   conf.c        one value: checked, and who beats whom
 *   conf_rows.c   the table of settings
 *   conf_args.c   values from the command line and the environment
 *   conf_file.c   values from adit.json
 *   conf_fail.c   what is said of a wrong one
 */
#ifndef ADIT_APP_CONF_INSIDE_H
#define ADIT_APP_CONF_INSIDE_H

#include "app/conf.h"

static inline struct slice
conf_text_of(const char *c)
{
	return slice_of(c, strlen(c));
}

/*
 * A source said `v` (source, line, spelling and text are given) for `row`:
 * check it, and keep it if nothing beats it. False after an error. Secrets are
 * copied; to overwrite them where they stand is the caller's.
 */
bool conf_set(struct conf *c, const struct conf_row *row,
    struct conf_value *v);

/* As conf_fail and conf_refuse. */
/* Without the value: it is a secret, or there is none. */
bool conf_fail_hidden(struct conf *c, const struct conf_value *v,
    const char *why);
/* No flag, or key, has that name. */
bool conf_fail_unknown(struct conf *c, const struct conf_value *v,
    struct slice name, bool flag);
/* It is of another command. */
bool conf_fail_role(struct conf *c, const struct conf_value *v,
    const struct conf_row *row);
/* It is not in row->min..max. */
bool conf_fail_range(struct conf *c, const struct conf_value *v,
    const struct conf_row *row);

#endif
