/*
 * The one place that knows the version, so that another one compiles one file.
 */
#include "app/version.h"

#ifndef ADIT_VERSION
#define ADIT_VERSION "0.0.0"    /* a build without the Makefile */
#endif

const struct slice version_text = SL_INIT(ADIT_VERSION);
