/*
 * The texts. Whatever has a row is printed, so nothing is left out; what is
 * written by hand here is what no row says.
 */
#include "app/help.h"

#include <assert.h>
#include <unistd.h>

#include "app/out.h"

enum { WIDTH = 78, INDENT = 8 };

static const char all_text[] =
"Usage: adit COMMAND [OPTION]...\n"
"\n"
"  relay     run the relay: the public address, the login, the dashboard\n"
"  agent     offer apps of this machine through a relay\n"
"  start     relay and agent together on this machine\n"
"  init      make the relay's secrets and its first account\n"
"  user, invite, session, access   people: who they are, what they may\n"
"  token     of agents, programs and workstations\n"
"  rotate    replace the secret that signs sessions\n"
"  audit     who did what\n"
"  backup, restore   all that the relay keeps\n"
"  status    ask a relay what is connected\n"
"  doctor    name what is wrong on the way to a relay\n"
"  version   print the version\n"
"\n"
"adit COMMAND --help documents each. Two machines, three commands:\n"
"\n"
"  adit init\n"
"  adit relay\n"
"  RELAY_TOKEN=... adit agent --relay http://HOST:4000 --app 3000\n"
"\n"
"Not in this version: connect.\n";

static const char relay_text[] =
"Usage: adit relay [OPTION]...\n"
"\n"
"Runs the relay. It makes what it needs at its first start, and prints the\n"
"URLs under which it can be opened. With neither an account (adit init) nor\n"
"RELAY_PASSWORD nor --no-login, whoever has the code in the file\n"
"DATA/relay/setup-code makes the first account in the browser.\n";

static const char agent_text[] =
"Usage: adit agent --relay URL [--name NAME] [--app [NAME=]TARGET]...\n"
"\n"
"Dials the relay and offers apps: local HTTP and WebSocket servers. It needs\n"
"the relay's token. It connects to the named apps and to nothing else.\n";

static const char start_text[] =
"Usage: adit start [--app [NAME=]TARGET]... [OPTION]...\n"
"\n"
"Runs a relay and an agent of it in one process. Both have the settings that\n"
"adit relay and adit agent have; --memory is for both together, two thirds of\n"
"it for the relay.\n";

static const char status_text[] =
"Usage: adit status [--relay URL] [--json]\n"
"\n"
"Asks the relay at URL (http://127.0.0.1:4000 if none is given) whether an\n"
"agent is connected and, with a token of scope read, for all that it knows of\n"
"agents, apps and workstations. It reads and writes no file.\n"
"Exit code 0 if the relay answered, 1 if not.\n";

static const char doctor_text[] =
"Usage: adit doctor [--relay URL] [--json]\n"
"\n"
"Comes to the relay at URL as a browser or an agent would, and names what is\n"
"wrong with the name, each of its addresses, TLS, the clock, the headers that\n"
"a proxy passes on, and the WebSocket upgrade. It sends no secret.\n"
"Exit code 0 if all is well, 1 if not.\n";

static const char init_text[] =
"Usage: adit init [--user NAME] [--password-file FILE] [OPTION]...\n"
"       adit init --self-signed [--name HOST|IP] [OPTION]...\n"
"\n"
"Makes the relay's data directory with its secrets and the first account, an\n"
"admin, whose name and password are asked for; and prints what to do next. It\n"
"can be done once: after that there is adit user and adit invite.\n"
"\n"
"With --self-signed, instead or (with --user) besides: a key and a\n"
"certificate for a relay that has no domain, and the two commands that use\n"
"them: agents know the relay by the pin of its key. A pair that is there\n"
"already is kept, and its pin printed again.\n";

static const char serve_end[] =
"\n"
"Each setting is a flag, a key in adit.json or an environment variable; a\n"
"flag beats the environment, which beats the file. An empty variable counts\n"
"as not set. SIZE is a number with k, m or g (KiB, MiB, GiB), TIME one with\n"
"ms, s, m, h or d.\n"
"\n"
"Signals: TERM and INT stop it when requests under way are done, a second\n"
"one at once; USR1 lets an agent dial now; HUP lets a relay read its\n"
"certificates again.\n"
"Exit codes: 0 asked to stop; 1 failed at run time; 2 usage or\n"
"configuration; 3 the relay refused this agent's token or name; 4 a newer\n"
"agent of the same name took over. 3 and 4 are final: do not restart.\n";

static void
put_c(struct buf *b, const char *c)
{
	buf_put(b, slice_of(c, strlen(c)));
}

/* Words of `text`, broken at WIDTH, each line indented. */
void
help_wrapped(struct buf *b, const char *text)
{
	struct slice rest = { (const uint8_t *)text, strlen(text) };
	size_t column = 0;

	while (rest.n > 0) {
		struct slice word = slice_cut(&rest, ' ');

		if (column > 0 && column + 1 + word.n > WIDTH) {
			buf_lit(b, "\n");
			column = 0;
		}
		if (column == 0) {
			buf_lit(b, "        ");
			column = INDENT;
		} else {
			buf_lit(b, " ");
			column++;
		}
		buf_put(b, word);
		column += word.n;
	}
	buf_lit(b, "\n");
}

static void
put_default(struct buf *b, const struct conf_row *row, enum conf_role role)
{
	const char *text = row->dflt;

	if (role == CONF_AGENT && row->dflt_agent != NULL)
		text = row->dflt_agent;
	if (row->id == C_RELAY && (role & CONF_ASKS) != 0)
		text = "http://127.0.0.1:4000";
	if (text == NULL)
		return;
	buf_lit(b, "; default ");
	put_c(b, text);
	if (role == CONF_START && row->dflt_agent != NULL) {
		buf_lit(b, ", the agent ");
		put_c(b, row->dflt_agent);
	}
}

/* "key domain, variable RELAY_DOMAIN; default x" */
static void
put_spellings(struct buf *b, const struct conf_row *row, enum conf_role role)
{
	uint8_t area[200];
	struct buf line = BUF_ON(area);

	if (row->key != NULL && (role & CONF_ASKS) == 0) {
		buf_lit(&line, "; key ");
		put_c(&line, row->key);
	}
	if (row->env != NULL) {
		buf_lit(&line, "; variable ");
		put_c(&line, row->env);
		if (row->env2 != NULL) {
			buf_lit(&line, " or ");
			put_c(&line, row->env2);
		}
	}
	put_default(&line, row, role);
	assert(buf_ok(&line));
	if (line.n > 0) {
		buf_lit(b, "        [");
		buf_put(b, slice_from(buf_slice(&line), 2));
		buf_lit(b, "]\n");
	}
}

static void
put_row(struct buf *b, const struct conf_row *row, enum conf_role role)
{
	buf_lit(b, "  ");
	if (row->flag != NULL) {
		buf_lit(b, "--");
		put_c(b, row->flag);
	} else {
		put_c(b, row->env);
	}
	if (row->arg != NULL) {
		put_c(b, row->flag != NULL ? " " : "=");
		put_c(b, row->arg);
	}
	buf_lit(b, "\n");
	help_wrapped(b, row->help);
	put_spellings(b, row, role);
}

static void
put_rows(struct buf *b, enum conf_role role, bool flags, const char *title)
{
	bool begun = false;

	for (size_t i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];

		if ((row->roles & role) == 0 || row->type == CONF_REFUSED ||
		    (row->flag != NULL) != flags)
			continue;
		if (!begun)
			put_c(b, title);
		begun = true;
		put_row(b, row, role);
	}
}

static void
help_put_all(struct buf *b)
{
	put_c(b, all_text);
}

void
help_put(struct buf *b, enum conf_role role)
{
	put_c(b, role == CONF_RELAY ? relay_text :
	    role == CONF_AGENT ? agent_text :
	    role == CONF_START ? start_text :
	    role == CONF_INIT ? init_text :
	    role == CONF_DOCTOR ? doctor_text :
	    role == CONF_STATUS ? status_text : "");
	put_rows(b, role, true, role == CONF_CONSOLE ? "\n" : "\nOptions:\n");
	put_rows(b, role, false, "\nIn the environment or the file only:\n");
	if ((role & CONF_BOTH) != 0)
		put_c(b, serve_end);
	assert(buf_ok(b));
}

void
help_print_all(void)
{
	uint8_t area[HELP_MAX];
	struct buf b = BUF_ON(area);

	help_put_all(&b);
	out_write(STDOUT_FILENO, buf_slice(&b));
}

void
help_print(enum conf_role role)
{
	uint8_t area[HELP_MAX];
	struct buf b = BUF_ON(area);

	help_put(&b, role);
	out_write(STDOUT_FILENO, buf_slice(&b));
}
