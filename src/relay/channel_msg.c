/*
 * Messages: the first MESSAGE_SMALL bytes are in the record, the rest in
 * blocks that were reserved before the bytes were read. A message is edited
 * where it lies: what is cut becomes blanks, and a string's characters are
 * never longer than the string, so nothing has to be held twice.
 *
 * Rejected: a copy for each reader (200 clients and 8 MiB are 1.6 GiB), and
 * blocks alone (100 messages of 200 bytes would take 1.6 MB).
 */
#include "relay/channel.h"

#include <assert.h>

#include "base/num.h"
#include "crypto/ct.h"

struct channel_msg *
msg_new(struct relay *r)
{
	struct pool *msgs = &r->channel->msgs;
	struct channel_msg *m = pool_take(msgs);

	if (m == NULL && (room_evict(r, false) || device_relieve(r)))
		m = pool_take(msgs);
	if (m == NULL)
		return NULL;
	m->refs = 1;
	m->begun_ms = r->io->now_ms;
	return m;
}

void
msg_unref(struct relay *r, struct channel_msg *m)
{
	struct channel *ch = r->channel;

	if (m == NULL)
		return;
	assert(m->refs > 0);
	if (--m->refs > 0)
		return;
	if (m->secret)
		wipe(m->in, sizeof m->in);
	chain_free(&m->chain, &r->blocks);
	ch->used -= m->blocks;
	ch->loose -= m->loose ? m->blocks : 0;
	pool_give(&ch->msgs, m);
	ch->freed = true;
}

uint32_t
msg_blocks(size_t total)
{
	return total <= MESSAGE_SMALL ? 0 : blocks_for(total - MESSAGE_SMALL);
}

bool
msg_room(const struct relay *r, size_t total)
{
	return msg_blocks(total) <= r->channel->budget - r->channel->used;
}

bool
msg_reserve(struct relay *r, struct channel_msg *m, size_t total)
{
	struct channel *ch = r->channel;
	uint32_t n = msg_blocks(total);

	assert(ch->used <= ch->budget && m->blocks <= ch->used);
	assert(total >= m->total);
	if (n > m->blocks && n - m->blocks > ch->budget - ch->used)
		return false;
	ch->used = ch->used - m->blocks + n;
	if (m->loose)
		ch->loose = ch->loose - m->blocks + n;
	ch->freed = ch->freed || n < m->blocks;
	m->blocks = n;
	return true;
}

bool
msg_put(struct relay *r, struct channel_msg *m, struct slice s)
{
	size_t small = m->total < MESSAGE_SMALL ?
	    min_size(s.n, MESSAGE_SMALL - m->total) : 0;
	bool ok;

	if (msg_blocks(m->total + s.n) > m->blocks)
		return false;
	if (small > 0)
		memcpy(m->in + m->total, s.p, small);
	ok = chain_put(&m->chain, &r->blocks, slice_from(s, small));
	assert(ok);
	m->total += s.n;
	m->n = m->total;
	return true;
}

/* The bytes from `at` on that lie together, writable. */
static uint8_t *
piece(struct relay *r, struct channel_msg *m, struct channel_place *place,
    size_t at, size_t *n)
{
	const struct pool *p = &r->blocks.pool;

	assert(at < m->total);
	if (at < MESSAGE_SMALL) {
		*n = min_size(m->total, MESSAGE_SMALL) - at;
		return m->in + at;
	}
	at -= MESSAGE_SMALL;
	if (place->off == 0 || at < place->off)
		*place = (struct channel_place){ m->chain.head, 0 };
	while (at - place->off >= BLOCK_BYTES) {
		place->block = p->link[place->block];
		place->off += BLOCK_BYTES;
	}
	*n = min_size(BLOCK_BYTES - (at - place->off),
	    m->total - MESSAGE_SMALL - at);
	return (uint8_t *)pool_at(p, place->block) + (at - place->off);
}

void
msg_blank(struct relay *r, struct channel_msg *m, size_t from, size_t to)
{
	while (from < to) {
		size_t n;
		uint8_t *p = piece(r, m, &m->place, from, &n);

		n = min_size(n, to - from);
		memset(p, ' ', n);
		from += n;
	}
}

bool
msg_copy(struct relay *r, struct channel_msg *m,
    const struct envelope_span *v, struct buf *b)
{
	struct channel_place place = { 0 };
	size_t from = v->from;

	if (v->kind == JSON_NONE || v->to > m->total ||
	    v->to - from > buf_room(b))
		return false;
	while (from < v->to) {
		size_t n;
		uint8_t *p = piece(r, m, &place, from, &n);

		n = min_size(n, v->to - from);
		buf_put(b, slice_of(p, n));
		from += n;
	}
	return true;
}

bool
msg_string(struct relay *r, struct channel_msg *m,
    const struct envelope_span *v, struct buf *b)
{
	uint8_t area[6 * FIELD_MAX + 2];
	struct buf raw = BUF_ON(area);
	struct json s;
	bool ok = v->kind == JSON_STRING && msg_copy(r, m, v, &raw) &&
	    json_parse(buf_slice(&raw), 0, &s) == E_OK &&
	    json_string(s, b) == E_OK;

	wipe(area, raw.n);
	return ok;
}

/* Through a message with one place to read at and one to write at. */
struct walk {
	struct relay *r;
	struct channel_msg *m;
	size_t from, to, put;
	struct channel_place reads, writes;
};

static uint8_t
walk_byte(struct walk *w)
{
	size_t n;

	assert(w->from < w->to);
	return *piece(w->r, w->m, &w->reads, w->from++, &n);
}

static unsigned
walk_unit(struct walk *w)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++) {
		uint8_t c = ascii_lower(walk_byte(w));

		v = v << 4 | (ascii_digit(c) ? c - 48u : c - 87u);
	}
	return v;
}

/* Behind `\u`: the character, halves of a pair joined, U+FFFD for one. */
static uint32_t
walk_unicode(struct walk *w)
{
	unsigned high = walk_unit(w), low;
	size_t back = w->from;

	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high < 0xdc00 && w->to - w->from >= 6 && walk_byte(w) == '\\' &&
	    walk_byte(w) == 'u') {
		low = walk_unit(w);
		if (low >= 0xdc00 && low <= 0xdfff)
			return 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
	}
	w->from = back;
	return 0xfffd;
}

/* What goes in is at most what came out before it. */
static void
walk_put(struct walk *w, struct slice s)
{
	while (s.n > 0) {
		size_t n;
		uint8_t *p = piece(w->r, w->m, &w->writes, w->put, &n);

		n = min_size(n, s.n);
		memmove(p, s.p, n);
		w->put += n;
		s = slice_from(s, n);
	}
	assert(w->put <= w->from);
}

static void
walk_escape(struct walk *w)
{
	static const uint8_t from[] = "bfnrt", to[] = "\b\f\n\r\t";
	uint8_t area[8], c = walk_byte(w);
	const uint8_t *simple = memchr(from, c, sizeof from - 1);
	struct buf b = BUF_ON(area);

	if (c == 'u')
		utf8_put(&b, walk_unicode(w));
	else
		buf_put_u8(&b, simple != NULL ? to[simple - from] : c);
	walk_put(w, buf_slice(&b));
}

void
msg_unescape(struct relay *r, struct channel_msg *m,
    const struct envelope_span *v)
{
	struct walk w = { r, m, v->from + 1, v->to - 1, v->from + 1, { 0 },
		{ 0 } };

	assert(v->kind == JSON_STRING);
	while (w.from < w.to) {
		size_t n, run;
		uint8_t *p = piece(r, m, &w.reads, w.from, &n);
		uint8_t area[256];

		n = min_size(min_size(n, w.to - w.from), sizeof area);
		run = slice_find(slice_of(p, n), '\\');
		if (run > 0) {
			/* The writer's place may be in another block. */
			memcpy(area, p, run);
			w.from += run;
			walk_put(&w, slice_of(area, run));
			continue;
		}
		w.from++;
		walk_escape(&w);
	}
	msg_keep(r, m, v->from + 1, w.put - v->from - 1);
}

void
msg_keep(struct relay *r, struct channel_msg *m, size_t from, size_t n)
{
	size_t total = from + n;

	assert(total <= m->total);
	chain_cut(&m->chain, &r->blocks, total > MESSAGE_SMALL ?
	    total - MESSAGE_SMALL : 0);
	m->place = (struct channel_place){ 0 };
	m->total = total;
	m->from = from;
	m->n = n;
	msg_reserve(r, m, total);
}

enum err
msg_scan(struct relay *r, struct channel_msg *m, bool cuts)
{
	struct channel_place place = { 0 };
	size_t at = m->from;
	enum err e = E_MORE;

	envelope_init(&m->env, cuts);
	while (at < m->total && (e == E_OK || e == E_MORE)) {
		size_t n, used;
		uint8_t *p = piece(r, m, &place, at, &n);

		e = envelope_feed(&m->env, slice_of(p, n), &used);
		at += used;
		if (e == E_OK)
			msg_blank(r, m, m->from + m->env.cut_from,
			    m->from + m->env.cut_to);
	}
	return envelope_end(&m->env);
}

void
msg_seal(struct channel_msg *m, struct slice prefix)
{
	struct buf b = BUF_ON(m->head);
	struct ws_frame f = { .length = prefix.n + m->n, .opcode = WS_TEXT,
		.fin = true };
	bool ok = ws_encode(&b, &f) && buf_put(&b, prefix);

	assert(ok);
	m->head_n = to_u16(b.n);
}

struct channel_msg *
msg_of(struct relay *r, struct slice s, bool framed)
{
	struct channel_msg *m = msg_new(r);

	if (m == NULL) {
		room_relieve(r, true);
		m = msg_new(r);
	}
	if (m == NULL)
		return NULL;
	if (!msg_reserve(r, m, s.n) || !msg_put(r, m, s)) {
		msg_unref(r, m);
		return NULL;
	}
	if (!framed)
		msg_seal(m, SL(""));
	m->wall_ms = r->io->wall_ms;
	return m;
}

size_t
msg_slices(struct relay *r, struct channel_msg *m,
    struct channel_place *place, size_t off, struct slice *v, size_t max)
{
	struct channel_place ahead = { 0 }, *use = place;
	size_t k = 0, at = m->from;

	if (off < m->head_n)
		v[k++] = slice_of(m->head + off, m->head_n - off);
	else
		at += off - m->head_n;
	while (k < max && at < m->from + m->n) {
		size_t n;
		uint8_t *p = piece(r, m, use, at, &n);

		/* Not all of it may be sent: *place stays with the first. */
		if (use == place)
			ahead = *place;
		use = &ahead;
		n = min_size(n, m->from + m->n - at);
		v[k++] = slice_of(p, n);
		at += n;
	}
	return k;
}

/* ---- queues ---- */

bool
queue_put(struct relay *r, struct channel_queue *q, struct channel_msg *m)
{
	struct channel *ch = r->channel;
	struct channel_node *node = pool_take(&ch->nodes);
	uint32_t i;

	if (node == NULL)
		return false;
	i = pool_index(&ch->nodes, node);
	node->msg = pool_index(&ch->msgs, m);
	if (q->n == 0)
		q->head = i;
	else
		ch->nodes.link[q->tail] = i;
	q->tail = i;
	q->n++;
	q->bytes += msg_size(m);
	m->refs++;
	return true;
}

struct channel_msg *
queue_first(struct relay *r, const struct channel_queue *q)
{
	struct channel *ch = r->channel;
	const struct channel_node *node;

	if (q->n == 0)
		return NULL;
	node = pool_at(&ch->nodes, q->head);
	return pool_at(&ch->msgs, to_u32(node->msg));
}

void
queue_drop(struct relay *r, struct channel_queue *q)
{
	struct channel *ch = r->channel;
	struct channel_msg *m = queue_first(r, q);
	uint32_t i = q->head;

	assert(q->n > 0 && q->bytes >= msg_size(m));
	q->head = ch->nodes.link[i];
	q->n--;
	q->bytes -= msg_size(m);
	pool_give(&ch->nodes, pool_at(&ch->nodes, i));
	msg_unref(r, m);
}

void
queue_clear(struct relay *r, struct channel_queue *q, uint32_t keep)
{
	struct channel_queue rest = *q;

	if (q->n <= keep)
		return;
	if (keep == 1) {
		rest.head = r->channel->nodes.link[q->head];
		rest.n--;
		rest.bytes -= msg_size(queue_first(r, q));
		q->tail = q->head;
		q->n = 1;
		q->bytes -= rest.bytes;
	} else {
		*q = (struct channel_queue){ .n = 0 };
	}
	while (rest.n > 0)
		queue_drop(r, &rest);
}
