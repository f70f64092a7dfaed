/*
 * The settings in force, for the dashboard: what each one is and where it was
 * said. Of a secret only that it is set.
 */
#ifndef ADIT_APP_SETTINGS_H
#define ADIT_APP_SETTINGS_H

#include "app/conf.h"

/* Append a JSON array of {name, value, from}; false if it does not fit. */
bool settings_put(struct buf *b, const struct conf *c);

#endif
