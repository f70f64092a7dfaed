/*
 * The table of errors as three lookups. See err.h.
 */
#include "base/err.h"

#include <assert.h>

#define X(name, http, text) text,
static const char *const texts[] = { ERR_LIST(X) };
#undef X
#define X(name, http, text) #name,
static const char *const names[] = { ERR_LIST(X) };
#undef X
#define X(name, http, text) http,
static const unsigned statuses[] = { ERR_LIST(X) };
#undef X

const char *
err_text(enum err e)
{
	assert((unsigned)e < ERR_COUNT);
	return texts[e];
}

const char *
err_name(enum err e)
{
	assert((unsigned)e < ERR_COUNT);
	return names[e];
}

unsigned
err_http(enum err e)
{
	assert((unsigned)e < ERR_COUNT);
	return statuses[e];
}
