/*
 * adit init: the data directory with its secrets and the first account; with
 * --self-signed a key and a certificate for a relay without a domain. What
 * agents trust is the key, by its pin; the certificate is there because TLS
 * wants one.
 */
#include <string.h>
#include <unistd.h>

#include "app/console.h"
#include "app/out.h"
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
	struct console console;
	struct data *data;
	struct slice dir, host;
	uint8_t user[64];
	size_t user_n;
	struct secret password;
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
	enum err e = data_load(t->data, cert_name, text, sizeof text, &n);

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
	else if (data_save(t->data, key_name, buf_slice(&key)) != E_OK)
		code = fault(t, key_name, strerror(t->data->error));
	else if (data_save(t->data, cert_name, buf_slice(&cert)) != E_OK)
		code = fault(t, cert_name, strerror(t->data->error));
	wipe(secret, sizeof secret);
	return code;
}

static int
self_signed(struct init *t)
{
	int code = look_for_pair(t);

	if (code == EXIT_GO_ON)
		code = make_pair(t);
	if (code == EXIT_STOPPED)
		report(t);
	return code;
}

/* ---- the first account ------------------------ */

/* Before anything is made or locked: people take their time. */
static int
ask_for_account(struct init *t, const struct conf *c)
{
	struct slice name = conf_text(c, C_ADMIN, SL(""));
	struct slice file = conf_text(c, C_PASSWORD_FILE, SL(""));
	struct buf b = BUF_ON(t->user);
	char path[SERVE_PATH_BYTES] = "";

	if (name.n == 0 && file.n == 0)
		(void)console_line(SL("Name of the first admin [admin]: "),
		    &b);
	buf_put(&b, name);
	if (b.n == 0)
		buf_lit(&b, "admin");
	t->user_n = b.n;
	if (!buf_ok(&b) || file.n >= sizeof path)
		return out_fail(EXIT_USAGE, "--user", name, "too long");
	memcpy(path, file.p, file.n);
	return console_password(&t->password, file.n > 0 ? path : NULL);
}

static int
make_account(struct init *t)
{
	uint8_t area[1024];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);
	struct json body;
	int code;

	json_object(&o);
	json_pair_string(&o, SL("op"), SL("setup"));
	json_pair_string(&o, SL("user"), slice_of(t->user, t->user_n));
	json_pair_string(&o, SL("password"), secret_bytes(&t->password));
	json_object_end(&o);
	code = console_do(&t->console, buf_slice(&b), &body);
	wipe(area, sizeof area);
	return code;
}

static void
report_account(const struct init *t)
{
	uint8_t area[TEXT_BYTES];
	struct buf b = BUF_ON(area);

	buf_lit(&b, "Made: the first account, the admin ");
	buf_put_escaped(&b, slice_of(t->user, t->user_n), sizeof t->user);
	buf_lit(&b, "\n\nThe relay, on this machine:\n    adit relay");
	if (!slice_eq(t->dir, SL("./adit-data"))) {
		buf_lit(&b, " --data ");
		buf_put(&b, t->dir);
	}
	buf_lit(&b, "\nThe agent, beside the apps, with the token of ");
	put_file(&b, t, SL("relay-token"));
	buf_lit(&b, ":\n    adit agent --relay ");
	if (t->console.url.n > 0) {
		buf_put(&b, t->console.url);
	} else {
		buf_lit(&b, "http://");
		put_host(&b, t->host);
		buf_lit(&b, ":4000");
	}
	buf_lit(&b, " --token-file relay-token --app 3000\n"
	    "Other people, by a link for each:\n    adit invite\n");
	out_write(STDOUT_FILENO, buf_slice(&b));
}

int
init_cmd(const struct cmd *cmd)
{
	static struct init t;
	struct serve *s = &serve_process;
	const struct conf *c = &s->conf;
	int code = console_settings(s, CONF_INIT, cmd);
	bool pair = conf_is_set(c, C_SELF_SIGNED);
	bool account = !pair || conf_is_set(c, C_ADMIN);

	(void)gethostname(t.hostname, sizeof t.hostname - 1);
	t.dir = s->rs.data;
	t.data = &s->relay_data;
	t.host = conf_text(c, C_CERT_NAME,
	    slice_of(t.hostname, strlen(t.hostname)));
	if (code == EXIT_GO_ON && account)
		code = ask_for_account(&t, c);
	if (code == EXIT_GO_ON)
		code = console_open(&t.console, s, true, pair);
	if (code == EXIT_GO_ON && pair && account)
		code = keep_open(s, true, NULL);
	if (code == EXIT_GO_ON && account)
		code = make_account(&t);
	if (code == EXIT_GO_ON && account)
		report_account(&t);
	if (code == EXIT_GO_ON)
		code = pair ? self_signed(&t) : EXIT_STOPPED;
	secret_wipe(&t.password);
	keeper_wipe(&s->keeper);
	return code;
}
