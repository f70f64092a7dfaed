/*
 * adit init --self-signed: a key and a certificate for a relay without a
 * domain. What agents trust is the key, by its pin; the certificate is there
 * because TLS wants one.
 */
#include <string.h>
#include <unistd.h>

#include "app/help.h"
#include "app/out.h"
#include "app/serve.h"
#include "net/clock.h"

enum {
	DAYS = 3650,
	HOST_BYTES = 256,
	TEXT_BYTES = 4096,
	SEED_BYTES = 48,
};

static const struct slice role_name = SL_INIT("relay");
static const struct slice cert_name = SL_INIT("tls-cert.pem");
static const struct slice key_name = SL_INIT("tls-key.pem");

struct init {
	struct conf conf;
	struct data data;
	struct slice dir, host;
	char hostname[HOST_BYTES];
	uint8_t pin[PIN_BYTES];
	bool kept;                      /* they were there already */
};

static void
put_file(struct buf *b, const struct init *t, struct slice name)
{
	buf_put(b, t->dir);
	buf_lit(b, "/");
	buf_put(b, role_name);
	buf_lit(b, "/");
	buf_put(b, name);
}

/* A name in a URL: an IPv6 address in brackets. */
static void
put_host(struct buf *b, struct slice host)
{
	bool v6 = slice_find(host, ':') < host.n;

	if (v6)
		buf_lit(b, "[");
	buf_put(b, host);
	if (v6)
		buf_lit(b, "]");
}

static void
report(const struct init *t)
{
	uint8_t area[TEXT_BYTES];
	struct buf b = BUF_ON(area);

	buf_put(&b, t->kept ? SL("There already, and kept: ") :
	    SL("Made, good for ten years: "));
	put_file(&b, t, cert_name);
	buf_lit(&b, " and ");
	put_file(&b, t, key_name);
	buf_lit(&b, "\n\nThe relay, on this machine:\n"
	    "    adit relay --tls-cert ");
	put_file(&b, t, cert_name);
	buf_lit(&b, " --tls-key ");
	put_file(&b, t, key_name);
	buf_lit(&b, "\nThe agent, beside the apps:\n"
	    "    adit agent --relay https://");
	put_host(&b, t->host);
	buf_lit(&b, ":4000 --pin ");
	pin_put(&b, t->pin);
	buf_lit(&b, " --app 3000\n\n"
	    "The pin is the relay's public key: agents that have it need "
	    "nothing else.\n"
	    "Browsers do not have it and warn that the connection is not "
	    "private, since\n"
	    "nobody they know signed this certificate. Continue only if the "
	    "certificate\n"
	    "that they show has the SHA-256 of its public key as above, or "
	    "use a domain\n"
	    "and a certificate of a public CA.\n");
	out_write(STDOUT_FILENO, buf_slice(&b));
}

static int
fault(const struct init *t, struct slice file, const char *why)
{
	return serve_file_fault(EXIT_FAILED, t->dir, role_name, file, 0, why);
}

/* A pair that is there is not replaced: agents have its pin. */
static int
look_for_pair(struct init *t)
{
	static struct cert_chain chain;
	uint8_t text[CERTS_FILE_MAX / 4];
	size_t n;
	enum err e = data_load(&t->data, cert_name, text, sizeof text, &n);

	if (e == E_EOF)
		return EXIT_GO_ON;
	if (e != E_OK || chain_load(&chain, slice_of(text, n)) != E_OK ||
	    !pin_of(t->pin, &chain.own.pkey))
		return fault(t, cert_name, "is there and cannot be read; "
		    "remove it to make another");
	t->kept = true;
	return EXIT_STOPPED;
}

static int
make_pair(struct init *t)
{
	uint8_t seed[SEED_BYTES], area[SELF_CERT_MAX], secret[SELF_CERT_MAX];
	struct buf cert = BUF_ON(area), key = BUF_ON(secret);
	struct rng rng;
	struct self_cert s = { .name = t->host, .days = DAYS, .rng = &rng,
		.now_s = net_wall_ms() / 1000 };
	int code = EXIT_STOPPED;
	enum err e;

	if (getentropy(seed, sizeof seed) != 0)
		return out_fail(EXIT_FAILED, "no entropy", SL(""), NULL);
	rng_init(&rng, slice_of(seed, sizeof seed));
	e = self_cert(&s, &cert, &key, t->pin);
	rng_wipe(&rng);
	wipe(seed, sizeof seed);
	if (e == E_RANGE)
		code = out_fail(EXIT_USAGE, "--name", t->host,
		    "want a host name or an address");
	else if (e != E_OK)
		code = out_fail(EXIT_FAILED, "certificate", SL(""),
		    err_text(e));
	else if (data_save(&t->data, key_name, buf_slice(&key)) != E_OK)
		code = fault(t, key_name, strerror(t->data.error));
	else if (data_save(&t->data, cert_name, buf_slice(&cert)) != E_OK)
		code = fault(t, cert_name, strerror(t->data.error));
	wipe(secret, sizeof secret);
	return code;
}

int
init_cmd(const struct cmd *cmd)
{
	static struct init t;
	struct conf *c = &t.conf;
	int code;

	conf_init(c, CONF_INIT);
	if (!conf_flags(c, cmd->argc, cmd->argv) ||
	    (!conf_is_set(c, C_HELP) && !conf_env(c, cmd->envp))) {
		out_error(buf_slice(&c->error));
		return EXIT_USAGE;
	}
	if (conf_is_set(c, C_HELP)) {
		help_print(CONF_INIT);
		return EXIT_STOPPED;
	}
	if (!conf_is_set(c, C_SELF_SIGNED))
		return out_fail(EXIT_USAGE, "init", SL(""), "not in this "
		    "version: accounts. adit relay makes what it needs at its "
		    "first start; say --self-signed to make a certificate");
	(void)gethostname(t.hostname, sizeof t.hostname - 1);
	t.dir = conf_text(c, C_DATA, SL("./adit-data"));
	t.host = conf_text(c, C_CERT_NAME,
	    slice_of(t.hostname, strlen(t.hostname)));
	code = serve_data(&t.data, t.dir, role_name);
	if (code == EXIT_GO_ON)
		code = look_for_pair(&t);
	if (code == EXIT_GO_ON)
		code = make_pair(&t);
	if (code == EXIT_STOPPED)
		report(&t);
	return code;
}
