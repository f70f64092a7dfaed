/*
 * What the relay's files ask of each other. Not for others; parts.h, which has
 * the records, includes it.
 */
#ifndef ADIT_RELAY_CALLS_H
#define ADIT_RELAY_CALLS_H

#include "relay/parts.h"

/*
 * Who is given a request (a client and a parsed head, or a part of one) deals
 * with it: when it returns the request is answered, or under way, or held
 * until an answer of the keeper or an agent comes, when it passes through
 * request_route again from its first byte; or the connection is closed, and c
 * is CLIENT_DEAD. r->site is the site of the request under way.
 *
 * What puts something to a struct buf returns false, or leaves the buffer
 * marked as short, where it does not fit (base/buf.h).
 */

/* peers.c */
/* Accept what waits, a turn's share of it. */
void listener_run(struct relay *r, struct listener *l);
/* Count one more connection of `a` (IPv6: of its /64); NULL if it has its
 * share already. Taken back by peer_drop; p may be NULL there. */
struct peer *peer_add(struct relay *r, const struct addr *a);
void peer_drop(struct relay *r, struct peer *p);
/* They count as one address. */
bool peer_same(const struct addr *a, const struct addr *b);

/*
 * client.c. Nothing is freed within a call: a closed connection is CLIENT_DEAD
 * and its record lives until relay_step ends.
 */
/* Take over `fd`, which was accepted on listeners[listen] and is counted in
 * `by_addr`. It is closed if there is no room. */
void client_new(struct relay *r, int fd, const struct addr *peer,
    struct peer *by_addr, uint16_t listen);
/* The one place that changes c->state; the edge must be a legal one. */
void client_to(struct client *c, enum client_state next);
/* `flags` of the loop (EV_*): remember them, and client_run. */
void client_event(struct client *c, uint32_t flags);
/* Free it without a further word; `abort`: the client sees a reset. */
void client_close(struct client *c, bool abort);
/* Look at it again before the turn ends. */
void client_mark(struct client *c);
/* Do what its state allows with what is readable and writable. */
void client_run(struct client *c);
/* The keeper's answer to what this connection asked: its request is looked at
 * again, with `a` as r->verdict. An answer to an older question is ignored. */
void client_resume(struct client *c, const struct answer *a);
/* Look at a request in CLIENT_WAIT again; nothing in any other state. */
void client_retry(struct client *c);
/* The same in CLIENT_POLL, which the caller has checked. */
void client_poll(struct client *c);

/* client_in.c. Each may close the connection. */
/* Read heads, and small bodies of our own, until there is no more or one was
 * answered. */
void client_read(struct client *c);
/* From its socket to p: how many bytes. 0: there are none now, or the
 * connection has ended, and is closed. */
size_t client_recv(struct client *c, uint8_t *p, size_t room);
/* Look at the bytes of a request (RFC 9112 3), as many as there are. `in` is
 * what was read, or c->in. */
void client_parse(struct client *c, struct slice in);
/* In CLIENT_LINGER: read and forget. */
void client_linger(struct client *c);
/* Keep `s` as unread input, which may be a part of what is kept already.
 * False if there is no room: then the connection is closed, */
bool client_keep_input(struct client *c, struct slice s);
/* or is not, and what was kept stays. */
bool client_try_keep(struct client *c, struct slice s);
/* Wipe what is kept, and give its buffer back. */
void client_drop_input(struct client *c);
/* Keep all of the request being looked at, to look at it again. */
bool client_hold(struct client *c, enum client_state next);
/* Its app's session is parked: hold the request for a while. False: it has
 * waited long enough, or there is no room to wait. */
bool client_wait(struct client *c);

/* client_out.c */
/* Send: at once if it can be, the rest waits in c->out. False if the
 * connection broke or memory is short; then it is closed. */
bool client_send(struct client *c, struct slice s);
/* Write what waits, as far as the socket takes it. */
void client_write_more(struct client *c);
/* The answer is complete: the next request, or the end. */
void client_answered(struct client *c);
/* Let c->out hold what so many blocks can; false if memory is short. */
bool client_reserve_out(struct client *c, uint32_t blocks);
/* The stream's window became larger or smaller: as much is reserved. */
bool client_window_out(struct client *c, uint32_t blocks);
/* Give the reservation back if nothing needs it any more. */
void client_release_out(struct client *c);

/* client_due.c */
/* The state, or what it waits for, has changed: set its deadline. */
void client_arm(struct client *c);
/* The timer fired: end what is too late, or wait on. */
void client_timer(struct client *c);

/* head.c */
/*
 * A buffer for n bytes (0 to LARGE_BYTES), NULL if there is none. *large goes
 * to head_give. If all are in use a client that dawdles loses its own, but not
 * `but`.
 */
uint8_t *head_take(struct relay *r, size_t n, bool *large,
    const struct client *but);
/* Not wiped. p may be NULL. */
void head_give(struct relay *r, uint8_t *p, bool large);

/* request.c */
/* A whole head was parsed; r->req_in and r->req_head say where it lies. It is
 * answered, or under way, or held; or the connection is closed. */
void request_route(struct client *c, const struct http_head *h);
/* A head that nobody should see (an E_HTTP_*): answer, and end the
 * connection. */
void request_bad(struct client *c, enum err e);
/* Are Sec-WebSocket-Key and -Version as RFC 6455 4.2.1 wants them? */
bool request_ws_ok(const struct http_head *h);

/* site.c */
/*
 * Which site the request is for. *site borrows from the head, the
 * configuration and the relay.
 *   E_OK
 *   E_HTTP_HOST  the host is none of ours: 421
 */
enum err site_find(struct relay *r, const struct client *c,
    const struct http_head *h, struct site *site);
/* Does the request come from a page of this very site, or from no page at all
 * (a program)? SECURITY.md, "Other sites' pages". */
bool site_same_origin(const struct relay *r, const struct site *site,
    const struct http_head *h);
/* A person going to a page, who can be shown one. */
bool site_is_navigation(const struct http_head *h);
/* NAME or NAME--AGENT that the main site serves, empty for the dashboard. */
struct slice site_root(const struct relay *r);
/* No setting gives apps an address, and none has the main site yet: the first
 * one to connect gets it. */
bool site_roots_first(const struct relay *r);
/* "https://host" of the site as the client sees it. */
bool site_put_origin(struct buf *b, const struct site *site);
/* The URL to go to by https from --listen-http; E_HTTP_HOST: a host that is
 * not ours. */
enum err site_put_https(struct relay *r, struct buf *b,
    const struct http_head *h);
/* Should a browser remember to come to this site by https only? */
bool site_wants_hsts(const struct relay *r, const struct client *c,
    const struct site *site);
/* The main site's origin as this client reaches it. */
bool site_put_main(struct buf *b, const struct relay *r,
    const struct site *site);
/* The same for links that are given to others: the public url or the domain
 * where one is set. */
bool site_put_base(struct buf *b, const struct relay *r,
    const struct site *site);
/* An app's own site as seen from `site`; false if it has none. */
bool site_put_app(struct buf *b, const struct relay *r,
    const struct site *site, struct slice app);
/* `url` is on a known app's site: which, and its path. */
bool site_of_url(struct relay *r, const struct site *from, struct slice url,
    struct site *to, struct slice *path);
/* The authority of the main site where no request tells it. */
void site_main_host(const struct relay *r, struct buf *b, bool *secure);
/* Is it a proxy that the settings name? */
bool site_trusts(const struct relay *r, const struct addr *a);

/* rewrite.c */
/* What a request head is written anew for. */
struct rewrite {
	const struct site *site;
	const struct session *session;  /* NULL: no identity */
	const struct remote_app *app;
	bool upgrade;
};
/* The head as the app shall see it. False: it does not fit, which AREA_BYTES
 * makes impossible for a head that the parser accepted. */
bool rewrite_request(struct buf *b, const struct http_head *h,
    const struct rewrite *w);
/* The same for an answer, */
struct rewrite_response {
	unsigned client_minor;
	bool close;             /* say Connection: close */
	bool shared, secure, unchunk;
	bool own_location;      /* host=app: turn Location back */
	struct slice app_host;  /* the authority to look for */
	struct slice site_host; /* and to put */
};
/* as the client shall see it. */
bool rewrite_response(struct buf *b, const struct http_head *h,
    const struct rewrite_response *w);
/* "admin", "member" or "viewer". */
struct slice rewrite_role(unsigned role);
/* Cookies of ours, whatever the site. */
bool cookie_is_ours(struct slice name);

/* auth.c */
/* AUTH_BAD: there is a cookie, and it is no good. */
enum auth { AUTH_YES, AUTH_NO, AUTH_BAD, AUTH_ASKED };
/* Who is the request from? AUTH_ASKED: the keeper was asked, wait. */
enum auth auth_request(struct client *c, const struct http_head *h,
    const struct site *site, struct session *s);
/* May they open that app of l? AUTH_YES, AUTH_NO, AUTH_ASKED. */
enum auth auth_access(struct client *c, const struct session *s,
    const struct remote *l, uint16_t app);
/* Not logged in: to the login page, or 401 for programs. `bad_cookie`: and that
 * is deleted. */
void auth_refuse(struct client *c, const struct http_head *h, bool bad_cookie);
/* Forget a session's verdicts, and close what runs under it but `but`. */
void auth_end(struct relay *r, const struct client *but, struct slice jti);
/* The keeper says something that nobody asked for. */
void auth_note(struct relay *r, const struct answer *a);
/* The answer to what auth_recheck asked. */
void auth_rechecked(struct client *c, const struct answer *a);
/* Go on asking whether streams are still allowed; false when done. */
bool auth_recheck(struct relay *r);
/* Keep the request and ask. False if the connection had to be closed. */
bool auth_ask(struct client *c, enum purpose purpose, struct ask *q);
/* Parts of a question; false if it is too long. */
bool auth_ask_text(struct ask *q, struct slice text);
void auth_ask_site(struct ask *q, const struct site *site);
void auth_ask_user(struct ask *q, struct slice user);
/* Who asks for it: their address and what their program says it is. */
void auth_ask_from(struct ask *q, const struct site *site,
    const struct http_head *h);
/* The token in Authorization, empty if there is none. */
struct slice auth_bearer(const struct http_head *h);
/* What auth_request looks at: the cookie's token or the one of an API. */
struct slice auth_proof(const struct http_head *h, const struct site *site);
/* A whole Set-Cookie line of that kind; an empty value deletes. */
void auth_put_cookie(struct buf *b, const struct site *site,
    struct slice kind, struct slice value, uint64_t max_age_s);
/* How many cookies of that kind the request has; *value is one of them. */
size_t auth_cookie(const struct http_head *h, const struct site *site,
    struct slice kind, struct slice *value);
enum { AUTH_TOKEN_CHARS = 43 }; /* 32 bytes in base64url */
/* 32 random bytes, as text. */
bool auth_random(struct relay *r, uint8_t out[AUTH_TOKEN_CHARS]);

/* login.c */
/* A wrong token came from this request's address. False: too many did; when
 * the next one is answered as such. */
bool login_token_wrong(struct relay *r, uint64_t *retry_s);
/* Who is logged in as `user` is about to show their password once more. False:
 * too often; when they may again. */
bool login_again(struct relay *r, struct slice user, uint64_t *retry_s);
/* Somebody logs in: `body` is JSON, or a form's. */
void login_post(struct client *c, const struct http_head *h,
    struct slice body);
/* The form; for who is logged in, on to `next`. */
void login_page(struct client *c, const struct http_head *h,
    const struct session *s);
/*
 * The steps from an answer that says who somebody is (ASK_LOGIN, ASK_OP; then
 * ASK_ISSUE, ASK_ISSUE_DEVICE) to a session and a device's cookie. E_MORE:
 * asked; E_OK: all is there, send what login_cookies puts; else it is refused.
 */
enum err login_issue(struct client *c, const struct http_head *h);
/* Put the Set-Cookie lines, once, after E_OK. */
void login_cookies(struct client *c, struct buf *b);
/* End the session `s`. */
void login_out(struct client *c, const struct http_head *h,
    const struct session *s);

/* handover.c */
/* On the main site: send who is logged in as `s` on to `path` of the app's site
 * `to`, with a one-time code. `nonce` is what that site set a cookie for. */
void handover_begin(struct client *c, bool head_only, const struct session *s,
    const struct site *to, struct slice path, struct slice nonce);
/* On an app's site: the code becomes a session for this site. */
void handover_end(struct client *c, const struct http_head *h);

/* api.c */
/* Is the path an operation's? Is it the one that makes the first account? */
bool api_is(struct slice path);
bool api_sets_up(struct slice path);
/* An operation, `body` its JSON. PROTOCOL.md 17. */
void api_request(struct client *c, const struct http_head *h,
    struct slice path, struct slice body);

/* own.c */
/* Is the path the relay's on this site? *path is then its short form. */
bool own_path(const struct relay *r, const struct site *site,
    struct slice target, struct slice *path);
/* A request for a path of ours, in its short form; `rest` follows the head. */
void own_request(struct client *c, const struct http_head *h,
    struct slice path, struct slice rest);
/* There is no account yet: to the page that makes it. */
void own_first_run(struct client *c, const struct http_head *h);

/* reply.c: answers of our own. `head_only`: it is for a HEAD. */
struct reply {
	unsigned status;
	struct slice type;      /* Content-Type */
	struct slice extra;     /* complete field lines */
	struct slice body;
	bool cache;             /* may be cached: our assets */
	bool open;              /* the body comes later; the connection's end
	                         * is its own */
	struct slice form_to;   /* another origin a form may lead to */
	size_t more;            /* bytes of the body that the caller sends,
	                         * who then says client_answered */
};
/* Where a body may be built: it then leaves in one write with its head. */
struct buf reply_area(struct relay *r);
/* Send it; with rep->more and rep->open the rest is the caller's. */
void reply_send(struct client *c, bool head_only, const struct reply *rep);
/* Never cached. `extra` as in struct reply, from here on. */
void reply_json(struct client *c, bool head_only, unsigned status,
    struct slice json, struct slice extra);
/* reply_error with the meaning of e as its text. */
void reply_fault(struct client *c, const struct http_head *h,
    unsigned status, enum err e);
/* 429, good again after so long. */
void reply_later(struct client *c, const struct http_head *h,
    uint64_t retry_s, struct slice text);
/* {"error":"..."} for programs, a page for navigations. */
void reply_error(struct client *c, const struct http_head *h, unsigned status,
    struct slice text, struct slice extra);
/* 403: it is another site's page that asks. */
void reply_foreign(struct client *c, const struct http_head *h);
/* 303. 500 if `location` is too long or holds what no field may. */
void reply_redirect(struct client *c, bool head_only, struct slice location,
    struct slice extra);

/* page.c */
/* An error for people: what happened is the first sentence of `text`. */
void page_error(struct client *c, bool head_only, unsigned status,
    struct slice text, struct slice extra);
/* The login form, with `user` and `next` filled in, and an error above it. */
void page_login(struct client *c, bool head_only, unsigned status,
    struct slice user, struct slice next, struct slice nonce,
    struct slice error, struct slice extra);
/* GET /health. */
void page_health(struct client *c, const struct http_head *h);
/* Any request on --listen-http. */
void page_to_https(struct client *c, const struct http_head *h);

/* asset.c */
/* A file of web/. */
void asset_serve(struct client *c, const struct http_head *h,
    struct slice path);
/* The page that is all of the dashboard; its script does the rest. */
void asset_shell(struct client *c, const struct http_head *h);

/* names.c */
/* May agents of that credential have the bare name? */
bool names_may(const struct relay *r, struct slice app, uint32_t credential);
/* l has come (`claim`: names that are nobody's are its credential's then), or
 * it leaves. */
void names_seen(struct relay *r, const struct remote *l, bool claim);
/* The credential was removed. */
void names_free(struct relay *r, uint32_t credential);

/* status.c */
/* Is the i-th of r->remotes an agent that is connected now? */
bool status_is_up(const struct relay *r, uint32_t i);
/* Something became of the agent; `why` is a constant, or NULL. */
void status_log(struct relay *r, const struct name *name, enum past_what what,
    const char *why);
/* As JSON, with URLs as r->site has them; `names`: of agents and apps too.
 * False if it does not fit. */
bool status_put(struct buf *b, struct relay *r, bool names);

/* live.c: server-sent events for the dashboard */
/* Somebody asks for them. */
void live_begin(struct client *c, const struct http_head *h,
    const struct session *s);
/* Frames that are due; when to come again. */
uint64_t live_step(struct relay *r);
/* Tell it that this is the end, and close. */
void live_end(struct client *c);
void live_end_all(struct relay *r);
/* The connection is being closed. */
void live_gone(struct client *c);
/* It has been silent for LIVE_BEAT_MS: send a comment. */
void live_beat(struct client *c);
/* Something came from who listens. */
void live_read(struct client *c);

/* metrics.c */
/* All of them, in the text format of Prometheus. */
void metrics_put(struct buf *b, const struct relay *r);

/* proxy.c */
/* A request that `who` may make as far as site and login go; `rest` is what
 * came behind its head. As request_route. */
void proxy_request(struct client *c, const struct http_head *h,
    const struct session *who, struct slice rest);
/* The session ended: finish what runs under it. */
void proxy_end_session(struct client *c);

/* stream.c */
/* The tunnel's events (tunnel/tunnel.h): owner is the remote, the stream's
 * owner its rstream. */
extern const struct tunnel_ops stream_ops;
/* A stream for a request to l->apps[app]: the client's present one or a new
 * one. NULL: memory, the agent or the tunnel is at a limit. */
struct rstream *stream_for(struct client *c, struct remote *l, uint16_t app,
    const struct session *who);
/* The client has something for it, or wants it to end. */
void stream_ready(struct rstream *s);
/* Let the app's connection end in order; the client does without it. */
void stream_orphan(struct rstream *s);
/* The record goes; its tunnel must know it no more. */
void stream_free(struct rstream *s);
/* The client, if it has a stream, is of no more use to it: reset it, or end it
 * in order where no request is under way. */
void stream_client_gone(struct client *c);
/* Let go of the streams of `l` that serve no request. */
void stream_release_idle(struct relay *r, const struct remote *l);
/* Bytes left towards the client: they are credit for the agent again. */
void stream_drained(struct client *c);
/* Its timer fired. */
void stream_timer(struct rstream *s);
/* Append to what waits for the app. False if memory is short. */
bool stream_put_up(struct rstream *s, struct slice v);
/* Let s->up hold what so many blocks can; false if memory is short. Or give
 * all of it back. */
bool stream_reserve_up(struct rstream *s, uint32_t blocks);
void stream_free_up(struct rstream *s);

/* upload.c */
/* A request's head waits in s->up: so does the part of its body in *rest now,
 * and *rest is what follows it. E_FULL, or E_HTTP_* of a malformed chunk. */
enum err upload_begin(struct client *c, struct rstream *s,
    const struct http_head *h, struct slice *rest);
/* The tunnel has room for the stream: see struct tunnel_ops. */
enum tunnel_pull upload_pull(void *owner, struct tunnel_stream *ts,
    uint8_t *dst, size_t max, size_t *n, enum reset_code *code);
/* What a pull returns when the client ended or broke in the middle. */
enum tunnel_pull upload_gone(struct rstream *s, enum reset_code *code);

/* proxy_ws.c */
/* upload_pull of a stream in RESP_WS. */
enum tunnel_pull proxy_ws_pull(struct rstream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code);
/* End the WebSocket of `c` between two frames, with a Close each way. Without
 * effect if that is so already. */
void proxy_ws_end(struct client *c, uint16_t code, struct slice reason);
/* The frame that a Close of ours had to wait for is through. */
void proxy_ws_end_now(struct client *c);

/* answer.c: members of stream_ops */
void answer_data(void *owner, struct tunnel_stream *ts, uint8_t *p, size_t n);
void answer_end(void *owner, struct tunnel_stream *ts);
void answer_stop(void *owner, struct tunnel_stream *ts);
void answer_reset(void *owner, struct tunnel_stream *ts,
    enum reset_code code);
void answer_closed(void *owner, struct tunnel_stream *ts);
/* No answer comes: the client gets `status`; its stream is over. */
void answer_fail(struct client *c, unsigned status, struct slice text);

/* gather.c */
/*
 * Send `s` to the client soon: before the turn ends, or at the next flush.
 * False if the connection is closed: by an error, or because it would hold
 * more than it reserved. `s` may change after the call, unless it is a part of
 * r->stable: that stays until gather_flush.
 */
bool gather_put(struct client *c, struct slice s);
/* Write what was gathered; what the socket does not take waits in c->out. */
void gather_flush(struct relay *r);

/* remote.c. A record that is `dead` lives until its remote_turn. */
/* The one place that changes l->state; the edge must be a legal one. */
void remote_to(struct remote *l, enum remote_state next);
/* The loop says that its socket is ready (EV_*). */
void remote_event(struct remote *l, uint32_t flags);
/* Read what is there. */
void remote_input(struct remote *l);
/* Step and write; frees it once it is dead. When to come back, in io->now_ms'
 * terms. */
uint64_t remote_turn(struct remote *l);
/* End its session; its Close frame may take a while to leave. */
void remote_end(struct remote *l, enum close_code code);
/* The token that agents came with is no longer one: end their sessions. */
void remote_end_credential(struct relay *r, uint32_t credential);
/* Say so (PROTOCOL.md 4.3), and close. */
void remote_refuse(struct remote *l, struct slice code);
/* Its connection is gone; it may come back. */
static inline bool
remote_parked(const struct remote *l)
{
	return l->fd < 0;
}

/* remote_upgrade.c */
/* A request for /tunnel. As request_route. */
void remote_upgrade(struct client *c, const struct http_head *h);
/* What we grant any agent. */
struct tunnel_limits remote_limits(const struct relay *r);

/* remote_hello.c: members of stream_ops */
void remote_hello(void *owner, struct slice json);
void remote_confirmed(void *owner);
void remote_goaway(void *owner, enum goaway_reason reason, uint32_t ms);
/* Put the welcome of l, but for what *w says already, in r->area. With
 * w->secret in it the caller wipes both. */
struct slice remote_put_welcome(struct remote *l, struct welcome *w);

/* remote_find.c. Parked sessions count, but for remote_any. */
/* The current session of that agent, NULL if it has none. */
struct remote *remote_current(const struct relay *r, struct slice agent);
/*
 * Who offers the app `name` now, as l->apps[*index]; NULL if nobody does.
 * NAME--AGENT: that agent. NAME: of the agents of the credential that holds it
 * (names.c), the one that connected last.
 */
struct remote *remote_find_app(struct relay *r, struct slice name,
    uint16_t *index);
/* Is any agent connected? */
bool remote_any(const struct relay *r);
/* remote_find_app found none: is the agent that `name` means (NAME: any)
 * connected all the same? */
bool remote_lacks_app(const struct relay *r, struct slice name);

/* resume.c */
/* The connection of l is gone: close it and keep the session, if that can be
 * resumed; false, and l is unchanged, if not. */
bool resume_park(struct remote *l, const char *why, bool abort);
/* The hello of l asks to resume: find that session and check the proof. It is
 * refused, or l->resumes is set. */
void resume_asked(struct remote *l, const struct hello *hello);
/* The engine has returned from that hello: the session takes l's connection,
 * l is dead. */
void resume_take(struct remote *l);
/* Is there a session that waits? */
bool resume_awaited(const struct relay *r);
/* Blocks stay reserved for one connection that comes to resume, whatever else
 * is short: take them (again) if they are there; or have them back to use. */
void resume_keep_spare(struct relay *r);
bool resume_use_spare(struct relay *r);

/* stop.c */
/* Nothing would be lost by closing it. */
bool stop_rests(const struct client *c);
/* Go on with stopping; when to come back. */
uint64_t stop_step(struct relay *r);

/* kept.c */
/* The content of relay.json; E_SYNTAX if it does not parse. */
enum err kept_load(struct relay *r, struct slice state);
/* Write it: r->kept_changed says when. */
void kept_save(struct relay *r);
/* The app port of `app`: found, or the first free one bound to it. */
void kept_bind_port(struct relay *r, struct slice app);
/* Ids of agents: is it somebody's? Whose is it (empty: none)? Now it is. */
bool kept_has_id(const struct relay *r, struct slice id);
struct slice kept_tunnel_id(const struct relay *r, struct slice agent);
void kept_set_tunnel_id(struct relay *r, struct slice agent,
    struct slice id);

/* channel.c and its like: see channel.h */
/* What the pools take, and the blocks, of the memory in *p. */
uint64_t channel_bytes(const struct relay_plan *p);
uint32_t channel_blocks(const struct relay_cfg *cfg, uint32_t blocks);
/* Once, in relay_new: r->channel. */
void channel_new(struct relay *r, struct arena *a);
/* Is the path the channel's on the site of the request? */
bool channel_path(const struct relay *r, struct slice path);
/* `path` is one of channel_path's. */
void channel_request(struct client *c, const struct http_head *h,
    struct slice path, struct slice rest);
/* Once a turn; when to come again. */
uint64_t channel_step(struct relay *r);
/* The relay stops: say so to all, and close. */
void channel_stop(struct relay *r);
/* Write now what waits to be written. */
void channel_save(struct relay *r);
/* A workstation's key is no more: those who came with it are closed. */
void channel_credential_gone(struct relay *r, uint32_t credential);
/* How many workstations are online, how many clients there are. */
uint64_t channel_online(const struct relay *r);
uint64_t channel_clients(const struct relay *r);
/* The numbers of the metrics, in their order. */
void channel_counts(const struct relay *r, uint64_t v[]);
struct json_out;
/* "wsPath":"/ws","workstations":[...] */
void channel_status(const struct relay *r, struct json_out *o);
/* A connection in CLIENT_CHANNEL: its turn, its deadline, the keeper's answer,
 * its end. */
void sock_run(struct client *c);
void sock_timer(struct client *c);
uint64_t sock_due(const struct client *c);
void sock_answer(struct client *c, const struct answer *a);
void sock_gone(struct client *c);
/* The same in CLIENT_POST and CLIENT_POLL. */
void post_body(struct client *c);
void watch_timer(struct client *c);
uint64_t watch_due(const struct client *c);
void watch_gone(struct client *c);

#endif
