/*
 * Trust anchors. Of each certificate only the subject's name, the key and
 * whether it is a CA are kept, as BearSSL wants them. The file is read as a
 * whole, into space whose pages are given back, and by nothing but openat,
 * fstat and read: the sandbox stands when it is read again.
 */
#include "net/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static const struct slice usual[] = {
	/* Debian, Ubuntu, Arch, Nix */
	SL_INIT("/etc/ssl/certs/ca-certificates.crt"),
	SL_INIT("/etc/pki/tls/certs/ca-bundle.crt"),    /* Fedora, RHEL */
	SL_INIT("/etc/ssl/ca-bundle.pem"),              /* SUSE */
	SL_INIT("/etc/ssl/cert.pem"),   /* Alpine, the BSDs, macOS */
	SL_INIT("/usr/local/share/certs/ca-root-nss.crt"),      /* FreeBSD */
};

/* Keep these bytes. NULL if there is no room. */
static uint8_t *
keep(struct trust_place *t, const void *p, size_t n)
{
	uint8_t *to = t->data + t->used;

	if (n > sizeof t->data - t->used)
		return NULL;
	memcpy(to, p, n);
	t->used += n;
	return to;
}

static void
put_name(void *ctx, const void *p, size_t n)
{
	buf_put(ctx, slice_of(p, n));
}

static bool
keep_key(struct trust_place *t, br_x509_pkey *to, const br_x509_pkey *from)
{
	to->key_type = from->key_type;
	if (from->key_type == BR_KEYTYPE_RSA) {
		to->key.rsa = from->key.rsa;
		to->key.rsa.n = keep(t, from->key.rsa.n, from->key.rsa.nlen);
		to->key.rsa.e = keep(t, from->key.rsa.e, from->key.rsa.elen);
		return to->key.rsa.n != NULL && to->key.rsa.e != NULL;
	}
	to->key.ec = from->key.ec;
	to->key.ec.q = keep(t, from->key.ec.q, from->key.ec.qlen);
	return to->key.ec.q != NULL;
}

static enum err
add_anchor(struct trust_place *t, struct slice der)
{
	br_x509_trust_anchor *a = &t->anchors[t->n];
	br_x509_decoder_context dc;
	uint8_t area[4096];
	struct buf name = BUF_ON(area);
	const br_x509_pkey *key;

	if (t->n == TRUST_ANCHORS_MAX)
		return E_FULL;
	br_x509_decoder_init(&dc, put_name, &name);
	br_x509_decoder_push(&dc, der.p, der.n);
	key = br_x509_decoder_get_pkey(&dc);
	if (key == NULL || !buf_ok(&name))
		return E_OK;    /* of a kind that BearSSL cannot use */
	*a = (br_x509_trust_anchor){
		.flags = br_x509_decoder_isCA(&dc) ? BR_X509_TA_CA : 0 };
	a->dn.data = keep(t, name.p, name.n);
	a->dn.len = name.n;
	if (a->dn.data == NULL || !keep_key(t, &a->pkey, key))
		return E_FULL;
	t->n++;
	return E_OK;
}

static enum err
read_bundle(struct trust *t, struct trust_place *p, struct slice text)
{
	uint8_t area[PEM_NAME_MAX];
	struct buf name = BUF_ON(area), der = BUF_ON(t->cert);
	enum err e;

	while ((e = pem_next(&text, &name, &der)) == E_OK) {
		if (slice_eq(buf_slice(&name), SL("CERTIFICATE")) ||
		    slice_eq(buf_slice(&name), SL("TRUSTED CERTIFICATE")))
			e = add_anchor(p, buf_slice(&der));
		if (e != E_OK)
			return e;
		buf_reset(&der);
	}
	return e == E_EOF ? E_OK : e;
}

/* What reading has made resident is the system's again. */
static void
give_back(struct trust *t)
{
#ifdef MADV_DONTNEED
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)t->text + page - 1) & -page;
	uintptr_t to = (uintptr_t)(t->text + sizeof t->text) & -page;

	(void)madvise((void *)from, to - from, MADV_DONTNEED);
#else
	(void)t;
#endif
}

/* The whole file, into the place that is not in use; then that is. */
static enum err
read_file(struct trust *t, int fd)
{
	struct trust_place *p = &t->places[1 - t->live];
	enum err e = E_FULL;
	size_t n = 0;

	p->used = p->n = 0;
	while (n < sizeof t->text) {
		ssize_t r = read(fd, t->text + n, sizeof t->text - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			e = r < 0 ? E_IO : E_OK;
			break;
		}
		n += (size_t)r;
	}
	if (e == E_OK)
		e = read_bundle(t, p, slice_of(t->text, n));
	give_back(t);
	if (e == E_OK && p->n == 0)
		e = E_SYNTAX;
	t->why = e == E_OK ? NULL :
	    e == E_SYNTAX ? "no certificate in it, or damaged PEM" :
	    e == E_FULL ? "too large" : "cannot be read";
	if (e != E_OK)
		return e;
	t->live = 1 - t->live;
	t->tls.anchors = p->anchors;
	t->tls.nanchors = p->n;
	return E_OK;
}

/* Open it. True if this is not the file that was looked at last. */
static bool
look(struct trust *t, int *fd)
{
	struct certs_stamp before = t->stamp;
	struct stat st;

	memset(&t->stamp, 0, sizeof t->stamp);
	/* openat(2): the sandbox has no other. */
	*fd = openat(AT_FDCWD, t->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY);
	if (*fd >= 0 && fstat(*fd, &st) == 0)
		certs_stamp_set(&t->stamp, &st);
	return !certs_stamp_same(&t->stamp, &before);
}

static void
name_file(struct trust *t, struct slice file)
{
	memcpy(t->file, file.p, file.n);
	t->file[file.n] = '\0';
}

enum err
trust_load(struct trust *t, struct slice file)
{
	enum err e;
	int fd = -1;

	t->why = "name too long";
	if (file.n >= sizeof t->file)
		return E_EOF;
	name_file(t, file);
	if (file.n > 0)
		(void)look(t, &fd);
	t->is_usual = file.n == 0;
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
		if (file.n == 0 && fd < 0) {
			name_file(t, usual[i]);
			(void)look(t, &fd);
		}
		t->is_usual = t->is_usual || slice_eq(file, usual[i]);
	}
	if (fd < 0) {
		t->why = file.n > 0 ? strerror(errno) :
		    "no bundle of certificate authorities at the usual places";
		return E_EOF;
	}
	e = read_file(t, fd);
	(void)close(fd);
	return e;
}

bool
trust_look(struct trust *t)
{
	int fd;
	bool is_new = look(t, &fd);

	if (is_new && fd < 0)
		t->why = strerror(errno);
	else if (is_new)
		(void)read_file(t, fd);
	if (fd >= 0)
		(void)close(fd);
	return is_new;
}
