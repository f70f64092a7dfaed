/*
 * Who owns which tunnel_id. An id belongs to the auth_key that it was first
 * registered with: a workstation that comes again with both gets it back, also
 * when the relay was started anew in between; with another key it gets another
 * id. Only a hash of both is kept. The file is written whole when it changed:
 *
 *     {"workstations":[{"id":"4KozTxOixEk1","key":"...","name":"mac",
 *         "seen":1700000000}]}
 *
 * Wrong keys: nobody is refused for the guesses of others. Who guesses beyond
 * a small allowance, of the address or of the id, waits before the next key is
 * looked at; so does the rightful one there, for that long and no longer.
 */
#include "relay/channel.h"

#include "base/num.h"
#include "codec/b64.h"
#include "codec/json.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

static void
key_hash(uint8_t out[32], struct slice id, struct slice auth_key)
{
	struct sha256 h;

	sha256_init(&h);
	sha256_add(&h, SL("adit channel 1:"));
	sha256_add(&h, id);
	sha256_add(&h, SL(":"));
	sha256_add(&h, auth_key);
	sha256_out(&h, out);
	wipe(&h, sizeof h);
}

struct station *
station_find(struct relay *r, struct slice id)
{
	for (size_t i = 0; i < STATIONS_MAX; i++) {
		struct station *st = &r->channel->stations[i];

		if (st->id.n > 0 && slice_eq(name_slice(&st->id), id))
			return st;
	}
	return NULL;
}

bool
station_key_ok(const struct station *st, struct slice auth_key)
{
	uint8_t hash[32];

	key_hash(hash, name_slice(&st->id), auth_key);
	return ct_eq(hash, st->key, sizeof hash);
}

struct slice
field_trim(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || (s.p[0] >= 9 && s.p[0] <= 13)))
		s = slice_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' ||
	    (s.p[s.n - 1] >= 9 && s.p[s.n - 1] <= 13)))
		s.n--;
	return s;
}

static bool
id_ok(struct slice id)
{
	if (id.n < STATION_ID_MIN || id.n > NAME_BYTES)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		uint8_t c = ascii_lower(id.p[i]);

		if (!ascii_digit(c) && !(c >= 'a' && c <= 'z') && c != '_' &&
		    c != '-')
			return false;
	}
	return true;
}

/* A free entry, or that of whoever was away longest; its polling devices, if
 * it has any, have not been seen by it for as long. */
static struct station *
station_place(struct relay *r)
{
	struct station *found = NULL;

	for (size_t i = 0; i < STATIONS_MAX; i++) {
		struct station *st = &r->channel->stations[i];

		if (st->id.n == 0)
			return st;
		if (st->sock == NULL && st->clients == NULL &&
		    st->watches == NULL &&
		    (found == NULL || st->seen_s < found->seen_s))
			found = st;
	}
	return found;
}

static void
new_id(struct relay *r, struct name *id)
{
	uint8_t raw[9], text[STATION_ID_MIN];
	struct buf b = BUF_ON(text);

	do {
		buf_reset(&b);
		io_random(r->io, raw, sizeof raw);
		b64_encode(&b, slice_of(raw, sizeof raw), B64_URL_BARE);
	} while (station_find(r, buf_slice(&b)) != NULL);
	name_set(id, buf_slice(&b));
}

struct station *
station_claim(struct relay *r, struct slice id, struct slice auth_key,
    struct slice name, bool *restored)
{
	struct station *st = id_ok(id) ? station_find(r, id) : NULL;
	bool fresh = !id_ok(id) || st != NULL;

	*restored = st != NULL && station_key_ok(st, auth_key);
	if (!*restored) {
		st = station_place(r);
		if (st == NULL)
			return NULL;
		*st = (struct station){ .from = 0 };
		if (fresh)
			new_id(r, &st->id);
		else
			name_set(&st->id, id);
		key_hash(st->key, name_slice(&st->id), auth_key);
	}
	name_set(&st->name, utf8_head(name, NAME_BYTES));
	st->seen_s = r->io->wall_ms / 1000;
	r->channel->changed = true;
	return st;
}

/* ---- the file ---- */

static const struct slice file_name = SL_INIT("channel.json");

/* Who is online is seen now: if we crash, it was not away since it came. */
void
ids_save(struct relay *r)
{
	uint64_t now_s = r->io->wall_ms / 1000;
	struct buf b = buf_of(r->area, AREA_BYTES);
	struct json_out o = json_out_on(&b);

	r->channel->changed = false;
	json_object(&o);
	json_name(&o, SL("workstations"));
	json_array(&o);
	for (size_t i = 0; i < STATIONS_MAX; i++) {
		const struct station *st = &r->channel->stations[i];
		uint8_t area[48];
		struct buf key = BUF_ON(area);

		if (st->id.n == 0)
			continue;
		b64_encode(&key, slice_of(st->key, sizeof st->key),
		    B64_URL_BARE);
		buf_lit(&b, "\n");
		json_object(&o);
		json_pair_string(&o, SL("id"), name_slice(&st->id));
		json_pair_string(&o, SL("key"), buf_slice(&key));
		json_pair_string(&o, SL("name"), name_slice(&st->name));
		json_pair_u64(&o, SL("seen"), st->sock != NULL ? now_s :
		    st->seen_s);
		json_object_end(&o);
	}
	json_array_end(&o);
	json_object_end(&o);
	buf_lit(&b, "\n");
	if (!buf_ok(&b) || !r->io->ops->save(r->io->ctx, file_name,
	    buf_slice(&b)))
		LOGF(r->log, LOG_ERROR, "channel", "ids could not be saved",
		    log_s("file", file_name));
}

static bool
load_station(struct relay *r, struct station *st, struct json v)
{
	struct json_field f[4] = { { .name = SL("id") },
		{ .name = SL("key") }, { .name = SL("name") },
		{ .name = SL("seen") } };
	struct buf key = BUF_ON(st->key), name = BUF_ON(st->name.b);
	struct slice id, text;

	if (json_fields(v, f, 4) != E_OK || !json_plain(f[0].v, &id) ||
	    !id_ok(id) || station_find(r, id) != NULL ||
	    !json_plain(f[1].v, &text) ||
	    b64_decode(&key, text, B64_URL_BARE) != E_OK ||
	    key.n != sizeof st->key ||
	    json_string(f[2].v, &name) != E_OK ||
	    json_u64(f[3].v, &st->seen_s) != E_OK)
		return false;
	st->name.n = to_u8(name.n);
	return name_set(&st->id, id);
}

enum err
relay_load_channel(struct relay *r, struct slice state)
{
	struct json v, list, name, item;
	struct json_iter it;
	size_t n = 0;

	if (state.n == 0 || r->channel == NULL)
		return E_OK;
	if (json_parse(state, 4, &v) != E_OK ||
	    json_get(v, SL("workstations"), &list) != E_OK ||
	    list.kind != JSON_ARRAY)
		return E_SYNTAX;
	json_iter(&it, list);
	while (json_next(&it, &name, &item)) {
		if (n == STATIONS_MAX ||
		    !load_station(r, &r->channel->stations[n++], item))
			return E_SYNTAX;
	}
	return E_OK;
}

/* ---- wrong keys ---- */

uint64_t
guess_address(const struct addr *a)
{
	return (a->family == ADDR_V4 ? get_u32(a->ip) : get_u64(a->ip)) << 1;
}

static uint64_t
guess_id(struct slice id)
{
	uint8_t hash[SHA256_BYTES];

	sha256(hash, id);
	return get_u64(hash) | 1;
}

/* The key's bucket, or the one of those it may have that is fullest again. */
static struct guess *
guess_find(struct relay *r, uint64_t key)
{
	struct guess *best = NULL;
	size_t at = (size_t)((key ^ r->cfg->hash_seed) *
	    0x9e3779b97f4a7c15u >> 40);

	for (size_t i = 0; i < 8; i++) {
		struct guess *g = &r->channel->guesses[(at + i) %
		    GUESS_BUCKETS];

		if (g->key == key)
			return g;
		if (best == NULL || g->full_ms < best->full_ms)
			best = g;
	}
	return best;
}

static bool
guess_has(struct relay *r, uint64_t key)
{
	const struct guess *g = guess_find(r, key);

	return g->key != key || g->full_ms < r->io->now_ms +
	    (uint64_t)GUESS_BURST * GUESS_MS;
}

bool
guess_free(struct relay *r, uint64_t address, struct slice id)
{
	return guess_has(r, address) &&
	    (id.n == 0 || guess_has(r, guess_id(id)));
}

static void
guess_count(struct relay *r, uint64_t key)
{
	struct guess *g = guess_find(r, key);
	uint64_t most = r->io->now_ms +
	    (uint64_t)(GUESS_BURST + 1) * GUESS_MS;

	if (g->key != key)
		*g = (struct guess){ .key = key };
	g->full_ms = min_u64(max_u64(g->full_ms, r->io->now_ms) + GUESS_MS,
	    most);
}

void
guess_wrong(struct relay *r, uint64_t address, struct slice id)
{
	r->channel->count[COUNT_WRONG]++;
	guess_count(r, address);
	if (id.n > 0)
		guess_count(r, guess_id(id));
}

uint32_t
device_hash(struct slice device)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < device.n; i++)
		h = (h ^ device.p[i]) * 16777619u;
	return h;
}
