/*
 * GET /metrics: numbers for Prometheus, text format 0.0.4. One table says what
 * there is; a name without a label stands once, and what ends in _total is a
 * counter.
 */
#include "relay/parts.h"

#include "base/num.h"

/* Those that every program has are called alike everywhere. */
static void
put_name(struct buf *b, struct slice name)
{
	if (!slice_starts(name, SL("process_")))
		buf_lit(b, "adit_");
	buf_put(b, name);
}

/* `text` is a name, without its `adit_`, and what it means. */
static void
put_head(struct buf *b, struct slice text)
{
	struct slice name = slice_cut(&text, ' ');
	bool counts = slice_ends(name, SL("_total"));

	buf_lit(b, "# HELP ");
	put_name(b, name);
	buf_lit(b, " ");
	buf_put(b, text);
	buf_lit(b, "\n# TYPE ");
	put_name(b, name);
	buf_put(b, counts ? SL(" counter\n") : SL(" gauge\n"));
}

/* `labels` with its braces, or empty. */
static void
put_value(struct buf *b, struct slice text, struct slice labels,
    uint64_t value)
{
	put_name(b, slice_cut(&text, ' '));
	buf_put(b, labels);
	buf_lit(b, " ");
	buf_put_dec(b, value);
	buf_lit(b, "\n");
}

static void
put_answers(struct buf *b, const struct relay *r)
{
	static const struct slice text = SL_INIT("answers_total Answers to "
	    "clients by status");
	uint8_t area[] = "{class=\"0xx\"}";

	put_head(b, text);
	for (unsigned i = 1; i < ANSWER_CLASSES; i++) {
		area[8] = (uint8_t)('0' + i);
		put_value(b, text, slice_of(area, sizeof area - 1),
		    r->answers[i]);
	}
}

static void
put_shakes(struct buf *b, const struct relay_facts *f)
{
	static const struct slice text = SL_INIT("tls_handshakes_total TLS "
	    "handshakes of clients by their end");
	static const struct slice labels[RELAY_SHAKES] = {
		SL_INIT("{end=\"full\"}"), SL_INIT("{end=\"resumed\"}"),
		SL_INIT("{end=\"failed\"}") };

	put_head(b, text);
	for (unsigned i = 0; i < RELAY_SHAKES; i++)
		put_value(b, text, labels[i], f->shakes[i]);
}

static void
put_build(struct buf *b, const struct relay *r)
{
	put_head(b, SL("build_info The version, always 1"));
	buf_lit(b, "adit_build_info{version=\"");
	buf_put_escaped(b, r->cfg->version, 64);
	buf_lit(b, "\"} 1\n");
}

static const struct slice metrics[] = {
	SL_INIT("uptime_seconds Since the start"),
	SL_INIT("connections Connections of clients"),
	SL_INIT("connections_max The most there may be"),
	SL_INIT("agents Agents that are connected"),
	SL_INIT("agents_parked Agents that are cut and may come back"),
	SL_INIT("streams Streams to apps"),
	SL_INIT("listeners Live event streams"),
	SL_INIT("requests_total Requests, good and bad"),
	SL_INIT("from_agents_bytes_total Bytes that agents sent"),
	SL_INIT("to_agents_bytes_total Bytes that were sent to agents"),
	SL_INIT("agent_connects_total New sessions"),
	SL_INIT("agent_cuts_total Sessions that were cut"),
	SL_INIT("agent_resumes_total Cut sessions that went on"),
	SL_INIT("logins_total Logins that were right"),
	SL_INIT("logins_refused_total Logins refused"),
	SL_INIT("memory_blocks Buffer blocks there are"),
	SL_INIT("memory_blocks_used Buffer blocks in use"),
	SL_INIT("process_start_time_seconds Unix time"),
	SL_INIT("process_resident_memory_bytes Of the process that carries "
	    "traffic"),
	SL_INIT("tls_days_left Until the first certificate ends"),
	SL_INIT("channel_workstations Workstations that are online"),
	SL_INIT("channel_clients WebSocket clients of the channel"),
	SL_INIT("channel_devices Devices that poll"),
	SL_INIT("channel_from_total Messages of workstations"),
	SL_INIT("channel_to_total Messages to workstations"),
	SL_INIT("channel_polled_total Messages given to devices that poll"),
	SL_INIT("channel_slow_total Sockets closed that did not get on"),
	SL_INIT("channel_wrong_keys_total Wrong keys that were shown"),
};

enum { COUNT = sizeof metrics / sizeof metrics[0] };

/* In the order of the table; what is not in use is left out. */
static void
collect(const struct relay *r, const struct relay_facts *f,
    uint64_t v[COUNT])
{
	uint64_t now_s = r->io->wall_ms / 1000, up = 0, parked = 0;
	uint64_t in = r->past_in, out = r->past_out;
	size_t n = 0;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (!pool_live(&r->remotes, i))
			continue;
		up += status_is_up(r, i);
		parked += !l->dead && remote_parked(l);
		in += tunnel_stats(&l->t).bytes_in;
		out += tunnel_stats(&l->t).bytes_out;
	}
	v[n++] = (r->io->now_ms - r->started_ms) / 1000;
	v[n++] = r->clients.used;
	v[n++] = r->plan.connections;
	v[n++] = up;
	v[n++] = parked;
	v[n++] = r->streams.used;
	v[n++] = r->nlive;
	v[n++] = r->requests;
	v[n++] = in;
	v[n++] = out;
	v[n++] = r->past_count[PAST_CONNECTED];
	v[n++] = r->past_count[PAST_CUT];
	v[n++] = r->past_count[PAST_RESUMED];
	v[n++] = r->logins;
	v[n++] = r->logins_refused;
	v[n++] = r->plan.blocks;
	v[n++] = r->blocks.pool.used;
	v[n++] = r->started_wall_ms / 1000;
	v[n++] = f->resident_bytes > 0 ? f->resident_bytes : UINT64_MAX;
	if (r->tls_until_s > 0)
		v[n] = r->tls_until_s > now_s ?
		    (r->tls_until_s - now_s) / 86400 : 0;
	if (r->channel != NULL)
		channel_counts(r, v + n + 1);
}

void
metrics_put(struct buf *b, const struct relay *r)
{
	struct relay_facts f = { .resident_bytes = 0 };
	uint64_t v[COUNT];

	if (r->cfg->facts != NULL)
		r->cfg->facts(&f);
	memset(v, 0xff, sizeof v);
	collect(r, &f, v);
	put_build(b, r);
	for (size_t i = 0; i < COUNT; i++) {
		if (v[i] == UINT64_MAX)
			continue;
		put_head(b, metrics[i]);
		put_value(b, metrics[i], SL(""), v[i]);
	}
	put_answers(b, r);
	if (r->tls_until_s > 0)
		put_shakes(b, &f);
}
