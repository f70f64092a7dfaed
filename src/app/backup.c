/*
 * Text, because everything in it is text that a person can read, and a tar
 * would need a program to be checked. Each file is read once, so its sum is
 * made from what is written, not from what was there a moment before.
 */
#include "app/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

static const struct slice names[BACKUP_FILES] = {
	SL_INIT("jwt-secret"), SL_INIT("relay-token"), SL_INIT("people.json"),
	SL_INIT("tokens.json"), SL_INIT("sessions.json"),
	SL_INIT("relay.json"), SL_INIT("channel.json"),
	SL_INIT("audit.log"), SL_INIT("audit.log.1"),
	SL_INIT("audit.log.2"), SL_INIT("audit.log.3"),
	SL_INIT("tls-cert.pem"), SL_INIT("tls-key.pem"),
};

static const struct slice first_line = SL_INIT("adit-backup 1\n");

struct slice
backup_name(size_t i)
{
	return i < BACKUP_FILES ? names[i] : (struct slice){ 0 };
}

/* ---- files ------------------------ */

bool
backup_open(struct backup_files *f, const struct data *d)
{
	*f = (struct backup_files){ 0 };
	for (size_t i = 0; names[i].n > 0; i++) {
		int fd = openat(d->dir, (const char *)names[i].p,
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return false;
		f->fds[f->n] = fd;
		f->which[f->n++] = (uint8_t)i;
		if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
			return false;
		f->bytes[f->n - 1] = (uint64_t)st.st_size;
	}
	return true;
}

void
backup_close(struct backup_files *f)
{
	while (f->n > 0)
		(void)close(f->fds[--f->n]);
}

bool
backup_list(struct buf *b, const struct backup_files *f)
{
	struct json_out o = json_out_on(b);

	json_object(&o);
	json_name(&o, SL("files"));
	json_array(&o);
	for (size_t i = 0; i < f->n; i++) {
		json_object(&o);
		json_pair_string(&o, SL("name"), names[f->which[i]]);
		json_pair_u64(&o, SL("bytes"), f->bytes[i]);
		json_object_end(&o);
	}
	json_array_end(&o);
	json_object_end(&o);
	return buf_ok(b);
}

static size_t
find(struct slice name)
{
	size_t i = 0;

	while (i < BACKUP_FILES && !slice_eq(names[i], name))
		i++;
	return name.n > 0 ? i : BACKUP_FILES;
}

bool
backup_list_parse(struct backup_files *f, struct slice text)
{
	struct json root, list, none, v;
	struct json_iter it;

	f->n = 0;
	if (json_parse(text, JSON_DEPTH, &root) != E_OK ||
	    json_get(root, SL("files"), &list) != E_OK)
		return false;
	json_iter(&it, list);
	while (json_next(&it, &none, &v)) {
		struct json_field m[] = { { SL("name"), { 0 } },
			{ SL("bytes"), { 0 } } };
		struct slice name;
		size_t i;

		if (f->n == BACKUP_FILES || json_fields(v, m, 2) != E_OK ||
		    !json_plain(m[0].v, &name) ||
		    json_u64(m[1].v, &f->bytes[f->n]) != E_OK)
			return false;
		i = find(name);
		if (i == BACKUP_FILES)
			return false;
		f->which[f->n++] = (uint8_t)i;
	}
	return true;
}

/* ---- writing ------------------------ */

struct out {
	int fd;
	struct sha256 sum;
};

static bool
put(struct out *o, struct slice s)
{
	sha256_add(&o->sum, s);
	while (s.n > 0) {
		ssize_t n = write(o->fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = slice_from(s, (size_t)n);
	}
	return true;
}

static bool
read_whole(int fd, uint8_t *to, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t r = pread(fd, to + at, n - at, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

static bool
put_file(struct out *o, struct slice name, struct slice content)
{
	uint8_t area[256], sum[SHA256_BYTES];
	struct buf b = BUF_ON(area);

	sha256(sum, content);
	buf_put(&b, name);
	buf_lit(&b, " ");
	buf_put_dec(&b, content.n);
	buf_lit(&b, " ");
	buf_put_hex(&b, slice_of(sum, sizeof sum));
	buf_lit(&b, "\n");
	return put(o, buf_slice(&b)) && put(o, content) && put(o, SL("\n"));
}

const char *
backup_write(int fd, const struct backup_files *f)
{
	static uint8_t area[BACKUP_FILE_MAX];
	uint8_t sum[SHA256_BYTES], end[100];
	struct buf b = BUF_ON(end);
	struct out o = { .fd = fd };
	bool done;

	errno = 0;
	sha256_init(&o.sum);
	done = put(&o, first_line);
	for (size_t i = 0; done && i < f->n; i++) {
		if (f->bytes[i] > sizeof area)
			return "a file is larger than it can be";
		if (!read_whole(f->fds[i], area, (size_t)f->bytes[i]))
			return "a file cannot be read";
		done = put_file(&o, names[f->which[i]],
		    slice_of(area, (size_t)f->bytes[i]));
	}
	wipe(area, sizeof area);
	sha256_out(&o.sum, sum);
	buf_lit(&b, "end ");
	buf_put_hex(&b, slice_of(sum, sizeof sum));
	buf_lit(&b, "\n");
	/* A pipe cannot be synced. */
	done = done && put(&o, buf_slice(&b)) &&
	    (fsync(fd) == 0 || errno == EINVAL);
	return done ? NULL : "it cannot be written";
}

/* ---- reading ------------------------ */

static bool
sum_is(struct slice hex, struct slice content)
{
	uint8_t sum[SHA256_BYTES], area[2 * SHA256_BYTES];
	struct buf b = BUF_ON(area);

	sha256(sum, content);
	buf_put_hex(&b, slice_of(sum, sizeof sum));
	return slice_eq(hex, buf_slice(&b));
}

static size_t
lines(struct slice from, const uint8_t *to)
{
	size_t n = 1;

	for (const uint8_t *p = from.p; p < to; p++)
		n += *p == '\n';
	return n;
}

const char *
backup_parse(struct backup *b, struct slice text, size_t *line)
{
	struct slice rest = text, head, name, count;
	uint64_t bytes;
	size_t i, next = 0;

	*b = (struct backup){ 0 };
	*line = 1;
	if (!slice_starts(text, first_line))
		return "not a backup that this program knows";
	rest = slice_from(rest, first_line.n);
	for (;;) {
		struct slice before = { text.p, text.n - rest.n };

		*line = lines(text, rest.p);
		if (slice_find(rest, '\n') == rest.n)
			return "cut off";
		head = slice_cut(&rest, '\n');
		name = slice_cut(&head, ' ');
		if (slice_eq(name, SL("end")))
			return rest.n == 0 && sum_is(head, before) ? NULL :
			    "damaged: the sum of all is another";
		i = find(name);
		count = slice_cut(&head, ' ');
		if (i < next || i == BACKUP_FILES ||
		    !slice_dec(count, BACKUP_FILE_MAX, &bytes))
			return "not a line of a backup";
		if (rest.n <= bytes || rest.p[bytes] != '\n')
			return "cut off, or its length is another";
		b->files[i] = slice_head(rest, (size_t)bytes);
		if (!sum_is(head, b->files[i]))
			return "damaged: the file's sum is another";
		rest = slice_from(rest, (size_t)bytes + 1);
		next = i + 1;
	}
}
