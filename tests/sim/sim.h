/*
 * The simulator: the real relay (rig.h), real agents, apps and people, in one
 * virtual world and from one seed. sim.c has the run and its faults, the other
 * files the parties:
 *
 *   sim_agent.c   agents: start, stop, kill; and what a planted bug does to
 *                 the frames of their tunnels
 *   sim_app.c     an HTTP app with WebSocket echo beside each agent
 *   sim_person.c  people who ask, upload, read slowly, vanish
 *   sim_hostile.c those who would do harm: people, agents, thieves of tokens
 *   sim_folk.h    accounts, in some of the seeds
 *
 * An exchange is one request and its answer, or one WebSocket. Every byte of
 * it follows from its number, direction and offset, so both ends know at once
 * whether what came is the next byte of the right stream.
 *
 * What is allowed to go wrong: an exchange may end with an error only if one
 * of the parties in it was disturbed by a fault of the plan after it began
 * (struct blame). A tunnel that is cut or silent is no such fault, unless that
 * lasts longer than the grace period allows for; but while it is, a request
 * that has not reached its app may be refused. An exchange must end in any
 * case, at both ends, within DEADLINE_MS after its beginning or the last
 * disturbance.
 */
#ifndef ADIT_TESTS_SIM_H
#define ADIT_TESTS_SIM_H

#include "dyn.h"
#include "world.h"

#define SIM_RELAY "192.0.2.1"

/* Tokens of agents: the shared one (RIG_TOKEN); for the name in the end;
 * another for the same; and one for any name. */
#define SIM_TOKEN_ALL "adit_token-of-the-agents-0123"
#define SIM_TOKEN_FOR "adit_token-for-the-agent-a"
#define SIM_TOKEN_SECOND "adit_another-for-the-agent-a"
#define SIM_TOKEN_OWN "adit_token-of-somebody-else"

enum {
	AGENTS = 3, PEOPLE = 5, HOSTILE = 3, EXCH_MAX = 4096, LOGOUTS = 3,
	CROWD = 7,                      /* people who come for one thing */
	DEADLINE_MS = 150 * 1000,       /* for an exchange to end */
	PROGRESS_MS = 60 * 1000,        /* the relay's progress_ms */
	SPOIL_EARLY = 8,                /* answers, and reads no upload */
	SPOIL_SLOW = 9,                 /* answers, and reads it much later */
	NOTICE_MS = 16 * 1000,          /* a dead tunnel is noticed */
	RECOVER_MS = 12 * 1000,         /* a session is resumed, once it can */
	ANSWER_APPS = 60 * 1000,        /* the relay's first_byte_ms */
};

enum fault {
	FAULT_CUT, FAULT_AWAY, FAULT_STORM, FAULT_STALL, FAULT_FREEZE,
	FAULT_PAUSE, FAULT_AGENT_KILL, FAULT_AGENT_STOP, FAULT_RELAY,
	FAULT_FATE, FAULT_APP, FAULT_OPS, FAULT_WALL, FAULT_LATENCY,
	FAULT_ACCEPT, FAULT_KEEPER, FAULT_SAVE, FAULT_PERSON, FAULT_HOSTILE,
	FAULT_RELAY_STOP, FAULT_RELAY_PAUSE, FAULT_RELAY_OPS, FAULT_SCARCE,
	FAULT_POWER, FAULT_LOGOUT, FAULT_TWIN, FAULT_PROXY, FAULT_HOLD,
	FAULTS,
};

/* When a party was disturbed last; may lie ahead while a fault lasts. */
struct blame { uint64_t ms; };

enum exch_kind { EX_HTTP, EX_WS };
enum form { FORM_LENGTH, FORM_CHUNKED, FORM_CLOSE, FORMS };
enum exch_state { EX_RUNS, EX_DONE, EX_ERROR };

struct exch {
	unsigned id, agent;
	enum exch_kind kind;
	enum exch_state state;          /* as the person has it */
	bool vanishes;                  /* the person may leave it */
	unsigned spoil;                 /* how the app misbehaves; 0: it does
	                                 * not */
	uint64_t begun_ms, over_ms;
	uint64_t up_n, down_n;          /* body bytes each way */
	enum form form;
	uint32_t pace;                  /* bytes that the app writes at once */
	unsigned heads;                 /* how often the app got it */
	bool refusable;                 /* the relay may refuse it */
	uint64_t app_up;                /* bytes that the app got */
	uint64_t got;                   /* bytes that the person got */
	struct blame own;               /* the person's connection */
};

enum plant {
	PLANT_NONE,
	PLANT_DROP_DATA, PLANT_TWICE, PLANT_SWAP, PLANT_FLIP, PLANT_DROP_END,
	PLANT_DROP_RESET, PLANT_DROP_CREDIT, PLANT_ONE_CREDIT, PLANT_ACK_OFF,
	PLANT_DROP_STOP, PLANT_MUTE, PLANT_LOST_CLOSE, PLANT_LOST_STATE,
	PLANT_LOST_REVOKED, PLANT_LEAK, PLANT_OTHER_SECRET,
	PLANTS,
};

struct cl;
struct rig;
struct sim_agent;
struct sim_app;

struct sim {
	uint64_t seed;
	struct rig *g;
	struct world *w;
	enum plant plant;
	unsigned planted;               /* how often it struck */
	bool trace;
	struct sim_agent *agents[AGENTS];
	struct sim_app *apps[AGENTS];
	size_t nagents;
	struct blame relay;             /* everybody's */
	struct blame away;              /* it could not be reached */
	struct blame ahead;             /* its clock was, by more than a day */
	char gone[LOGOUTS][2048];       /* cookies of sessions to be ended, */
	bool ended[LOGOUTS];            /* and those that were, */
	bool unwritten[LOGOUTS];        /* which the disk did not take yet */
	struct exch exchs[EXCH_MAX];
	unsigned nexchs, done, errors;
	bool calm;                      /* no new exchanges */
	bool scant;                     /* agents have few streams, and may
	                                 * refuse what comes beyond */
	bool tight;                     /* agents have little memory */
	bool bound;                     /* each has a token for its name */
	uint32_t grace_ms;
};

/* What a seed's process tells the one that counts. */
struct result { uint64_t virtual_ms, digest; unsigned done, errors, cuts,
	survived,                       /* whole, with a cut in between */
	acts, streams, ended, crashes; };       /* of accounts */

extern struct sim sim;
extern struct result *result;

/* The seed fails. */
_Noreturn void sim_fail(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
void sim_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t sim_below(uint64_t n);
bool sim_chance(unsigned pm);
uint64_t sim_now(void);
/* The n bytes of exchange `id` from `at` on. */
void sim_fill(struct dyn *d, unsigned id, bool up, uint64_t at, size_t n);
/* p is what comes at *at; else the seed fails. */
void sim_check(unsigned id, bool up, uint64_t *at, const uint8_t *p, size_t n);
/* The exchange of that number; it exists. */
struct exch *sim_exch(unsigned id);
struct exch *exch_new(void);
/* Until when one of its parties was disturbed; 0: never. */
uint64_t exch_blame(const struct exch *x);
/* It may end with an error. */
bool exch_excused(const struct exch *x);
/* Once a turn, while it is under way. */
void exch_turn(struct exch *x);
void blame(struct blame *b, uint64_t until_ms);
void *sim_mem(size_t n);

/* Some milliseconds, and everybody's turn. */
void sim_turn(void);

/* ---- faults ---- */

/* Draw what there will be; then something every turn, and the end of what has
 * lasted long enough (or all of it). */
void sim_faults_plan(void);
void sim_faults_turn(void);
void sim_faults_heal(bool all);
bool sim_has_fault(enum fault f);
/* The relay's machine loses power and starts again. */
void sim_power_cycle(void);
/* Until when nobody reaches the relay; 0: it can be reached. */
uint64_t sim_fate_ms(void);
/* The relay is suspended, or was a moment ago; is about to stop. */
bool sim_relay_sleeps(void);
bool sim_relay_stops(void);
/* Do all want much of one agent now, in one direction: which? */
struct crowd { size_t agent; bool up; };
bool sim_crowd(struct crowd *c);
/* The relay's clock is more than a day ahead. */
bool sim_clock_ahead(void);

/* ---- invariants ---- */

/* The invariants that hold at any time; every turn. */
void sim_check_turn(void);
/* Nothing is under way to this agent: those that hold then. */
void sim_check_quiet(size_t agent);

/* ---- agents ---- */

struct sim_agent *sim_agent_new(size_t i);
void sim_agent_start(struct sim_agent *a);
/* The process is gone at once. */
void sim_agent_kill(struct sim_agent *a);
/* As by SIGTERM; sim_agent_turn starts it anew when it has ended. */
void sim_agent_stop(struct sim_agent *a, bool for_good);
bool sim_agent_runs(const struct sim_agent *a);
bool sim_agent_served(const struct sim_agent *a);
/* Another process of that name starts beside it; then it must end. */
void sim_agent_twin(size_t i);
/* Suspended: it sees nothing. */
void sim_agent_sleep(struct sim_agent *a, bool on);
bool sim_agent_sleeps(const struct sim_agent *a);
/* For oracles, every turn. */
void sim_agent_turn(struct sim_agent *a);
/* Stopped for good, and nothing is left; then it is freed. */
void sim_agent_free(struct sim_agent *a);
struct world_host *sim_agent_machine(const struct sim_agent *a);
struct world_host *sim_agent_host(const struct sim_agent *a);
struct blame *sim_agent_blame(struct sim_agent *a);
/* When its session may have expired, the last time. */
uint64_t sim_agent_expired_ms(const struct sim_agent *a);
/* A proxy before the relay closes its connection in order, if it has one. */
void sim_agent_proxy_ends(struct sim_agent *a);
/* What it said to resume the session that it has now; empty: it did not. With
 * `known` the relay has understood it, without it has not answered yet. */
struct slice sim_agent_said(const struct sim_agent *a, bool known);
/* A fault ended that may have kept it from dialling. */
void sim_agent_healed(struct sim_agent *a);
/* All are over. */
void sim_agent_peace(struct sim_agent *a);
/* It has so many blocks to give, for some seconds. */
void sim_agent_scarce(struct sim_agent *a, uint32_t left);
/* Something hinders its tunnel until then, `cut`: and ends its connection. */
void sim_agent_hinder(struct sim_agent *a, uint64_t until_ms, bool cut);
/* When it last lost its connection. */
uint64_t sim_agent_cut_ms(const struct sim_agent *a);
bool sim_agent_hindered(const struct sim_agent *a);
/* A request of that time may be refused now because of that. */
bool sim_agent_refuses(const struct sim_agent *a, uint64_t begun_ms);
/* Its k-th session: false if there is none. `id` has HELLO_SESSION_CHARS. */
struct tunnel;
struct sim_session {
	const struct tunnel *t;
	const uint8_t *id;
	uint64_t parked_ms;             /* 0: it is not parked */
	bool current;
};
bool sim_agent_session(const struct sim_agent *a, uint32_t k,
    struct sim_session *s);
/* The tunnel_id, NUL behind; empty before the first welcome. */
const char *sim_agent_id(const struct sim_agent *a);
/* The relay may give it another one from now on. */
void sim_agent_forget_id(struct sim_agent *a);

/* ---- apps ---- */

struct sim_app *sim_app_new(size_t i, struct world_host *machine);
void sim_app_kill(struct sim_app *a);
void sim_app_start(struct sim_app *a);
bool sim_app_runs(const struct sim_app *a);
struct blame *sim_app_blame(struct sim_app *a);
/* Does any request hang in it? Fails if so. */
void sim_app_turn(struct sim_app *a);
size_t sim_app_conns(const struct sim_app *a);
void sim_app_free(struct sim_app *a);

/* ---- people ---- */

void sim_people_begin(void);
void sim_people_turn(void);
/* All exchanges are over? */
bool sim_people_rest(void);
/* Cut or stall the connections of one person. */
void sim_person_fault(bool on);
void sim_people_end(void);
void sim_sayf(struct cl *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* One request to the main site with this cookie: its status, 0 for none. */
unsigned sim_ask(const char *line, const char *cookie);

/* ---- hostile ones ---- */

void sim_hostile_turn(void);
void sim_hostile_end(void);

#endif
