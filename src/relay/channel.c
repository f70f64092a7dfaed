/*
 * The channel as a whole: its share of the memory, what it does once a turn,
 * its numbers, and its end.
 *
 * Blocks are reserved once, at start, and only their use is counted here: apps
 * and the channel cannot starve each other.
 */
#include "relay/channel.h"

#include <assert.h>

#include "base/num.h"
#include "codec/json.h"

_Static_assert(sizeof(struct channel_msg) <= 2048,
    "a message that waits costs 2 KiB");

enum {
	NODES_PER_MSG = 16, LEAST_BLOCKS = 16,
	SAVE_MS = 1000,                 /* between two writings of the ids */
	OFFLINE_SHOWN = 32,             /* in the status */
};

static void
counts(const struct relay_plan *p, uint32_t *socks, uint32_t *msgs,
    uint32_t *watches)
{
	*socks = (uint32_t)min_u64(p->mib * SOCKS_PER_MIB, p->connections);
	*msgs = (uint32_t)min_u64(p->mib * MSGS_PER_MIB, 65536);
	*watches = (uint32_t)min_u64(p->mib * WATCHES_PER_MIB, 4096);
}

uint64_t
channel_bytes(const struct relay_plan *p)
{
	uint32_t socks, msgs, watches;

	counts(p, &socks, &msgs, &watches);
	return arena_bytes(sizeof(struct channel), 64) +
	    pool_bytes(sizeof(struct channel_sock), socks) +
	    pool_bytes(sizeof(struct channel_msg), msgs) +
	    pool_bytes(sizeof(struct channel_node), NODES_PER_MSG * msgs) +
	    pool_bytes(sizeof(struct watch), watches) +
	    arena_bytes(sizeof(struct station) * STATIONS_MAX, 16) +
	    arena_bytes(sizeof(struct guess) * GUESS_BUCKETS, 16);
}

/* Half of what there is; room for one longest message in any case. */
uint32_t
channel_blocks(const struct relay_cfg *cfg, uint32_t blocks)
{
	uint32_t least = blocks_for(to_size(cfg->channel_message_max)) +
	    LEAST_BLOCKS;

	return blocks / 2 > least ? blocks / 2 : least;
}

void
channel_new(struct relay *r, struct arena *a)
{
	struct channel *ch = arena_take(a, sizeof *ch, 64);
	uint32_t socks, msgs, watches;
	bool ok;

	counts(&r->plan, &socks, &msgs, &watches);
	pool_init(&ch->socks, a, KIND_SOCK, sizeof(struct channel_sock),
	    socks);
	pool_init(&ch->msgs, a, KIND_MESSAGE, sizeof(struct channel_msg),
	    msgs);
	pool_init(&ch->nodes, a, KIND_NODE, sizeof(struct channel_node),
	    NODES_PER_MSG * msgs);
	pool_init(&ch->watches, a, KIND_WATCH, sizeof(struct watch), watches);
	ch->stations = arena_take(a, sizeof *ch->stations * STATIONS_MAX, 16);
	ch->guesses = arena_take(a, sizeof *ch->guesses * GUESS_BUCKETS, 16);
	ch->budget = r->plan.channel_blocks;
	ch->watch_ms = TIMER_NEVER;
	ok = blocks_reserve(&r->blocks, ch->budget);
	assert(ok);
	r->channel = ch;
}

bool
channel_path(const struct relay *r, struct slice path)
{
	return r->channel != NULL && r->site.main &&
	    (slice_eq(path, r->cfg->channel_path) ||
	    slice_starts(path, SL("/api/v1/watch/")));
}

void
channel_request(struct client *c, const struct http_head *h,
    struct slice path, struct slice rest)
{
	if (slice_eq(path, c->r->cfg->channel_path))
		sock_upgrade(c, h);
	else
		watch_request(c, h, slice_from(path, 14), rest);
}

uint64_t
channel_step(struct relay *r)
{
	struct channel *ch = r->channel;

	if (ch == NULL)
		return TIMER_NEVER;
	device_sweep(r);
	if (ch->freed) {
		ch->freed = false;
		room_wake(r);
	}
	if (!ch->changed || r->held)
		return ch->watch_ms;
	if (r->io->now_ms < ch->save_ms && !ch->stopping)
		return min_u64(ch->watch_ms, ch->save_ms);
	ch->save_ms = r->io->now_ms + SAVE_MS;
	ids_save(r);
	return ch->watch_ms;
}

void
channel_save(struct relay *r)
{
	if (r->channel != NULL && r->channel->changed)
		ids_save(r);
}

void
channel_stop(struct relay *r)
{
	struct channel *ch = r->channel;

	if (ch == NULL || ch->stopping)
		return;
	ch->stopping = true;
	for (uint32_t i = 0; i < ch->socks.fresh; i++) {
		if (pool_live(&ch->socks, i))
			sock_end(pool_at(&ch->socks, i),
			    WS_CODE_GOING_AWAY, SL("Server shutting down"));
	}
	/* Who waits for a message is answered. */
	for (uint32_t i = 0; i < ch->watches.fresh; i++) {
		if (pool_live(&ch->watches, i))
			device_wake(pool_at(&ch->watches, i));
	}
}

void
channel_credential_gone(struct relay *r, uint32_t credential)
{
	struct channel *ch = r->channel;

	for (size_t i = 0; ch != NULL && i < STATIONS_MAX; i++) {
		struct station *st = &ch->stations[i];

		if (st->sock != NULL && st->credential == credential)
			sock_end(st->sock, WS_CODE_POLICY,
			    SL("The key was removed"));
	}
}

/* ---- its numbers ---- */

uint64_t
channel_online(const struct relay *r)
{
	uint64_t n = 0;

	for (size_t i = 0; r->channel != NULL && i < STATIONS_MAX; i++)
		n += r->channel->stations[i].sock != NULL;
	return n;
}

uint64_t
channel_clients(const struct relay *r)
{
	return r->channel != NULL ? r->channel->clients : 0;
}

void
channel_counts(const struct relay *r, uint64_t v[])
{
	const struct channel *ch = r->channel;

	v[0] = channel_online(r);
	v[1] = ch->clients;
	v[2] = ch->watches.used;
	memcpy(v + 3, ch->count, sizeof ch->count);
}

static void
put_station(struct json_out *o, const struct station *st)
{
	json_object(o);
	json_pair_string(o, SL("name"), name_slice(&st->name));
	json_pair_string(o, SL("tunnelId"), name_slice(&st->id));
	json_pair_bool(o, SL("online"), st->sock != NULL);
	json_pair_u64(o, SL("seen"), st->seen_s);
	json_pair_u64(o, SL("clients"), st->nclients);
	json_pair_u64(o, SL("watches"), st->nwatches);
	json_pair_u64(o, SL("messagesIn"), st->from);
	json_pair_u64(o, SL("messagesOut"), st->to);
	json_object_end(o);
}

void
channel_status(const struct relay *r, struct json_out *o)
{
	size_t offline = 0;

	json_pair_string(o, SL("wsPath"), r->cfg->channel_path);
	json_name(o, SL("workstations"));
	json_array(o);
	for (size_t i = 0; i < STATIONS_MAX; i++) {
		const struct station *st = &r->channel->stations[i];

		if (st->id.n > 0 && (st->sock != NULL ||
		    offline++ < OFFLINE_SHOWN))
			put_station(o, st);
	}
	json_array_end(o);
}
