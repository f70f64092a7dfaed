/*
 * Logging. A line is built in a fixed buffer: what does not fit is cut, with
 * the line still ending in LF. The text form quotes a value only if it must;
 * the JSON form escapes as RFC 8259 asks, bytes above 127 as \u00HH, since log
 * values need not be UTF-8.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/num.h"

static const char *const level_names[LOG_LEVELS] = {
	"trace", "debug", "info", "warn", "error", "fatal",
};
/* As sd-daemon(3) has them, which are syslog(3)'s. */
static const char journal_levels[] = "776432";
_Static_assert(sizeof journal_levels == LOG_LEVELS + 1, "one for each level");

static struct slice
text_of(const char *c)
{
	return slice_of(c, strlen(c));
}

static void
put_padded(struct buf *b, uint64_t v, unsigned width)
{
	uint8_t t[8];

	for (unsigned i = width; i > 0; i--) {
		t[i - 1] = (uint8_t)('0' + v % 10);
		v /= 10;
	}
	buf_put(b, slice_of(t, width));
}

/* Howard Hinnant's days-to-civil algorithm, for days since 1970. */
static void
put_time(struct buf *b, uint64_t wall_ms)
{
	uint64_t s = wall_ms / 1000, z = s / 86400 + 719468;
	uint64_t era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;
	uint64_t month = mp < 10 ? mp + 3 : mp - 9;

	put_padded(b, yoe + era * 400 + (month <= 2), 4);
	buf_lit(b, "-");
	put_padded(b, month, 2);
	buf_lit(b, "-");
	put_padded(b, doy - (153 * mp + 2) / 5 + 1, 2);
	buf_lit(b, "T");
	put_padded(b, s / 3600 % 24, 2);
	buf_lit(b, ":");
	put_padded(b, s / 60 % 60, 2);
	buf_lit(b, ":");
	put_padded(b, s % 60, 2);
	buf_lit(b, ".");
	put_padded(b, wall_ms % 1000, 3);
	buf_lit(b, "Z");
}

static void
put_json_text(struct buf *b, struct slice s)
{
	struct slice part = slice_head(s, LOG_VALUE_MAX);

	buf_lit(b, "\"");
	for (size_t i = 0; i < part.n; i++) {
		uint8_t c = part.p[i];

		if (c >= 32 && c < 127 && c != '"' && c != '\\') {
			buf_put_u8(b, c);
		} else {
			buf_lit(b, "\\u00");
			buf_put_hex(b, slice_of(&c, 1));
		}
	}
	buf_lit(b, "\"");
}

static void
put_text(struct buf *b, struct slice s)
{
	bool plain = s.n > 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 32 || s.p[i] >= 127 || s.p[i] == '"' ||
		    s.p[i] == '=' || s.p[i] == '\\')
			plain = false;
	}
	if (!plain)
		buf_lit(b, "\"");
	buf_put_escaped(b, s, LOG_VALUE_MAX);
	if (!plain)
		buf_lit(b, "\"");
}

static void
put_kv(struct buf *b, const struct log_kv *kv, bool json)
{
	buf_put(b, json ? SL(",\"") : SL(" "));
	buf_put(b, text_of(kv->key));
	buf_put(b, json ? SL("\":") : SL("="));
	if (kv->type == LOG_KV_NUM)
		buf_put_dec(b, kv->num);
	else if (json)
		put_json_text(b, kv->text);
	else
		put_text(b, kv->text);
}

void
log_put(const struct log *l, enum log_level level, const char *room,
    const char *event, const struct log_kv *kv, size_t n)
{
	uint8_t area[LOG_LINE_MAX];
	struct buf b = buf_of(area, sizeof area - 2);

	if (level < l->level || l->sink == NULL)
		return;
	if (l->journal && !l->json) {
		buf_lit(&b, "<");
		buf_put_u8(&b, (uint8_t)journal_levels[level]);
		buf_lit(&b, ">");
	} else {
		buf_put(&b, l->json ? SL("{\"time\":\"") : SL(""));
		put_time(&b, l->wall_ms);
		buf_put(&b, l->json ? SL("\",\"level\":\"") : SL(" "));
	}
	buf_put(&b, text_of(level_names[level]));
	buf_put(&b, l->json ? SL("\",\"room\":\"") : SL(" "));
	buf_put(&b, text_of(room));
	buf_put(&b, l->json ? SL("\",\"event\":\"") : SL(": "));
	buf_put(&b, text_of(event));
	buf_put(&b, l->json ? SL("\"") : SL(""));
	for (size_t i = 0; i < n; i++) {
		size_t mark = b.n;

		put_kv(&b, &kv[i], l->json);
		if (!buf_ok(&b)) {
			b.n = mark;
			b.is_short = false;
			break;
		}
	}
	b.cap = sizeof area;
	buf_put(&b, l->json ? SL("}\n") : SL("\n"));
	l->sink(l->ctx, buf_slice(&b));
}

bool
log_level_parse(struct slice s, enum log_level *level)
{
	for (size_t i = 0; i < LOG_LEVELS; i++) {
		if (slice_eq(s, text_of(level_names[i]))) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}
