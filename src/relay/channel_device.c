/*
 * Devices that poll, and what waits for each. A device is known by the pair of
 * its tunnel and its name, so nobody reads another tunnel's; its queue holds
 * references to what the tunnel's clients got. Queues are what gives way when
 * memory is short: a device is told that it may have missed something.
 */
#include "relay/channel.h"

#include "base/num.h"

enum { SWEEP_MS = 5000 };

struct watch *
device_find(const struct station *st, struct slice device)
{
	struct watch *w = st->watches;

	while (w != NULL &&
	    !slice_eq(slice_of(w->device, w->device_n), device))
		w = w->next;
	return w;
}

struct watch *
device_get(struct relay *r, struct station *st, struct slice device)
{
	struct watch *w = device_find(st, device);

	if (w == NULL) {
		w = pool_take(&r->channel->watches);
		if (w == NULL)
			return NULL;
		memcpy(w->device, device.p, device.n);
		w->device_n = to_u8(device.n);
		w->st = st;
		w->next = st->watches;
		st->watches = w;
		st->nwatches++;
		if (r->channel->watch_ms == TIMER_NEVER)
			r->channel->watch_ms = r->io->now_ms + SWEEP_MS;
	}
	w->called_ms = r->io->now_ms;
	return w;
}

/* The oldest message is lost to the device. */
static void
device_lose(struct relay *r, struct watch *w)
{
	w->lost = w->sequence - w->q.n + 1;
	queue_drop(r, &w->q);
}

void
device_wake(struct watch *w)
{
	while (w->polls != NULL) {
		struct client *c = w->polls;

		w->polls = c->next_poll;
		c->poll = NULL;
		c->woken = true;
		client_mark(c);
	}
}

void
device_put(struct relay *r, struct watch *w, struct channel_msg *m)
{
	size_t n = msg_size(m);

	w->sequence++;
	if (n > WATCH_BYTES || (m->not_json && m->n > WATCH_ODD_MAX) ||
	    !queue_put(r, &w->q, m)) {
		/* A gap in a queue cannot be told: all before it goes too. */
		queue_clear(r, &w->q, 0);
		w->lost = w->sequence;
	}
	while (w->q.n > WATCH_MESSAGES || w->q.bytes > WATCH_BYTES)
		device_lose(r, w);
	device_wake(w);
}

void
device_forget(struct relay *r, struct watch *w)
{
	struct station *st = w->st;
	struct slice device = slice_of(w->device, w->device_n);
	struct watch **at = &st->watches;
	struct channel_msg *m;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	st->nwatches--;
	device_wake(w);
	queue_clear(r, &w->q, 0);
	if (st->sock != NULL && talk_find(st, device) == NULL) {
		m = talk_notice(r, SL("client.disconnected"),
		    name_slice(&st->id), device);
		if (m != NULL)
			sock_send(st->sock, m);
		msg_unref(r, m);
	}
	pool_give(&r->channel->watches, w);
}

bool
device_relieve(struct relay *r)
{
	struct pool *p = &r->channel->watches;
	struct watch *most = NULL;

	for (uint32_t i = 0; i < p->fresh; i++) {
		struct watch *w = pool_at(p, i);

		if (pool_live(p, i) && w->q.n > 0 &&
		    (most == NULL || w->q.bytes > most->q.bytes))
			most = w;
	}
	if (most != NULL)
		device_lose(r, most);
	return most != NULL;
}

void
device_trim(struct relay *r, struct watch *w)
{
	uint64_t now = r->io->wall_ms;

	while (w->q.n > 0 && queue_first(r, &w->q)->wall_ms + WATCH_AGE_MS <
	    now)
		device_lose(r, w);
}

void
device_sweep(struct relay *r)
{
	struct channel *ch = r->channel;

	if (r->io->now_ms < ch->watch_ms)
		return;
	ch->watch_ms = r->io->now_ms + SWEEP_MS;
	for (uint32_t i = 0; i < ch->watches.fresh; i++) {
		struct watch *w = pool_at(&ch->watches, i);

		if (!pool_live(&ch->watches, i))
			continue;
		if (w->polls == NULL && r->io->now_ms - w->called_ms >=
		    WATCH_AGE_MS)
			device_forget(r, w);
		else
			device_trim(r, w);
	}
	if (ch->watches.used == 0)
		ch->watch_ms = TIMER_NEVER;
}
