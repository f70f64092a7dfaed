/*
 * CONNECT. The answer's head goes through the parser that everything else
 * goes through; the body of a refusal is of no interest.
 */
#include "agent/proxy.h"

#include "base/num.h"
#include "codec/b64.h"

bool
proxy_put(struct buf *b, struct slice host, uint16_t port,
    const struct secret *login)
{
	uint8_t area[300], text[2 * SECRET_MAX];
	struct buf to = BUF_ON(area), auth = BUF_ON(text);
	bool v6 = slice_find(host, ':') < host.n;

	if (v6)
		buf_lit(&to, "[");
	buf_put(&to, host);
	if (v6)
		buf_lit(&to, "]");
	buf_lit(&to, ":");
	buf_put_dec(&to, port);
	http_put_request_line(b, SL("CONNECT"), buf_slice(&to));
	http_put_field(b, SL("Host"), buf_slice(&to));
	if (login->n > 0) {
		buf_lit(&auth, "Basic ");
		b64_encode(&auth, secret_bytes(login), B64_STD);
		http_put_field(b, SL("Proxy-Authorization"),
		    buf_slice(&auth));
	}
	wipe(text, sizeof text);
	http_put_end(b);
	return buf_ok(b) && buf_ok(&to) && buf_ok(&auth);
}

enum proxy_verdict
proxy_answer(const struct buf *in, struct http_scan *scan,
    struct http_field *fields, bool eof, unsigned *status)
{
	struct http_head h = { .fields = fields };
	size_t used;
	enum err e = http_response_parse(&h, scan, HTTP_TO_CONNECT,
	    buf_slice(in), &used);

	if (e == E_MORE && !eof && buf_room(in) > 0)
		return PROXY_MORE;
	if (e != E_OK)
		return PROXY_BROKEN;
	*status = h.status;
	if (h.status < 200 || h.status > 299)
		return PROXY_REFUSED;
	return used == in->n ? PROXY_OPEN : PROXY_BROKEN;
}
