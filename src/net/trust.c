/*
 * Trust anchors. Of each certificate only the subject's name, the key and
 * whether it is a CA are kept, as BearSSL wants them. The bundle is mapped, not
 * read: it is larger than any buffer of ours and needed once.
 */
#include "net/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static const char *const usual[] = {
	"/etc/ssl/certs/ca-certificates.crt",   /* Debian, Ubuntu, Arch, Nix */
	"/etc/pki/tls/certs/ca-bundle.crt",     /* Fedora, RHEL */
	"/etc/ssl/ca-bundle.pem",               /* SUSE */
	"/etc/ssl/cert.pem",                    /* Alpine, the BSDs, macOS */
	"/usr/local/share/certs/ca-root-nss.crt",       /* FreeBSD */
};

/* Keep these bytes. NULL if there is no room. */
static uint8_t *
keep(struct trust *t, const void *p, size_t n)
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
keep_key(struct trust *t, br_x509_pkey *to, const br_x509_pkey *from)
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
add_anchor(struct trust *t, struct slice der)
{
	br_x509_trust_anchor *a = &t->anchors[t->tls.nanchors];
	br_x509_decoder_context dc;
	uint8_t area[4096];
	struct buf name = BUF_ON(area);
	const br_x509_pkey *key;

	if (t->tls.nanchors == TRUST_ANCHORS_MAX)
		return E_FULL;
	br_x509_decoder_init(&dc, put_name, &name);
	br_x509_decoder_push(&dc, der.p, der.n);
	key = br_x509_decoder_get_pkey(&dc);
	if (key == NULL || !buf_ok(&name)) {
		t->skipped++;
		return E_OK;
	}
	*a = (br_x509_trust_anchor){
		.flags = br_x509_decoder_isCA(&dc) ? BR_X509_TA_CA : 0 };
	a->dn.data = keep(t, name.p, name.n);
	a->dn.len = name.n;
	if (a->dn.data == NULL || !keep_key(t, &a->pkey, key))
		return E_FULL;
	t->tls.nanchors++;
	return E_OK;
}

static enum err
read_bundle(struct trust *t, struct slice text)
{
	uint8_t area[PEM_NAME_MAX];
	struct buf name = BUF_ON(area), der = BUF_ON(t->cert);
	enum err e;

	while ((e = pem_next(&text, &name, &der)) == E_OK) {
		if (slice_eq(buf_slice(&name), SL("CERTIFICATE")) ||
		    slice_eq(buf_slice(&name), SL("TRUSTED CERTIFICATE")))
			e = add_anchor(t, buf_slice(&der));
		if (e != E_OK)
			return e;
		buf_reset(&der);
	}
	return e == E_EOF ? E_OK : e;
}

static enum err
map_and_read(struct trust *t, int fd)
{
	struct stat st;
	void *p;
	enum err e;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return E_IO;
	if (st.st_size == 0)
		return E_OK;
	if (st.st_size > TRUST_FILE_MAX)
		return E_FULL;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return E_IO;
	e = read_bundle(t, slice_of(p, (size_t)st.st_size));
	(void)munmap(p, (size_t)st.st_size);
	return e;
}

enum err
trust_load(struct trust *t, const char *file)
{
	enum err e;
	int fd = -1;

	memset(&t->tls, 0, sizeof t->tls);
	t->used = t->skipped = 0;
	t->file = file;
	if (file != NULL)
		fd = open(file, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; file == NULL && fd < 0 &&
	    i < sizeof usual / sizeof usual[0]; i++) {
		t->file = usual[i];
		fd = open(usual[i], O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0) {
		t->why = file != NULL ? strerror(errno) :
		    "no bundle of certificate authorities at the usual places";
		return E_EOF;
	}
	e = map_and_read(t, fd);
	(void)close(fd);
	if (e == E_OK && t->tls.nanchors == 0)
		e = E_SYNTAX;
	t->tls.anchors = t->anchors;
	t->why = e == E_SYNTAX ? "no certificate in it, or damaged PEM" :
	    e == E_FULL ? "too large" : "cannot be read";
	return e;
}
