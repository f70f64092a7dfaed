/*
 * One state for each place in the grammar; arrays and objects are a bit each,
 * as in codec/json. Runs inside strings, which are most of a message, are
 * skipped eight bytes at a time.
 *
 * Rejected: parsing the message once it is whole (a stop of 50 ms for 50 MiB,
 * while everybody waits) and a second grammar for "strings only" that counts
 * brackets (what it lets through the workstation's parser may read another
 * way, and a forged device_id is then a forged device).
 */
#include "codec/envelope.h"

#include <assert.h>

enum {
	AT_VALUE, AT_FIRST_VALUE,       /* or `]` */
	AT_FIRST_NAME,                  /* or `}` */
	AT_NAME, AT_COLON, AT_AFTER, AT_STRING, AT_ESCAPE, AT_HEX, AT_NUMBER,
	AT_WORD,
};

enum { NUM_MINUS, NUM_ZERO, NUM_INT, NUM_DOT, NUM_FRAC, NUM_E, NUM_SIGN,
	NUM_EXP };

static const struct slice names[ENV_KEYS] = {
	[ENV_TYPE] = SL_INIT("type"),
	[ENV_DEVICE_ID] = SL_INIT("device_id"),
	[ENV_PAYLOAD] = SL_INIT("payload"),
	[ENV_TIMESTAMP] = SL_INIT("timestamp"),
	[ENV_TUNNEL_ID] = SL_INIT("tunnel_id"),
	[ENV_AUTH_KEY] = SL_INIT("auth_key"),
	[ENV_MESSAGE] = SL_INIT("message"),
};

void
envelope_init(struct envelope *e, bool cuts)
{
	*e = (struct envelope){ .cuts = cuts, .key = ENV_KEYS };
}

static bool
in_object(const struct envelope *e)
{
	unsigned top = e->depth - 1u;

	assert(e->depth > 0);
	return (e->is_object[top / 8] >> top % 8 & 1) != 0;
}

/* At the members of the top-level object. */
static bool
at_top(const struct envelope *e)
{
	return e->depth == 1 && e->kind == JSON_OBJECT;
}

static void
name_char(struct envelope *e, unsigned c)
{
	if (e->name_n < sizeof e->name && c < 0x80)
		e->name[e->name_n++] = (uint8_t)c;
	else
		e->name_n = sizeof e->name + 1;
}

/* A string ended; e->at is behind it. */
static void
string_end(struct envelope *e)
{
	if (!e->in_name) {
		e->state = AT_AFTER;
		return;
	}
	e->state = AT_COLON;
	if (!at_top(e) || e->name_n > sizeof e->name)
		return;
	for (uint8_t k = 0; k < ENV_KEYS; k++) {
		if (slice_eq(names[k], slice_of(e->name, e->name_n)))
			e->key = k;
	}
}

static enum err
open_level(struct envelope *e, bool is_object)
{
	uint8_t bit = (uint8_t)(1u << e->depth % 8);

	if (e->depth == ENVELOPE_DEPTH)
		return E_JSON_DEPTH;
	if (is_object)
		e->is_object[e->depth / 8] |= bit;
	else
		e->is_object[e->depth / 8] &= (uint8_t)~bit;
	e->depth++;
	e->state = is_object ? AT_FIRST_NAME : AT_FIRST_VALUE;
	return E_OK;
}

static enum err
begin_word(struct envelope *e, const char *rest, uint8_t n)
{
	e->word = rest;
	e->word_left = n;
	e->state = AT_WORD;
	return E_OK;
}

static enum json_kind
kind_of(uint8_t c)
{
	return c == '{' ? JSON_OBJECT : c == '[' ? JSON_ARRAY :
	    c == '"' ? JSON_STRING : c == 't' || c == 'f' ? JSON_BOOL :
	    c == 'n' ? JSON_NULL : JSON_NUMBER;
}

/* The first byte of a value, at e->at. */
static enum err
begin_value(struct envelope *e, uint8_t c)
{
	if (e->depth == 0) {
		e->kind = kind_of(c);
		e->open = e->at;
	}
	if (at_top(e)) {
		e->from = e->at;
		if (e->key < ENV_KEYS)
			e->v[e->key].kind = kind_of(c);
	}
	e->in_name = false;
	switch (c) {
	case '{':
	case '[':
		return open_level(e, c == '{');
	case '"':
		e->state = AT_STRING;
		return E_OK;
	case 't':
		return begin_word(e, "rue", 3);
	case 'f':
		return begin_word(e, "alse", 4);
	case 'n':
		return begin_word(e, "ull", 3);
	default:
		if (c != '-' && !ascii_digit(c))
			return E_JSON_SYNTAX;
		e->state = AT_NUMBER;
		e->number = c == '-' ? NUM_MINUS : c == '0' ? NUM_ZERO :
		    NUM_INT;
		return E_OK;
	}
}

/* The byte after a top-level member's value tells what is cut with it. */
static void
end_member(struct envelope *e, bool last)
{
	bool cut = e->cuts && e->cut_due;

	e->cut_due = false;
	if (cut) {
		e->cut_from = last && e->has_comma ? e->comma : e->name_from;
		e->cut_to = last ? e->v[ENV_DEVICE_ID].to : e->at + 1;
	} else if (!last) {
		e->comma = e->at;
		e->has_comma = true;
	}
}

/* A value ended before the byte at e->at, which is no blank. */
static enum err
after_value(struct envelope *e, uint8_t c)
{
	bool top = at_top(e);

	if (e->depth == 0)
		return E_JSON_SYNTAX;
	if (c != ',' && c != (in_object(e) ? '}' : ']'))
		return E_JSON_SYNTAX;
	if (top)
		end_member(e, c != ',');
	if (c == ',') {
		e->state = in_object(e) ? AT_NAME : AT_VALUE;
		return E_OK;
	}
	e->depth--;
	e->state = AT_AFTER;
	return E_OK;
}

/* A value has ended, and e->at is behind it. */
static void
value_done(struct envelope *e)
{
	if (!at_top(e))
		return;
	if (e->key < ENV_KEYS) {
		e->v[e->key].from = e->from;
		e->v[e->key].to = e->at;
		e->cut_due = e->key == ENV_DEVICE_ID;
	}
	e->key = ENV_KEYS;
}

/* True if the number goes on with this byte. */
static bool
number_step(struct envelope *e, uint8_t c)
{
	static const uint8_t digit[] = { [NUM_MINUS] = NUM_INT,
		[NUM_ZERO] = UINT8_MAX, [NUM_INT] = NUM_INT,
		[NUM_DOT] = NUM_FRAC, [NUM_FRAC] = NUM_FRAC,
		[NUM_E] = NUM_EXP, [NUM_SIGN] = NUM_EXP, [NUM_EXP] = NUM_EXP };
	uint8_t n = e->number, next = UINT8_MAX;

	if (ascii_digit(c))
		next = n == NUM_MINUS && c == '0' ? NUM_ZERO : digit[n];
	else if (c == '.' && (n == NUM_ZERO || n == NUM_INT))
		next = NUM_DOT;
	else if ((c == 'e' || c == 'E') && (n == NUM_ZERO || n == NUM_INT ||
	    n == NUM_FRAC))
		next = NUM_E;
	else if ((c == '+' || c == '-') && n == NUM_E)
		next = NUM_SIGN;
	if (next == UINT8_MAX)
		return false;
	e->number = next;
	return true;
}

static bool
number_whole(const struct envelope *e)
{
	return e->number == NUM_ZERO || e->number == NUM_INT ||
	    e->number == NUM_FRAC || e->number == NUM_EXP;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static enum err
begin_name(struct envelope *e, uint8_t c)
{
	if (c != '"')
		return E_JSON_SYNTAX;
	if (at_top(e))
		e->name_from = e->at;
	e->in_name = true;
	e->name_n = 0;
	e->state = AT_STRING;
	return E_OK;
}

static enum err
escape_step(struct envelope *e, uint8_t c)
{
	static const uint8_t simple[] = { '"', '\\', '/', 'b', 'f', 'n', 'r',
	    't' };

	e->state = c == 'u' ? AT_HEX : AT_STRING;
	e->hex_left = 4;
	e->unit = 0;
	if (c == 'u')
		return E_OK;
	name_char(e, 0);        /* no name that we know has one of them */
	return memchr(simple, c, sizeof simple) != NULL ? E_OK :
	    E_JSON_SYNTAX;
}

static enum err
hex_step(struct envelope *e, uint8_t c)
{
	unsigned v = ascii_hex(c);

	if (v > 15)
		return E_JSON_SYNTAX;
	e->unit = (uint16_t)((unsigned)e->unit << 4 | v);
	if (--e->hex_left > 0)
		return E_OK;
	name_char(e, e->unit);
	e->state = AT_STRING;
	return E_OK;
}

static enum err
string_step(struct envelope *e, uint8_t c)
{
	if (c < 0x20)
		return E_JSON_SYNTAX;
	if (c == '\\')
		e->state = AT_ESCAPE;
	else if (c != '"')
		name_char(e, c);
	else
		string_end(e);
	return E_OK;
}

/* One byte of the grammar between strings and numbers. */
static enum err
token_step(struct envelope *e, uint8_t c)
{
	if (is_blank(c))
		return E_OK;
	switch (e->state) {
	case AT_FIRST_VALUE:
		if (c == ']') {
			e->depth--;
			e->state = AT_AFTER;
			return E_OK;
		}
		return begin_value(e, c);
	case AT_VALUE:
		return begin_value(e, c);
	case AT_FIRST_NAME:
		if (c == '}') {
			e->depth--;
			e->state = AT_AFTER;
			return E_OK;
		}
		return begin_name(e, c);
	case AT_NAME:
		return begin_name(e, c);
	case AT_COLON:
		e->state = AT_VALUE;
		return c == ':' ? E_OK : E_JSON_SYNTAX;
	default:
		return after_value(e, c);
	}
}

/* One byte. *again: it ended a number, and is to be looked at once more. */
static enum err
byte_step(struct envelope *e, uint8_t c, bool *again)
{
	*again = false;
	switch (e->state) {
	case AT_STRING:
		return string_step(e, c);
	case AT_ESCAPE:
		return escape_step(e, c);
	case AT_HEX:
		return hex_step(e, c);
	case AT_WORD:
		if (c != (uint8_t)*e->word)
			return E_JSON_SYNTAX;
		e->word++;
		e->state = --e->word_left > 0 ? AT_WORD : AT_AFTER;
		return E_OK;
	case AT_NUMBER:
		if (number_step(e, c))
			return E_OK;
		e->state = AT_AFTER;
		*again = true;
		return number_whole(e) ? E_OK : E_JSON_SYNTAX;
	default:
		return token_step(e, c);
	}
}

/* How many bytes of a value's string change nothing. */
static size_t
plain_run(const uint8_t *p, size_t n)
{
	const uint64_t ones = 0x0101010101010101u, tops = ones * 0x80;
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t w, q, b;

		memcpy(&w, p + i, 8);
		q = w ^ ones * '"';
		b = w ^ ones * '\\';
		/* A byte that is `"`, `\` or below 0x20. */
		if ((((q - ones) & ~q) | ((b - ones) & ~b) |
		    ((w - ones * 0x20) & ~w)) & tops)
			break;
	}
	while (i < n && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

enum err
envelope_feed(struct envelope *e, struct slice in, size_t *used)
{
	size_t i = 0;

	e->cut_to = 0;
	while (i < in.n && e->err == E_OK) {
		bool again;

		if (e->state == AT_STRING && !e->in_name) {
			size_t run = plain_run(in.p + i, in.n - i);

			i += run;
			e->at += run;
			if (i == in.n)
				break;
		}
		e->err = byte_step(e, in.p[i], &again);
		if (again) {
			value_done(e);
			continue;
		}
		i++;
		e->at++;
		if (e->state == AT_AFTER)
			value_done(e);
		if (e->cut_to > 0)
			break;
	}
	*used = i;
	return e->err != E_OK ? e->err : e->cut_to > 0 ? E_OK : E_MORE;
}

enum err
envelope_end(struct envelope *e)
{
	if (e->err == E_OK && e->state == AT_NUMBER && number_whole(e))
		e->state = AT_AFTER;
	if (e->err == E_OK && (e->state != AT_AFTER || e->depth > 0))
		e->err = E_JSON_SYNTAX;
	return e->err;
}
