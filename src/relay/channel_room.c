/*
 * Room: messages are charged to the channel's blocks, and where there are none
 * left, who wants to send is not read. In order of asking they look again when
 * something was freed; while somebody waits, who holds room and does not get on
 * makes way. Rejected: to drop messages, which no sender could tell.
 */
#include "relay/channel.h"

bool
room_wanted(const struct relay *r, const struct channel_sock *s)
{
	const struct channel *ch = r->channel;

	for (uint32_t i = 0; i < ch->socks.fresh; i++) {
		const struct channel_sock *o = pool_at(&ch->socks, i);

		if (pool_live(&ch->socks, i) && o != s && !o->ending &&
		    o->wait == CH_ROOM &&
		    (s == NULL || s->ticket == 0 || o->ticket < s->ticket))
			return true;
	}
	return false;
}

void
room_wait(struct channel_sock *s)
{
	struct channel *ch = s->c->r->channel;

	if (s->ticket == 0)
		s->ticket = ++ch->ticket;
	sock_pause(s, CH_ROOM, s->c->r->io->now_ms + CHANNEL_ROOM_MS);
}

/* It holds room that others want, and does not get on. */
static bool
holds_up(const struct channel_sock *s, uint64_t now)
{
	uint64_t ms = s->m != NULL ? now - s->m->begun_ms : 0;

	if (s->q.n > 0 && now - s->read_ms >= CHANNEL_STALL_MS)
		return true;
	return ms >= CHANNEL_SLOW_MS && s->m->blocks > 0 &&
	    s->wait == CH_READS && s->total < ms * CHANNEL_SLOW_RATE;
}

/* Since when the client has something and has not shown who it is. */
static uint64_t
unknown_since(const struct client *c, bool sock)
{
	const struct channel_sock *s = c->channel;

	if (s != NULL && s->st == NULL && (sock || s->m != NULL))
		return sock ? s->start_ms : s->m->begun_ms;
	return !sock && c->post != NULL ? c->post->begun_ms : UINT64_MAX;
}

bool
room_evict(struct relay *r, bool sock)
{
	uint64_t since = UINT64_MAX;
	struct client *found = NULL;

	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c = pool_at(&r->clients, i);

		if (!pool_live(&r->clients, i) || c == r->channel->busy ||
		    unknown_since(c, sock) >= since)
			continue;
		since = unknown_since(c, sock);
		found = c;
	}
	if (found != NULL)
		client_close(found, true);
	return found != NULL;
}

void
room_relieve(struct relay *r, bool nodes)
{
	struct channel *ch = r->channel;
	struct channel_sock *most = NULL;

	for (uint32_t i = 0; i < ch->socks.fresh; i++) {
		struct channel_sock *s = pool_at(&ch->socks, i);

		if (!pool_live(&ch->socks, i) || s->ending || s->doomed)
			continue;
		if (most == NULL || s->q.n > most->q.n)
			most = s;
		if (holds_up(s, r->io->now_ms))
			sock_doom(s);
	}
	if (nodes && most != NULL)
		sock_doom(most);
	else
		device_relieve(r);
}

void
room_wake(struct relay *r)
{
	struct channel *ch = r->channel;
	struct channel_sock *first = NULL;

	for (uint32_t i = 0; i < ch->socks.fresh; i++) {
		struct channel_sock *s = pool_at(&ch->socks, i);

		if (pool_live(&ch->socks, i) && !s->ending &&
		    s->wait == CH_ROOM &&
		    (first == NULL || s->ticket < first->ticket))
			first = s;
	}
	if (first != NULL)
		sock_resume(first, NULL);
}
