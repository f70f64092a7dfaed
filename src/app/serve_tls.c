/*
 * TLS of a start and of a run: the relay's certificates, what the agent trusts,
 * and what people are told about both.
 */
#include "app/serve.h"

#include "app/out.h"

enum { PATH_BYTES = 1024 };

int
serve_certs(struct serve *s)
{
	certs_init(&s->certs);
	for (size_t i = 0; i < s->rs.ncerts; i++) {
		struct certs_fault f;

		if (certs_add(&s->certs, s->rs.certs[i], s->rs.keys[i], &f) ==
		    E_OK)
			continue;
		return out_fail(EXIT_USAGE, f.setting,
		    slice_of(f.file, strlen(f.file)), f.why);
	}
	return EXIT_GO_ON;
}

int
serve_trust(struct serve *s)
{
	char path[PATH_BYTES];
	bool named = s->as.ca.n > 0;
	struct slice file = s->as.ca;

	if (s->as.npins > 0) {
		s->trust.tls.npins = s->as.npins;
		memcpy(s->trust.tls.pins, s->as.pins, sizeof s->as.pins);
		return EXIT_GO_ON;
	}
	if (file.n >= sizeof path)
		return out_fail(EXIT_USAGE, NULL, file, "name too long");
	memcpy(path, file.p, file.n);
	path[file.n] = '\0';
	if (trust_load(&s->trust, named ? path : NULL) == E_OK) {
		s->trust.file = NULL;   /* `path` ends here */
		return EXIT_GO_ON;
	}
	if (named)
		return out_fail(EXIT_USAGE, NULL, file, s->trust.why);
	return out_fail(EXIT_USAGE, "certificate authorities", SL(""),
	    "none found at the usual places; install the package "
	    "ca-certificates, name a file with --ca, or give the relay's "
	    "--pin");
}

void
serve_pin_self(struct serve *s)
{
	struct tls_trust *t = &s->trust.tls;

	if (s->certs.n == 0)
		return;
	/* The one before stays good while its handshakes finish. */
	memcpy(t->pins[1], t->pins[0], PIN_BYTES);
	if (certs_pin(&s->certs, 0, t->pins[0]))
		t->npins = t->npins == 0 ? 1 : TLS_PINS_MAX;
	s->as.npins = t->npins;
}

void
serve_tls_hello(struct serve *s)
{
	if (s->certs.n == 0)
		return;
	certs_tell(&s->certs, &s->log, s->loop.io.wall_ms);
	relay_set_tls_until(s->relay, certs_until_s(&s->certs));
}

static void
renewed(struct serve *s)
{
	relay_set_tls_until(s->relay, certs_until_s(&s->certs));
	if (s->has_agent)
		serve_pin_self(s);
}

uint64_t
serve_tls_step(struct serve *s, const struct io *io)
{
	uint64_t due = UINT64_MAX;

	if (s->certs.n > 0 && certs_step(&s->certs, &s->log, io->now_ms,
	    io->wall_ms, &due))
		renewed(s);
	return due;
}

void
serve_tls_reload(struct serve *s, const struct io *io)
{
	if (s->certs.n == 0) {
		LOGF(&s->log, LOG_INFO, "app", "SIGHUP: nothing to reload");
		return;
	}
	certs_reload(&s->certs, &s->log, io->wall_ms);
	renewed(s);
}
