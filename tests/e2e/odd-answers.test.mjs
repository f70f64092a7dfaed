// Odd answers, thousands of them: what a client's own parser makes of what the relay
// writes, when an app answers with everything that parsers differ about.
//
// A seeded grammar as in odd-requests.test.mjs, the other way round: each answer has
// another one hidden in its body, and is followed by a second exchange on the same
// connection. Node's client must find nothing malformed, must get the second answer
// to the second request and never the hidden one, and no cookie of ours.
//
// ADIT_E2E_ODD=100000      how many (1500)
// ADIT_E2E_ODD_SEED=7      others than usual

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import { NEVER_MS, needsRelay, onExit, shutDown, startAgent, startRelay } from './harness.mjs';
import { random } from './odd.mjs';

const COUNT = Number(process.env.ADIT_E2E_ODD || 1500);
const SEED = Number(process.env.ADIT_E2E_ODD_SEED || 1);

after(shutDown);

const FIELDS = [
	'X-A: b', 'Connection: close', 'Connection: keep-alive', 'Keep-Alive: timeout=5', 'Connection: Content-Length', 'Set-Cookie: a=1',
	'Set-Cookie: adit=evil', 'Set-Cookie: __Host-adit=evil; Path=/; Secure', 'Set-Cookie: =adit=evil', 'Set-Cookie:\tadit = evil',
	'Set-Cookie: __HOST-adit-device=evil', 'Alt-Svc: evil', 'Clear-Site-Data: "evil"', 'NEL: evil', 'Report-To: evil', 'Upgrade: evil',
	'Proxy-Authenticate: evil', 'Strict-Transport-Security: evil', 'Service-Worker-Allowed: /evil', 'Trailer: X-T', 'X-High: \xe9',
	`X-Long: ${'l'.repeat(3000)}`,
];
const BAD_FIELDS = [
	'X A: b', ' X: b', 'X-A : b', 'X-A', 'X-A: \x00', 'X-A: b\n c', 'X: a\rb', 'Content-Length: 3\r\nContent-Length: 3', 'Content-Length: 0x3',
	'Content-Length: +3', 'Content_Length: 3', 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked, chunked', 'Transfer-Encoding: identity',
	'Transfer-Encoding : chunked', 'Content-Length: 5',
];
const INTERIM = ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 'HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n'];
const BAD_CHUNKS = ['3\nabc\r\n', '3\r\nabcd\r\n', 'g\r\n', '0x3\r\nabc\r\n', '-1\r\n'];
const TRAILERS = ['', '', 'X-T: 1\r\n', 'Content-Length: 4\r\n', 'Set-Cookie: adit=evil\r\n'];

function chunked(r, body) {
	let text = '';
	for (let at = 0; at < body.length;) {
		const n = Math.min(body.length - at, 1 + r.below(40));
		text += `${n.toString(16)}${r.pick(['', ';a', ';a="b"'])}\r\n${body.slice(at, at + n)}\r\n`;
		at += n;
	}
	return `${text}${r.chance(8) ? r.pick(BAD_CHUNKS) : ''}0\r\n${r.pick(TRAILERS)}\r\n`;
}

function odd(r, id, headOnly) {
	const hidden = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n[hidden]';
	const status = r.pick([200, 200, 200, 201, 204, 205, 206, 301, 304, 400, 404, 500, 599, 700, 999]);
	const fields = Array.from({ length: r.below(4) }, () => r.pick(FIELDS));
	const body = r.chance(30) ? '' : `[first ${id}]${'b'.repeat(r.below(50))}${hidden}`;
	const how = r.below(10);
	let before = '';
	let sent = body;
	while (r.chance(15))
		before += r.pick(INTERIM);
	if (how < 5) {
		fields.push(`Content-Length: ${r.pick(['', '00'])}${Math.max(0, body.length - (r.chance(10) ? r.pick([hidden.length, 3]) : 0))}`);
	} else if (how < 9) {
		fields.push('Transfer-Encoding: chunked');
		sent = chunked(r, body);
	}
	if (r.chance(12))
		fields.push(r.pick(BAD_FIELDS));
	if ((headOnly || status === 204 || status === 304) && !r.chance(15))
		sent = '';
	const line = `HTTP/1.${r.chance(92) ? 1 : 0} ${status}${r.pick([' OK', ' ', '', ' \xe9'])}${r.chance(97) ? '\r\n' : '\n'}`;
	return { ends: how === 9 || r.chance(5), text: `${before}${line}${fields.map((f) => `${f}\r\n`).join('')}\r\n${sent}` };
}

// The app: `plans` says what it answers; a second request is answered as it should be.
async function openApp(plans) {
	const server = net.createServer((socket) => {
		let got = '';
		socket.on('error', () => {});
		socket.on('data', (bytes) => {
			got += bytes.toString('latin1');
			for (let at; (at = got.indexOf('\r\n\r\n')) >= 0; got = got.slice(at + 4)) {
				const [, kind, id] = got.match(/^\S+ \/(\w+)\/(\d+)/);
				const plan = kind === 'second' ?
					{ text: `HTTP/1.1 200 OK\r\nContent-Length: ${id.length + 9}\r\n\r\n[second ${id}]` } : plans.get(id);
				socket.write(Buffer.from(plan.text, 'latin1'), () => plan.ends && socket.end());
			}
		});
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	onExit(() => server.close());
	return server.address().port;
}

function ask(relay, agent, method, path) {
	return new Promise((done) => {
		const req = http.request({ host: '127.0.0.1', port: relay.port, path, method, agent }, (res) => {
			let body = '';
			res.setEncoding('latin1');
			res.on('data', (text) => {
				body += text;
			});
			res.on('end', () => done({ status: res.statusCode, body, fields: [...res.rawHeaders, ...res.rawTrailers] }));
			res.on('error', (error) => done({ error: error.code, body, fields: res.rawHeaders }));
		});
		req.on('error', (error) => done({ error: error.code, body: '', fields: [] }));
		req.end();
	});
}

describe('odd answers', { skip: needsRelay }, () => {
	it(`${COUNT} of them, to Node's client`, { timeout: NEVER_MS + COUNT * 50 }, async () => {
		const plans = new Map();
		const port = await openApp(plans);
		const relay = await startRelay({ args: ['--root', 'web', '--no-login'], noPassword: true });
		await startAgent({ relay, apps: `web=127.0.0.1:${port}` });
		const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
		const sum = { good: 0, refused: 0, cut: 0 };
		for (let id = 0; id < COUNT; id++) {
			const seed = SEED * 1_000_003 + id;
			const r = random(seed);
			const method = r.pick(['GET', 'GET', 'HEAD', 'POST']);
			plans.set(String(id), odd(r, id, method === 'HEAD'));
			const one = await ask(relay, agent, method, `/first/${id}`);
			const two = await ask(relay, agent, 'GET', `/second/${id}`);
			const why = () => `seed ${seed}, ${method}\n${[plans.get(String(id)), one, two].map((x) => JSON.stringify(x)).join('\n')}`;
			assert.ok(!/^HPE/.test(`${one.error}`) && !/^HPE/.test(`${two.error}`), why());
			assert.ok(!one.body.startsWith('[hidden'), why());
			assert.ok(!JSON.stringify(one.fields).includes('evil'), why());
			if (two.error === undefined)
				assert.equal(`${two.status} ${two.body}`, `200 [second ${id}]`, why());
			sum[one.error !== undefined ? 'cut' : one.status === 502 ? 'refused' : 'good']++;
			plans.delete(String(id));
		}
		agent.destroy();
		for (const [key, n] of Object.entries(sum))
			assert.ok(n > COUNT / 200, `${key}: ${n} of ${COUNT}`);
	});
});
