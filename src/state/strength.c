/*
 * This is no estimate of entropy: such formulas praise "Passw0rd!" and blame
 * good phrases. It refuses what is certainly bad: too short, one or two
 * characters over and over, a run of the alphabet or the digits, and the words
 * that examples are written with. Those are looked for inside the value too,
 * since "changeme-changeme-changeme-changeme" is how 32 bytes get filled; a
 * random secret holds one of them by chance once in a million lifetimes.
 */
#include "state/strength.h"

#include "codec/utf8.h"

/* Folded (lower case, letters and digits only); the whole value. */
static const struct slice whole[] = {
	SL_INIT("password"), SL_INIT("password1"), SL_INIT("password12"),
	SL_INIT("password123"), SL_INIT("password1234"),
	SL_INIT("passw0rd"), SL_INIT("secret"), SL_INIT("secretkey"),
	SL_INIT("secretpassword"), SL_INIT("mysecret"), SL_INIT("mypassword"),
	SL_INIT("mysecretpassword"), SL_INIT("supersecret"),
	SL_INIT("topsecret"), SL_INIT("letmein"), SL_INIT("letmein1"),
	SL_INIT("iloveyou"), SL_INIT("qwertyui"), SL_INIT("qwertyuiop"),
	SL_INIT("qwerty123"), SL_INIT("admin123"), SL_INIT("administrator"),
	SL_INIT("adminadmin"), SL_INIT("testtest"), SL_INIT("test1234"),
	SL_INIT("default1"), SL_INIT("trustno1"), SL_INIT("welcome1"),
	SL_INIT("hunter22"), SL_INIT("correcthorse"),
	SL_INIT("correcthorsebatterystaple"), SL_INIT("deadbeef"),
	SL_INIT("dontpanic"), SL_INIT("keyboardcat"), SL_INIT("shhhhhhh"),
	SL_INIT("adit"), SL_INIT("aditadit"), SL_INIT("aditrelay"),
	SL_INIT("relaytoken"), SL_INIT("relaypassword"), SL_INIT("jwtsecret"),
	SL_INIT("sharedsecret"), SL_INIT("bearertoken"),
};

/* Folded; anywhere in the value. */
static const struct slice parts[] = {
	SL_INIT("changeme"), SL_INIT("changethis"), SL_INIT("changeit"),
	SL_INIT("replaceme"), SL_INIT("replacethis"), SL_INIT("replacewith"),
	SL_INIT("yoursecret"), SL_INIT("yourpassword"), SL_INIT("yourtoken"),
	SL_INIT("yourjwt"), SL_INIT("yourrelay"), SL_INIT("yourkey"),
	SL_INIT("secrethere"), SL_INIT("passwordhere"), SL_INIT("tokenhere"),
	SL_INIT("keyhere"), SL_INIT("goeshere"), SL_INIT("insertyour"),
	SL_INIT("atleast8"), SL_INIT("atleast16"), SL_INIT("atleast32"),
	SL_INIT("minimum32"), SL_INIT("32characters"), SL_INIT("32bytes"),
	SL_INIT("examplesecret"), SL_INIT("examplepassword"),
	SL_INIT("exampletoken"), SL_INIT("supersecretkey"),
	SL_INIT("supersecretjwt"), SL_INIT("mysupersecret"),
	SL_INIT("thisisasecret"), SL_INIT("notasecret"),
	SL_INIT("donotuse"), SL_INIT("insecure"), SL_INIT("opensslrand"),
};

/* The value in lower case with letters and digits only; its length. */
static size_t
fold(uint8_t *out, struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n < STRENGTH_MAX; i++) {
		uint8_t c = ascii_lower(s.p[i]);

		if ((c >= 'a' && c <= 'z') || ascii_digit(c) || c > 127)
			out[n++] = c;
	}
	return n;
}

static bool
holds(struct slice s, struct slice part)
{
	for (; s.n >= part.n; s = slice_from(s, 1))
		if (slice_eq(slice_head(s, part.n), part))
			return true;
	return false;
}

static bool
documented(struct slice s)
{
	uint8_t area[STRENGTH_MAX];
	struct slice f = { area, fold(area, s) };

	for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
		if (slice_eq(f, whole[i]))
			return true;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (holds(f, parts[i]))
			return true;
	return false;
}

/* "aaaaaaaa", "abababab", "12345678", "hgfedcba". */
static bool
monotonous(struct slice s)
{
	bool same = true, pair = true, up = true, down = true;

	for (size_t i = 1; i < s.n; i++) {
		same = same && s.p[i] == s.p[i - 1];
		pair = pair && (i < 2 || s.p[i] == s.p[i - 2]);
		up = up && (s.p[i] == s.p[i - 1] + 1 ||
		    (s.p[i - 1] == '9' && s.p[i] == '0'));
		down = down && s.p[i] + 1 == s.p[i - 1];
	}
	return same || pair || up || down;
}

static bool
visible(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return false;
	return true;
}

static bool
typeable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return utf8_valid(s);
}

const char *
strength_fault(enum strength_kind kind, struct slice s)
{
	if (s.n > STRENGTH_MAX)
		return "too long: 256 bytes at most";
	switch (kind) {
	case STRENGTH_PASSWORD:
		if (s.n < STRENGTH_PASSWORD_MIN)
			return "too short: 8 bytes at least";
		if (!typeable(s))
			return "holds bytes that nobody can type: "
			    "control bytes, or no UTF-8";
		break;
	case STRENGTH_TOKEN:
		if (s.n < STRENGTH_TOKEN_MIN)
			return "too short: 16 bytes at least";
		if (!visible(s))
			return "holds bytes that cannot be sent: "
			    "visible ASCII only, no blanks";
		break;
	case STRENGTH_CHANNEL:
		if (!typeable(s))
			return "holds bytes that JSON cannot say: control "
			    "bytes, or no UTF-8";
		/* FALLTHROUGH */
	case STRENGTH_JWT:
		if (s.n < STRENGTH_JWT_MIN)
			return "too short: 32 bytes at least";
		break;
	}
	if (documented(s))
		return "a value from documentation: choose one of your own";
	if (monotonous(s))
		return "repeats itself: choose a random one";
	return NULL;
}
