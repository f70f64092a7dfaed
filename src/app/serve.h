/*
 * The running program: a relay, an agent, or both on one loop. The commands
 * call these steps in order; each returns EXIT_GO_ON, or the exit code after
 * it has told the person why.
 */
#ifndef ADIT_APP_SERVE_H
#define ADIT_APP_SERVE_H

#include "app/cmd.h"
#include "app/control.h"
#include "app/sandbox.h"
#include "app/setup.h"
#include "app/takeover.h"
#include "app/vault.h"
#include "net/data.h"
#include "net/certs.h"
#include "net/loop.h"
#include "net/trust.h"
#include "state/keeper.h"

enum { SERVE_FOLDERS = 36, SERVE_PATH_BYTES = 1024 };

struct serve {
	struct conf conf;
	struct setup_relay rs;
	struct setup_agent as;
	bool has_relay, has_agent;
	struct relay_plan rplan;
	struct agent_plan aplan;
	const struct cmd *cmd;
	struct { enum sandbox_mode mode; } sandbox;
	bool was_root;
	struct account { uint32_t uid, gid; } account;  /* to run as */
	size_t nfolders;                /* that the sandbox leaves open */
	char folders[SERVE_FOLDERS][SERVE_PATH_BYTES];
	bool exposed;                   /* others may read a file of secrets */

	struct log log;
	uint64_t lines_lost;            /* of the log: nobody read it */
	struct arena arena;
	struct resolver resolver;
	struct kernel kernel;
	struct loop loop;
	struct data relay_data, agent_data;
	struct vault vault;
	bool answers_left;              /* in its socket: no room for them */
	struct takeover takeover;
	struct {                        /* to the service manager */
		int fd;                 /* -1: there is none */
		int parent_fd;          /* --detach; 0: no */
		size_t n;
		uint8_t text[48];
	} notify;
	/* Used in the vault, and by commands while no relay runs. */
	struct keeper keeper;
	int hasher;                     /* its socket; -1: no accounts */
	struct control control;
	bool has_late;                  /* an answer that was put off: */
	struct answer late;
	uint64_t tick_ms;               /* when the keeper has its next */
	struct certs certs;             /* the relay's, if it speaks TLS */
	struct trust trust;             /* the agent's */
	struct io_ops relay_ops;        /* kernel_ops, saving by the vault */
	struct io_ops agent_ops;        /* and to agent_data */
	struct io agent_io;
	struct relay *relay;
	struct agent *agent;
	int statm_fd;                   /* of this process; -1: none */

	bool token_made;                /* at this start */
	uint8_t url[SETUP_URL_MAX];     /* for links */
	uint8_t mode[16], setup_code[32];       /* of vault_hello */
	uint8_t tunnel_id[HELLO_TUNNEL_ID_BYTES];
	uint8_t dial_url[SETUP_URL_MAX];
	uint8_t text[CONF_FILE_MAX];    /* of a file that is being read */

	unsigned stops;                 /* signals that asked to stop */
	int exit_code;
};

/* The one of this process. */
extern struct serve serve_process;

/* Read and check all settings; --help and --check end here. */
int serve_settings(struct serve *s, enum conf_role role,
    const struct cmd *cmd);
/* adit.json, or --config. */
int serve_read_config(struct serve *s);
void serve_undumpable(void);
/* Standard streams that exist, no core dumps, no tracing by others of the same
 * account, private files. Before anything else. */
void serve_harden(void);
/* Descriptors of the process, at most. */
uint32_t serve_descriptors(const struct serve *s);
/* Memory, poller, entropy, helpers for names. */
int serve_world(struct serve *s);
/*
 * serve_sandbox.c: what --sandbox says and the system can; the list of
 * --print-policy; and for good, in the process that reads the network, in the
 * keeper's and in the helpers for names.
 */
int serve_sandbox_mode(struct serve *s);
int serve_print_policy(struct serve *s);
int serve_sandbox(struct serve *s);
int serve_sandbox_keeper(struct serve *s);
int serve_sandbox_hasher(struct serve *s);
bool serve_sandbox_names(void *ctx, bool worker);
/* Run until it ends. */
int serve_run(struct serve *s);

/* notify.c: go on in the background, if --detach says so; find the service
 * manager, and tell it (and the parent) that this process serves. */
int serve_detach(struct serve *s);
void serve_notify_open(struct serve *s);
void serve_notify(struct serve *s);
/* Is standard error systemd's journal? */
bool serve_is_journal(void);

/* serve_account.c: open the data directories, stop being root. */
int serve_account(struct serve *s);
/* For a command: the relay's data alone, as the account that it belongs to. */
int serve_account_of_data(struct serve *s);
/* serve_relay.c: listen, make the relay, say where it can be opened. */
int serve_listen(struct serve *s);
void serve_close_listens(struct serve *s);
int serve_relay(struct serve *s);
void serve_relay_hello(struct serve *s);
/* serve_facts.c: let the relay know, for /metrics, what this process knows of
 * itself. Before the sandbox. */
void serve_facts_open(struct serve *s);
/* Append the URL of the relay for links, without a slash at the end, if the
 * settings know it. */
void serve_url(const struct serve *s, struct buf *b);
/*
 * serve_keeper.c: start the process that keeps the secrets, and forget them
 * here. The rest is for the kernel: a question, answers to read, a file to
 * write.
 */
int serve_keeper(struct serve *s);
bool serve_ask(void *ctx, const struct ask *q);
void serve_answers(void *ctx);
bool serve_save(void *ctx, struct slice name, struct slice content);
/* Let the keeper write nothing, or again, or never. False: it does not
 * answer. */
bool serve_freeze(struct serve *s, enum vault_freeze how);

/* It serves: who looks for the relay may find it. */
void serve_published(struct serve *s);

/*
 * keep.c: open the keeper on the data directory; errors are told. It makes what
 * is missing of the secrets, and conf.token is the kept one. `offline`: for a
 * command, while no relay runs. io: other files than those, or NULL.
 */
int keep_open(struct serve *s, bool offline, const struct store_io *io);

/* serve_agent.c: the agent. */
int serve_agent(struct serve *s);
void serve_agent_hello(struct serve *s);

/* serve_tls.c: read certificates, or what the agent trusts. Part of
 * serve_settings, so that --check looks at them too. */
int serve_certs(struct serve *s);
int serve_trust(struct serve *s);
/* The agent's io_ops.tls: reads what it trusts again if that has changed. */
bool serve_tls_dial(void *ctx, int fd, struct slice host);
/* An agent of this process trusts the relay's own key. */
void serve_pin_self(struct serve *s);
void serve_tls_hello(struct serve *s);
/* Once a turn; when to come again. */
uint64_t serve_tls_step(struct serve *s, const struct io *io);
void serve_tls_reload(struct serve *s, const struct io *io);
/* The keys are in the vault now. */
void serve_tls_forget(struct serve *s);
/* A call in the vault that is about certificates. */
void serve_tls_inside(struct serve *s, const struct vault_call *c,
    struct vault_reply *r, uint8_t *shared);

/* "DATA/ROLE/FILE:LINE: WHY" */
int serve_file_fault(int code, struct slice path, struct slice role,
    struct slice file, size_t line, const char *why);

#endif
