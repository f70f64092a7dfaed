/*
 * GET /metrics: numbers for Prometheus, text format 0.0.4. One table says what
 * there is; a name without a label stands once.
 */
#include "relay/parts.h"

#include "base/num.h"

struct metric {
	struct slice name, type, help;
};

static void
put_head(struct buf *b, const struct metric *m)
{
	buf_lit(b, "# HELP adit_");
	buf_put(b, m->name);
	buf_lit(b, " ");
	buf_put(b, m->help);
	buf_lit(b, "\n# TYPE adit_");
	buf_put(b, m->name);
	buf_lit(b, " ");
	buf_put(b, m->type);
	buf_lit(b, "\n");
}

/* `labels` with its braces, or empty. */
static void
put_value(struct buf *b, const struct metric *m, struct slice labels,
    uint64_t value)
{
	buf_lit(b, "adit_");
	buf_put(b, m->name);
	buf_put(b, labels);
	buf_lit(b, " ");
	buf_put_dec(b, value);
	buf_lit(b, "\n");
}

static void
put_answers(struct buf *b, const struct relay *r)
{
	static const struct metric m = { SL_INIT("answers_total"),
		SL_INIT("counter"), SL_INIT("Answers to clients by status") };
	uint8_t area[] = "{class=\"0xx\"}";

	put_head(b, &m);
	for (unsigned i = 1; i < ANSWER_CLASSES; i++) {
		area[8] = (uint8_t)('0' + i);
		put_value(b, &m, slice_of(area, sizeof area - 1),
		    r->answers[i]);
	}
}

static void
put_build(struct buf *b, const struct relay *r)
{
	static const struct metric m = { SL_INIT("build_info"),
		SL_INIT("gauge"), SL_INIT("The version, always 1") };

	put_head(b, &m);
	buf_lit(b, "adit_build_info{version=\"");
	buf_put_escaped(b, r->cfg->version, 64);
	buf_lit(b, "\"} 1\n");
}

#define C SL_INIT("counter")
#define G SL_INIT("gauge")

static const struct metric metrics[] = {
	{ SL_INIT("uptime_seconds"), G, SL_INIT("Since the start") },
	{ SL_INIT("connections"), G, SL_INIT("Connections of clients") },
	{ SL_INIT("connections_max"), G, SL_INIT("The most there may be") },
	{ SL_INIT("agents"), G, SL_INIT("Agents that are connected") },
	{ SL_INIT("agents_parked"), G,
	    SL_INIT("Agents that are cut and may come back") },
	{ SL_INIT("streams"), G, SL_INIT("Streams to apps") },
	{ SL_INIT("listeners"), G, SL_INIT("Live event streams") },
	{ SL_INIT("requests_total"), C, SL_INIT("Requests, good and bad") },
	{ SL_INIT("from_agents_bytes_total"), C,
	    SL_INIT("Bytes that agents sent") },
	{ SL_INIT("to_agents_bytes_total"), C,
	    SL_INIT("Bytes that were sent to agents") },
	{ SL_INIT("agent_connects_total"), C, SL_INIT("New sessions") },
	{ SL_INIT("agent_cuts_total"), C, SL_INIT("Sessions that were cut") },
	{ SL_INIT("agent_resumes_total"), C,
	    SL_INIT("Cut sessions that went on") },
	{ SL_INIT("logins_total"), C, SL_INIT("Logins that were right") },
	{ SL_INIT("logins_refused_total"), C, SL_INIT("Logins refused") },
	{ SL_INIT("memory_blocks"), G, SL_INIT("Buffer blocks there are") },
	{ SL_INIT("memory_blocks_used"), G, SL_INIT("Buffer blocks in use") },
	{ SL_INIT("tls_days_left"), G,
	    SL_INIT("Until the first certificate ends") },
};

/* In the order of the table; without TLS of our own the last is left out. */
static size_t
collect(const struct relay *r, uint64_t v[])
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
	if (r->tls_until_s > 0)
		v[n++] = r->tls_until_s > now_s ?
		    (r->tls_until_s - now_s) / 86400 : 0;
	return n;
}

void
metrics_put(struct buf *b, const struct relay *r)
{
	uint64_t v[sizeof metrics / sizeof metrics[0]];
	size_t n = collect(r, v);

	put_build(b, r);
	for (size_t i = 0; i < n; i++) {
		put_head(b, &metrics[i]);
		put_value(b, &metrics[i], SL(""), v[i]);
	}
	put_answers(b, r);
}
