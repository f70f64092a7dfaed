/*
 * A virtual world: machines, a network between them and a clock, in one
 * process and from one seed. It implements struct io (base/io.h), so the real
 * relay and the real agent run in it and cannot tell.
 *
 * A host is one process, usually on a machine of its own: it has an address
 * (and 127.0.0.1, ::1 and Unix sockets that only its machine hears),
 * descriptors, files and a source of random bytes. A program on it is two
 * functions, `event` and `step`; a host without a program is played by the
 * test itself, which calls the same io operations by hand.
 *
 * Time passes only inside world_run and world_until, and jumps from one thing
 * that is due to the next. The same seed and the same calls give the same run.
 *
 * What it does to those inside, all drawn from the seed:
 *   reads and writes are cut short; IO_AGAIN comes although there is
 *   something (an event follows); events of one turn come in any order, and
 *   some come for nothing; segments take their latency and a jitter; with
 *   faults asked for: connections cut, stalled, black holes, dead hosts
 * and what it holds them to, by ending the program:
 *   a descriptor is used after close or by another host; a program that asks
 *   to be called again at once for ever; more descriptors than there are
 *
 * Readiness is as sparing as base/io.h allows: after an event no other comes
 * until an operation said IO_AGAIN. (EV_HUP comes once when the end or a
 * reset arrives, whatever was read by then.)
 */
#ifndef ADIT_TESTS_WORLD_H
#define ADIT_TESTS_WORLD_H

#include "base/ask.h"
#include "base/io.h"
#include "base/log.h"

struct world;
struct world_host;

struct world_cfg {
	uint64_t seed;
	uint32_t latency_ms;    /* one way, between different hosts */
	uint32_t jitter_ms;     /* added, 0..jitter_ms */
	uint32_t rate;          /* bytes a ms and direction; 0: unlimited */
	uint32_t send_bytes;    /* a socket's send queue */
	uint32_t recv_bytes;    /* and its receive queue */
	uint32_t short_pm;      /* of 1000 reads and writes, cut short */
	uint32_t again_pm;      /* of 1000, IO_AGAIN for nothing */
	uint32_t spurious_pm;   /* of 1000 turns and sockets, a vain event */
	uint32_t fds_max;       /* per host */
	bool lazy;              /* a step only for an event, when it is due, or
	                         * after world_kick; else also at the beginning
	                         * of each world_run */
};

/* Gentle: 1 ms, queues of 128 KiB, nothing cut. */
struct world_cfg world_gentle(uint64_t seed);
/* The same and a bad day: all that the header promises but faults. */
struct world_cfg world_rough(uint64_t seed);

struct world *world_new(const struct world_cfg *cfg);
void world_free(struct world *w);
uint64_t world_now(const struct world *w);      /* ms, monotonic */
/* A number below n from the world's seed; n > 0. */
uint64_t world_below(struct world *w, uint64_t n);

/* A host; `ip` is "192.0.2.1" or IPv6. The name is for messages. */
struct world_host *world_host(struct world *w, const char *name,
    const char *ip);
/* Another process on the same machine: same address, same loopback, other
 * descriptors, files and program. */
struct world_host *world_process(struct world_host *machine,
    const char *name);
/* Its world, with now_ms kept up to date; lives as long as the world. */
const struct io *world_io(struct world_host *h);
typedef void world_event_fn(void *arg, const struct io *io,
    const struct io_event *ev);
typedef uint64_t world_step_fn(void *arg, const struct io *io);
/* Let a program run there from now on. NULL functions: none any more. */
void world_program(struct world_host *h, world_event_fn *event,
    world_step_fn *step, void *arg);
/* Its step is called in the next turn: what it has to do was changed. */
void world_kick(struct world_host *h);
/* Suspended: the program sees nothing until it is called with false. */
void world_pause(struct world_host *h, bool on);
/* The process dies: connections reset, listeners gone, program removed,
 * pending answers dropped; its files stay. */
void world_kill(struct world_host *h);

/* "192.0.2.1:80", "0.0.0.0:80" (any address of the host), "127.0.0.1:80",
 * "[::1]:80", "unix:/a/path"; aborts if taken. Returns the descriptor. */
int world_listen(struct world_host *h, const char *where);
/* Connect by hand, without waiting; as ops->connect. */
int world_dial(struct world_host *h, const char *where);
/* Parse the same spelling ("unix:" excepted). */
struct addr world_addr(const char *where);

/* The name resolves to this address too, or (NULL) to none any more. */
void world_name(struct world *w, const char *name, const char *ip);
/* How long a resolve takes, and how many were asked so far. */
void world_resolve_ms(struct world *w, uint32_t ms);
unsigned world_resolves(const struct world *w);

/* What a connect to this address meets, whoever listens there. */
enum world_fate { FATE_NONE, FATE_REFUSED, FATE_UNREACHABLE, FATE_SILENCE };
void world_fate(struct world *w, const char *where, enum world_fate fate);

/* TLS is only pretended: a handshake takes ms and then goes well, or (why not
 * NULL) fails for that reason. The name that was last to be verified. */
void world_tls(struct world *w, uint32_t ms, const char *why);
const char *world_tls_host(const struct world *w);

/* Faults of what exists between two hosts (b NULL: any other host). */
void world_cut(struct world *w, struct world_host *a, struct world_host *b);
/* The same, but only a hears of it; b's end falls silent for ever. */
void world_cut_half(struct world *w, struct world_host *a,
    struct world_host *b);
/* No byte, end or reset arrives either way until it is called with false. */
void world_stall(struct world *w, struct world_host *a, struct world_host *b,
    bool on);
/* The connections that exist now between the two fall silent; new ones work.
 * For ever (ms 0), as when something on the way forgot them; or for so long:
 * then what was under way still arrives, late. */
void world_freeze(struct world *w, struct world_host *a, struct world_host *b,
    uint64_t ms);
/* One way only, and as when something between the two keeps it back: what
 * `from` says on the connections that exist now reaches `to` so much later. */
void world_hold(struct world *w, struct world_host *from,
    struct world_host *to, uint64_t ms);
/* Latency one way from now on, instead of the world's. */
void world_latency(struct world *w, struct world_host *a,
    struct world_host *b, uint32_t ms);

/* Answers of the keeper. `ask` is called for each question; it answers by
 * world_answer (now or later), which delivers EV_ANSWER after delay_ms. */
typedef bool world_ask_fn(void *arg, struct world_host *h,
    const struct ask *q);
void world_keeper(struct world_host *h, world_ask_fn *ask, void *arg);
void world_answer(struct world_host *h, const struct answer *a,
    uint32_t delay_ms);

/* A file that the host saved; n = 0 if there is none. */
struct slice world_file(const struct world_host *h, const char *name);
void world_saves_fail(struct world_host *h, bool fail);
/* Files of that host are somebody else's from now on: save, and what there is
 * of a name (valid until the next call; n = 0: none). */
typedef bool world_save_fn(void *arg, struct slice name, struct slice content);
typedef struct slice world_load_fn(void *arg, const char *name);
void world_disk(struct world_host *h, world_save_fn *save,
    world_load_fn *load, void *arg);

/* The next n accepts fail. */
void world_accepts_fail(struct world_host *h, unsigned n);

/* The n-th close from now on is forgotten: a bug, planted. 0: none. */
void world_close_lost(struct world_host *h, unsigned n);

/* The n-th operation from now on that can fail does: a connect, a decision of
 * one, a watch, a read, a write, a resolve or a save. 0: none. Returns how
 * many there were since the last call. */
uint64_t world_fail(struct world_host *h, uint64_t n);

/* The clock of day of one host (monotonic time is everybody's). */
void world_wall(struct world_host *h, uint64_t wall_ms);

/* Let ms milliseconds pass. */
void world_run(struct world *w, uint64_t ms);
/* Until done(arg) says true, at most max_ms; whether it did. */
bool world_until(struct world *w, bool (*done)(void *), void *arg,
    uint64_t max_ms);

/* Descriptors open on a host, listeners included. */
unsigned world_fds(const struct world_host *h);
/* Bytes waiting in the queues of a descriptor: written and not yet gone to
 * the other side's queue; arrived and not read. For back-pressure tests. */
size_t world_unsent(struct world_host *h, int fd);
size_t world_unread(struct world_host *h, int fd);
/* Connections that a host accepted, writes that it tried, so far. */
unsigned world_accepted(const struct world_host *h);
unsigned world_writes(const struct world_host *h);

/* A log that collects lines; level TRACE. world_log_has looks for a text in
 * what was logged since the last world_log_clear. */
struct log *world_log(struct world *w);
bool world_log_has(const struct world *w, const char *text);
unsigned world_log_count(const struct world *w, const char *text);
void world_log_clear(struct world *w);
/* All of it, ending with a NUL. */
const char *world_log_text(const struct world *w);
/* Also copy lines to standard error (or set ADIT_WORLD_LOG). */
void world_log_show(struct world *w, bool on);

#endif
