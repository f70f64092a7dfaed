/*
 * Logging: one line per event: time, level, room, event, key=value.
 *
 * Values are typed, so that nothing is formatted by accident: a secret has no
 * type here and cannot be logged. Text that came from outside goes through
 * log_s, which escapes and cuts it. Lines are written by a sink that the
 * program supplies; lines below the level cost one comparison.
 */
#ifndef ADIT_BASE_LOG_H
#define ADIT_BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR,
	LOG_FATAL, LOG_LEVELS };

struct log {
	void (*sink)(void *ctx, struct slice line);     /* ends with LF */
	void *ctx;
	uint64_t wall_ms;       /* time of the next lines: set every turn */
	enum log_level level;   /* lines below are dropped */
	bool json;              /* one JSON object a line, else text */
	bool journal;           /* text for systemd's journal, which has the
	                         * time: "<6>" for the level instead */
};

struct log_kv {
	const char *key;        /* static, [a-z_]+ */
	enum { LOG_KV_TEXT, LOG_KV_NUM } type;
	struct slice text;
	uint64_t num;
};

enum { LOG_VALUE_MAX = 256, LOG_LINE_MAX = 2048 };

/* Text from anywhere (cut after LOG_VALUE_MAX bytes, escaped). */
#define log_s(k, s) ((struct log_kv){ (k), LOG_KV_TEXT, (s), 0 })
/* A C string of ours. */
#define log_c(k, c) ((struct log_kv){ (k), LOG_KV_TEXT, \
	slice_of((c), strlen(c)), 0 })
#define log_u(k, u) ((struct log_kv){ (k), LOG_KV_NUM, { NULL, 0 }, (u) })

/* Write one line. `room` and `event` are static; event is for people. */
void log_put(const struct log *l, enum log_level level, const char *room,
    const char *event, const struct log_kv *kv, size_t n);

/* LOGF(l, LOG_INFO, "relay", "agent connected", log_s("name", name)) */
#define LOGF(l, lvl, room, ...) do {                                    \
	if ((lvl) >= (l)->level)                                        \
		LOGF_((l), (lvl), (room), __VA_ARGS__, { 0 });         \
} while (0)
#define LOGF_(l, lvl, room, event, ...) do {                            \
	const struct log_kv kv_[] = { __VA_ARGS__ };                    \
	log_put((l), (lvl), (room), (event), kv_,                       \
	    sizeof kv_ / sizeof kv_[0] - 1);                            \
} while (0)

/* trace, debug, info, warn, error, fatal; false if it is none of them. */
bool log_level_parse(struct slice s, enum log_level *level);

#endif
