/*
 * Certificates on disk. Changes are found by looking at the files' status
 * every few seconds: it works through the links that certbot turns, needs no
 * watch to be renewed, and costs two calls per pair.
 */
#include "net/certs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/num.h"
#include "crypto/ct.h"

enum { DAY_S = 86400 };

/* ---- for the engine ------------------------ */

static const struct cert_chain *
choose(void *ctx, struct slice host, unsigned key_types, uint32_t *held)
{
	struct certs *c = ctx;
	struct certs_pair *p;
	size_t found = CERTS_MAX;

	for (size_t i = 0; i < c->n; i++) {
		const struct cert_chain *chain =
		    &c->pairs[i].places[c->pairs[i].live].chain;

		if ((key_types >> chain_key_type(chain) & 1) == 0)
			continue;
		if (host.n > 0 && chain_names(chain, host)) {
			found = i;
			break;
		}
		if (found == CERTS_MAX)
			found = i;      /* the first is the default */
	}
	if (found == CERTS_MAX)
		return NULL;
	p = &c->pairs[found];
	*held = (uint32_t)(2 * found + p->live);
	p->places[p->live].users++;
	return &p->places[p->live].chain;
}

static struct certs_place *
place_of(struct certs *c, uint32_t held)
{
	assert(held < 2 * c->n);
	return &c->pairs[held / 2].places[held % 2];
}

static void
release(void *ctx, uint32_t held)
{
	struct certs_place *p = place_of(ctx, held);

	assert(p->users > 0);
	p->users--;
}

static size_t
sign(void *ctx, uint32_t held, int hash_id, struct slice hash, uint8_t *sig,
    size_t cap)
{
	uint8_t out[SIGNATURE_MAX];
	size_t n = privkey_sign(&place_of(ctx, held)->key, hash_id, hash, out);

	if (n == 0 || n > cap)
		return 0;
	memcpy(sig, out, n);
	return n;
}

void
certs_init(struct certs *c)
{
	memset(c, 0, sizeof *c);
	br_ssl_session_cache_lru_init(&c->cache, c->sessions,
	    sizeof c->sessions);
	c->server = (struct tls_server){ c, choose, release, sign,
		&c->cache };
}

/* ---- files ------------------------ */

static bool
set_path(char path[CERTS_PATH_MAX], struct slice s)
{
	if (s.n == 0 || s.n >= CERTS_PATH_MAX || slice_find(s, 0) < s.n)
		return false;
	memcpy(path, s.p, s.n);
	path[s.n] = '\0';
	return true;
}

void
certs_stamp_set(struct certs_stamp *out, const struct stat *st)
{
	out->dev = st->st_dev;
	out->ino = st->st_ino;
	out->size = st->st_size;
#ifdef __APPLE__
	out->modified = st->st_mtimespec;
	out->changed = st->st_ctimespec;
#else
	out->modified = st->st_mtim;
	out->changed = st->st_ctim;
#endif
}

static void
stamp(const char *path, struct certs_stamp *out)
{
	struct stat st;

	memset(out, 0, sizeof *out);
	if (stat(path, &st) == 0)
		certs_stamp_set(out, &st);
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
certs_stamp_same(const struct certs_stamp *a, const struct certs_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    same_time(&a->modified, &b->modified) &&
	    same_time(&a->changed, &b->changed);
}

/* The whole file into c->text. */
static const char *
read_file(struct certs *c, const char *path, struct slice *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why = NULL;
	size_t n = 0;

	if (fd < 0)
		return errno == EACCES ? "permission denied: let a deploy hook "
		    "make a copy that this account may read" :
		    strerror(errno);
	while (n < sizeof c->text) {
		ssize_t r = read(fd, c->text + n, sizeof c->text - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			why = strerror(errno);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	if (n == sizeof c->text)
		why = "larger than 64 KiB";
	(void)close(fd);
	*text = slice_of(c->text, n);
	return why;
}

static const char *
chain_fault(enum err e)
{
	switch (e) {
	case E_OK:
		return NULL;
	case E_EOF:
		return "no certificate in it (want PEM)";
	case E_FULL:
		return "more than 8 certificates or 24 KiB";
	case E_RANGE:
		return "a key that TLS 1.2 cannot use here: want EC P-256 or "
		    "P-384, or RSA";
	default:
		return "a damaged certificate";
	}
}

static const char *
key_fault(enum err e)
{
	switch (e) {
	case E_OK:
		return NULL;
	case E_EOF:
		return "no private key in it (want PEM)";
	case E_AUTH:
		return "the private key is encrypted; want it without a "
		    "passphrase";
	case E_RANGE:
		return "a private key of a kind that cannot be used: want EC "
		    "P-256 or P-384, or RSA";
	default:
		return "a damaged private key";
	}
}

/* Fill the place that is not in use. E_FULL: a handshake holds it. */
static enum err
load(struct certs *c, struct certs_pair *p, struct certs_place *to,
    struct certs_fault *f)
{
	struct slice text;

	if (to->users > 0)
		return E_FULL;
	/* Before they are read: what changes meanwhile is seen again. */
	stamp(p->cert, &p->cert_stamp);
	stamp(p->key, &p->key_stamp);
	f->setting = "tls-cert";
	f->file = p->cert;
	f->why = read_file(c, p->cert, &text);
	if (f->why == NULL)
		f->why = chain_fault(chain_load(&to->chain, text));
	wipe(c->text, sizeof c->text);
	if (f->why != NULL)
		return E_SYNTAX;
	f->setting = "tls-key";
	f->file = p->key;
	f->why = read_file(c, p->key, &text);
	if (f->why == NULL)
		f->why = key_fault(privkey_load(&to->key, text));
	wipe(c->text, sizeof c->text);
	if (f->why == NULL && !privkey_fits(&to->key, &to->chain))
		f->why = "this private key does not belong to the "
		    "certificate";
	if (f->why == NULL)
		return E_OK;
	privkey_wipe(&to->key);
	return E_SYNTAX;
}

enum err
certs_add(struct certs *c, struct slice cert, struct slice key,
    struct certs_fault *f)
{
	struct certs_pair *p = &c->pairs[c->n];
	enum err e;

	*f = (struct certs_fault){ "tls-cert", "", "a path too long" };
	if (c->n == CERTS_MAX)
		return E_FULL;
	if (!set_path(p->cert, cert) || !set_path(p->key, key))
		return E_SYNTAX;
	e = load(c, p, &p->places[0], f);
	if (e == E_OK)
		c->n++;
	return e;
}

/* ---- time ------------------------ */

static const struct cert_chain *
live_chain(const struct certs_pair *p)
{
	return &p->places[p->live].chain;
}

static uint64_t
days_left(const struct cert_chain *c, uint64_t wall_ms)
{
	uint64_t now = wall_ms / 1000;

	return c->not_after_s > now ? (c->not_after_s - now) / DAY_S : 0;
}

static void
tell_pair(const struct certs_pair *p, const struct log *log, uint64_t wall_ms)
{
	const struct cert_chain *c = live_chain(p);
	uint64_t now = wall_ms / 1000;

	LOGF(log, LOG_INFO, "tls", "certificate", log_c("file", p->cert),
	    log_u("chain", c->n), log_u("days", days_left(c, wall_ms)),
	    log_c("key", chain_key_type(c) == BR_KEYTYPE_EC ? "EC" : "RSA"));
	if (now >= c->not_after_s)
		LOGF(log, LOG_ERROR, "tls", "the certificate has expired: "
		    "browsers and agents refuse it", log_c("file", p->cert));
	else if (now < c->not_before_s)
		LOGF(log, LOG_ERROR, "tls", "the certificate is not valid "
		    "yet, or this machine's clock is wrong",
		    log_c("file", p->cert));
	else if (days_left(c, wall_ms) < CERTS_SOON_DAYS)
		LOGF(log, LOG_WARN, "tls", "the certificate ends soon",
		    log_c("file", p->cert),
		    log_u("days", days_left(c, wall_ms)));
}

void
certs_tell(const struct certs *c, const struct log *log, uint64_t wall_ms)
{
	for (size_t i = 0; i < c->n; i++)
		tell_pair(&c->pairs[i], log, wall_ms);
}

/* Read a pair again. True if it was replaced. */
static bool
reload_pair(struct certs *c, struct certs_pair *p, const struct log *log,
    uint64_t wall_ms)
{
	struct certs_fault f;
	enum err e = load(c, p, &p->places[1 - p->live], &f);

	p->later = e == E_FULL;
	if (e == E_SYNTAX)
		LOGF(log, LOG_ERROR, "tls", "the new certificate or key "
		    "cannot be used; the old pair stays",
		    log_c("file", f.file), log_c("why", f.why));
	if (e != E_OK)
		return false;
	p->live = 1 - p->live;
	LOGF(log, LOG_INFO, "tls", "read again", log_c("file", p->cert));
	tell_pair(p, log, wall_ms);
	return true;
}

void
certs_reload(struct certs *c, const struct log *log, uint64_t wall_ms)
{
	for (size_t i = 0; i < c->n; i++)
		(void)reload_pair(c, &c->pairs[i], log, wall_ms);
}

static bool
changed(const struct certs_pair *p)
{
	struct certs_stamp cert, key;

	stamp(p->cert, &cert);
	stamp(p->key, &key);
	return p->later || !certs_stamp_same(&cert, &p->cert_stamp) ||
	    !certs_stamp_same(&key, &p->key_stamp);
}

bool
certs_step(struct certs *c, const struct log *log, uint64_t now_ms,
    uint64_t wall_ms, uint64_t *due_ms)
{
	uint64_t day = wall_ms / 1000 / DAY_S;
	bool replaced = false;

	if (now_ms < c->look_ms) {
		*due_ms = c->look_ms;
		return false;
	}
	for (size_t i = 0; i < c->n; i++) {
		struct certs_pair *p = &c->pairs[i];

		if (changed(p) && reload_pair(c, p, log, wall_ms))
			replaced = true;
		else if (c->told_day != 0 && c->told_day != day &&
		    days_left(live_chain(p), wall_ms) < CERTS_SOON_DAYS)
			tell_pair(p, log, wall_ms);
	}
	c->told_day = day;
	c->look_ms = *due_ms = now_ms + CERTS_LOOK_MS;
	return replaced;
}

uint64_t
certs_until_s(const struct certs *c)
{
	uint64_t until = UINT64_MAX;

	for (size_t i = 0; i < c->n; i++)
		until = min_u64(until, live_chain(&c->pairs[i])->not_after_s);
	return until;
}

bool
certs_pin(const struct certs *c, size_t i, uint8_t pin[PIN_BYTES])
{
	return i < c->n && pin_of(pin, &live_chain(&c->pairs[i])->own.pkey);
}

/* ---- keys in another process ------------------------ */

void
certs_forget_keys(struct certs *c)
{
	for (size_t i = 0; i < c->n; i++)
		for (size_t j = 0; j < 2; j++)
			privkey_wipe(&c->pairs[i].places[j].key);
}

uint32_t
certs_busy(const struct certs *c)
{
	uint32_t busy = 0;

	for (size_t i = 0; i < 2 * c->n; i++)
		busy |= (uint32_t)(c->pairs[i / 2].places[i % 2].users > 0) <<
		    i;
	return busy;
}

void
certs_set_busy(struct certs *c, uint32_t busy)
{
	for (size_t i = 0; i < 2 * c->n; i++)
		c->pairs[i / 2].places[i % 2].users = busy >> i & 1;
}

uint32_t
certs_live(const struct certs *c)
{
	uint32_t live = 0;

	for (size_t i = 0; i < c->n; i++)
		live |= (uint32_t)c->pairs[i].live << i;
	return live;
}

size_t
certs_sign(struct certs *c, uint32_t held, int hash_id, struct slice hash,
    uint8_t out[SIGNATURE_MAX])
{
	if (held >= 2 * c->n || place_of(c, held)->key.type == 0)
		return 0;
	return privkey_sign(&place_of(c, held)->key, hash_id, hash, out);
}

bool
certs_take(struct certs *c, size_t i, unsigned place, struct slice packed)
{
	struct certs_place *to = &c->pairs[i].places[place];

	assert(i < c->n && place < 2);
	if (to->users > 0 || chain_unpack(&to->chain, packed) != E_OK)
		return false;
	c->pairs[i].live = (uint8_t)place;
	return true;
}
