/*
 * Sizes: what --memory is made of. Everything that the relay can ever hold is
 * a pool whose size is fixed here, so the sum is the bound and the plan can be
 * printed before the first connection.
 *
 * A connection costs its record; a head that comes in pieces takes a small or
 * a large buffer; a stream needs its window in blocks, reserved when it is
 * opened; an agent needs its ring's floor, and so does one that comes to resume
 * its session. What is left over after the fixed
 * parts is blocks: they are streams, and windows that grow.
 */
#include "relay/parts.h"

#include "base/num.h"

enum {
	FIXED_BYTES = 3 << 20,          /* program, stacks, kernel's loan */
	CLIENT_DEFAULT_PER_MIB = 64,
	TLS_SHARE = 3,                  /* of the memory: a third */
	TLS_MIN = 4,
	SHARE_MIN = 32,                 /* a browser with some tabs */
	AGENT_BLOCKS = (RING_MIN + 100 * 1024) / BLOCK_BYTES + 1,
};

void
relay_cfg_defaults(struct relay_cfg *cfg)
{
	*cfg = (struct relay_cfg){
		.memory_bytes = (uint64_t)48 << 20,
		.head_ms = 10 * 1000,
		.grace_ms = GRACE_MS,
		.hello_ms = HELLO_DEADLINE_MS,
		.first_byte_ms = 600 * 1000,
		.progress_ms = 120 * 1000,
		.idle_ms = 75 * 1000,
		.drain_ms = 30 * 1000,
		.session_ttl_s = 24 * 3600,
		.channel_path = SL("/ws"),
		.channel_message_max = 8 << 20,
	};
}

static uint64_t
tables_bytes(const struct relay_plan *p)
{
	return arena_bytes(sizeof(struct relay), 64) +
	    pool_bytes(sizeof(struct client), p->connections) +
	    pool_bytes(sizeof(struct peer), p->connections + p->remotes) +
	    arena_bytes(sizeof(void *) *
	    (size_t)table_size(p->connections), 16) +
	    pool_bytes(sizeof(struct rstream), p->streams) +
	    pool_bytes(sizeof(struct remote), p->remotes) +
	    arena_bytes(sizeof(void *) * (size_t)p->remotes *
	    table_size(2 * p->streams), 16) +
	    pool_bytes(SMALL_BYTES, p->heads_small) +
	    pool_bytes(LARGE_BYTES, p->heads_large) +
	    timers_bytes(p->connections + p->streams) +
	    arena_bytes(AREA_BYTES + OUT_BYTES, 4096) +
	    arena_bytes(sizeof(struct http_field) * HTTP_FIELDS_MAX, 16) +
	    arena_bytes(sizeof(struct cached) * SESSIONS_CACHED, 16) +
	    arena_bytes(sizeof(struct allowed) * ACCESS_CACHED, 16) +
	    arena_bytes(sizeof(struct live) * LIVE_MAX, 16) +
	    arena_bytes(sizeof(struct held) * HELD_MAX, 16) +
	    arena_bytes(sizeof(struct past) * 2 * (size_t)p->remotes, 16) +
	    arena_bytes(sizeof(struct code) * CODES_MAX, 16) +
	    arena_bytes(sizeof(struct bucket) * BUCKETS, 16) +
	    arena_bytes(sizeof(struct kept_agent) * AGENT_NAMES_MAX, 16) +
	    IO_SCRATCH;
}

/* Every agent and as many clients as a third of the memory has buffers for. */
static void
plan_tls(const struct relay_cfg *cfg, struct relay_plan *plan)
{
	uint64_t n = 0;

	if (cfg->tls_item_bytes > 0) {
		n = cfg->memory_bytes / TLS_SHARE / cfg->tls_item_bytes;
		n = min_u64(n, (uint64_t)plan->connections + plan->remotes);
		n = max_u64(n, TLS_MIN);
	}
	plan->tls = (uint32_t)n;
	plan->tls_bytes = n > 0 ? pool_bytes((size_t)cfg->tls_item_bytes,
	    plan->tls) : 0;
}

/* Three quarters of the streams for which there are blocks when every agent is
 * there. */
static void
plan_share(const struct relay_cfg *cfg, struct relay_plan *plan)
{
	uint64_t agents = (uint64_t)plan->remotes * AGENT_BLOCKS +
	    plan->channel_blocks, n = 0;

	if (plan->blocks > agents)
		n = (plan->blocks - agents) / (STREAM_BLOCKS + 1);
	n = max_u64(min_u64(n, plan->streams) * 3 / 4, SHARE_MIN);
	plan->share = (uint32_t)max_u64(n, cfg->max_per_address);
}

enum err
relay_plan(const struct relay_cfg *cfg, struct relay_plan *plan)
{
	uint64_t mib = cfg->memory_bytes >> 20, used, left, blocks;
	uint64_t least = AGENT_BLOCKS + 8 * (STREAM_BLOCKS + 2), fixed;

	if (cfg->grace_ms > 0)
		least += AGENT_BLOCKS;

	plan->mib = mib;
	plan->connections = cfg->max_connections > 0 ? cfg->max_connections :
	    (uint32_t)min_u64(mib * CLIENT_DEFAULT_PER_MIB, 1 << 20);
	plan->agents = cfg->max_agents > 0 ? cfg->max_agents :
	    (uint32_t)min_u64(mib / 4, 256);
	if (plan->agents == 0)
		plan->agents = 1;
	plan->remotes = plan->agents + (cfg->grace_ms > 0 ? REMOTES_SPARE : 0);
	plan->heads_small = (uint32_t)min_u64(plan->connections, mib * 12);
	plan->heads_large = (uint32_t)max_u64(mib / 4, 4);
	plan->streams = cfg->max_streams > 0 ? cfg->max_streams :
	    (uint32_t)min_u64(plan->connections, mib * 10);
	plan_tls(cfg, plan);
	fixed = tables_bytes(plan) + (cfg->channel ? channel_bytes(plan) : 0);
	used = FIXED_BYTES + fixed + plan->tls_bytes;
	plan->blocks = 0;
	plan->bytes = used;
	left = cfg->memory_bytes > used ? cfg->memory_bytes - used : 0;
	/* A block's own entries in its pool's tables are 8 bytes. */
	blocks = left / (BLOCK_BYTES + 16);
	if (blocks >= POOL_MAX)
		blocks = POOL_MAX - 1;
	plan->blocks = (uint32_t)blocks;
	if (cfg->channel) {
		plan->channel_blocks = channel_blocks(cfg, plan->blocks);
		least += plan->channel_blocks;
	}
	if (blocks < least) {
		plan->bytes = used + BLOCK_BYTES * least;
		return E_RANGE;
	}
	plan_share(cfg, plan);
	plan->bytes = fixed + blocks_bytes(plan->blocks) + 65536;
	return E_OK;
}
