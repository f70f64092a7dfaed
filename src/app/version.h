/* The program's version, from the file VERSION: "0.1.0". */
#ifndef ADIT_APP_VERSION_H
#define ADIT_APP_VERSION_H

#include "base/slice.h"

extern const struct slice version_text;

#endif
