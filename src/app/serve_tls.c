/*
 * TLS of a start and of a run: the relay's certificates, what the agent trusts,
 * and what people are told about both.
 */
#include "app/serve.h"

#include "app/out.h"
#include "base/num.h"

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
	struct slice file = s->as.ca;

	if (s->as.npins > 0) {
		s->trust.tls.npins = s->as.npins;
		memcpy(s->trust.tls.pins, s->as.pins, sizeof s->as.pins);
		return EXIT_GO_ON;
	}
	if (trust_load(&s->trust, file) == E_OK)
		return EXIT_GO_ON;
	if (file.n > 0)
		return out_fail(EXIT_USAGE, NULL, file, s->trust.why);
	return out_fail(EXIT_USAGE, "certificate authorities", SL(""),
	    "none found at the usual places; install the package "
	    "ca-certificates, name a file with --ca, or give the relay's "
	    "--pin");
}

bool
serve_tls_dial(void *ctx, int fd, struct slice host)
{
	struct kernel *k = ctx;
	struct serve *s = k->cfg.ask_ctx;
	struct trust *t = &s->trust;

	if (t->tls.npins > 0 || !trust_look(t))
		return kernel_ops.tls(ctx, fd, host);
	if (t->why == NULL)
		LOGF(&s->log, LOG_INFO, "tls", "certificate authorities read "
		    "again", log_c("file", t->file),
		    log_u("n", t->tls.nanchors));
	else
		LOGF(&s->log, LOG_WARN, "tls", "the certificate authorities "
		    "have changed and cannot be read; those of the start "
		    "stay in use until the next", log_c("file", t->file),
		    log_c("why", t->why));
	return kernel_ops.tls(ctx, fd, host);
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

/* ---- the vault has the keys ------------------------ */

/* In it: LOOK answers which place of each pair is in use now. */
void
serve_tls_inside(struct serve *s, const struct vault_call *c,
    struct vault_reply *r, uint8_t *shared)
{
	struct buf b = buf_of(shared, VAULT_SHARED_BYTES);
	uint64_t due;

	s->log.wall_ms = c->wall_ms;
	if (c->kind == VAULT_SIGN) {
		r->n = to_u32(certs_sign(&s->certs, c->arg, (int)c->id,
		    slice_of(c->bytes, c->n), r->bytes));
		r->ok = r->n > 0;
	} else if (c->kind == VAULT_LOOK) {
		certs_set_busy(&s->certs, c->arg);
		s->certs.look_ms = 0;
		if (c->id != 0)
			certs_reload(&s->certs, &s->log, c->wall_ms);
		else
			(void)certs_step(&s->certs, &s->log, 0, c->wall_ms,
			    &due);
		r->n = certs_live(&s->certs);
		r->ok = true;
	} else if (c->kind == VAULT_CHAIN && c->arg < s->certs.n) {
		const struct certs_pair *p = &s->certs.pairs[c->arg];

		r->ok = chain_pack(&b, &p->places[p->live].chain);
		r->n = to_u32(b.n);
	}
}

/* tls_server.sign: the one call that a handshake waits for. */
static size_t
sign(void *ctx, uint32_t held, int hash_id, struct slice hash, uint8_t *sig,
    size_t cap)
{
	struct serve *s = &serve_process;
	struct vault_call c = { .kind = VAULT_SIGN, .arg = held,
		.id = (uint32_t)hash_id, .n = to_u32(hash.n) };
	struct vault_reply r;

	(void)ctx;
	if (hash.n > sizeof c.bytes)
		return 0;
	memcpy(c.bytes, hash.p, hash.n);
	if (!vault_call(&s->vault, &c, &r, VAULT_SIGN_MS) || r.ok == 0 ||
	    r.n > cap || r.n > sizeof r.bytes)
		return 0;
	memcpy(sig, r.bytes, r.n);
	return r.n;
}

void
serve_tls_forget(struct serve *s)
{
	certs_forget_keys(&s->certs);
	s->certs.server.sign = sign;
}

/* Let the vault look at the files, and take what it has read. */
static void
look(struct serve *s, uint64_t wall_ms, bool force)
{
	struct vault_call c = { .kind = VAULT_LOOK, .id = force,
		.wall_ms = wall_ms, .arg = certs_busy(&s->certs) };
	struct vault_reply r;
	uint32_t live, changed;

	if (!vault_call(&s->vault, &c, &r, VAULT_SLOW_MS) || r.ok == 0)
		return;
	live = r.n;
	changed = live ^ certs_live(&s->certs);
	for (uint32_t i = 0; i < s->certs.n; i++) {
		c = (struct vault_call){ .kind = VAULT_CHAIN, .arg = i,
			.wall_ms = wall_ms };
		if ((changed >> i & 1) != 0 &&
		    vault_call(&s->vault, &c, &r, VAULT_SLOW_MS) &&
		    r.ok != 0)
			(void)certs_take(&s->certs, i, live >> i & 1,
			    slice_of(s->vault.shared, r.n));
	}
	if (changed != 0)
		renewed(s);
}

uint64_t
serve_tls_step(struct serve *s, const struct io *io)
{
	if (s->certs.n == 0)
		return UINT64_MAX;
	if (io->now_ms >= s->certs.look_ms) {
		/* They were read a moment ago: the first look is later. */
		if (s->certs.look_ms != 0)
			look(s, io->wall_ms, false);
		s->certs.look_ms = io->now_ms + CERTS_LOOK_MS;
	}
	return s->certs.look_ms;
}

void
serve_tls_reload(struct serve *s, const struct io *io)
{
	if (s->certs.n == 0)
		LOGF(&s->log, LOG_INFO, "app", "SIGHUP: nothing to reload");
	else
		look(s, io->wall_ms, true);
}
