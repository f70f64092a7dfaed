// Odd requests, thousands of them: what the app's own parser read is what the relay
// let through, and nothing else.
//
// Each comes from a seeded grammar of what parsers differ about, in pieces, with a
// second request right behind it and a third one hidden wherever a body may be. The
// app is Node's server, and then nginx before Node's. Whatever they made of it comes
// back in the answers and in a record of the app's; it must be the first request as
// meant, the second one or nothing, and never the third; no field by which a proxy
// tells who somebody is; and nothing that the app itself finds malformed.
//
// ADIT_E2E_ODD=100000      how many for each app (1500)
// ADIT_E2E_ODD_SEED=7      others than usual

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import {
	NEVER_MS, cleanEnv, freePorts, needsRelay, onExit, shutDown, start, startAgent, startRelay, tempDir,
} from './harness.mjs';
import { Wire, pairs } from './http.mjs';
import { random } from './odd.mjs';

const COUNT = Number(process.env.ADIT_E2E_ODD || 1500);
const SEED = Number(process.env.ADIT_E2E_ODD_SEED || 1);
const AT_ONCE = 8;
const NGINX = '/usr/sbin/nginx';

after(shutDown);

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

// Fields that must not reach the app as they are, that must do no harm, or that the
// relay must refuse. `evil` is looked for in what the app saw.
const FIELDS = [
	'X-Forwarded-For: evil', 'x_forwarded_for: evil', 'X-Forwarded_Proto: evil', 'X-Real-IP: evil', 'X_Real-IP: evil',
	'Forwarded: for=evil', 'X-Forwarded-User: evil', 'X_FORWARDED_USER: evil', 'X-Forwarded-Groups: evil',
	'X-Forwarded-Anything: evil', 'Proxy: evil', 'Proxy-Authorization: evil', 'Authorization: Bearer adit_evil',
	'Cookie: adit=evil', 'Cookie: a=1; __Host-adit=evil; b=2', 'Cookie: adit-4100-device=evil;adit=evil', 'Cookie: a="; adit=evil; "',
	'Keep-Alive: evil', 'Upgrade: evil', 'HTTP2-Settings: evil', 'Connection: close', 'Connection: keep-alive, x-gone',
	'Connection: Content-Length, Host', 'Connection: Transfer-Encoding', 'Connection: ,,x-gone,,', 'X-Gone: 1', 'TE: trailers, evil',
	'Connection: upgrade', 'X-A: \t b \t', 'X-Empty:', 'X-High: \xe9\xff', 'X-Tab: a\tb', 'x: y', 'Trailer: X-T', 'Expect: nothing',
	'Content-Type: text/plain', 'Accept: */*', 'Range: bytes=0-1', `X-Long: ${'l'.repeat(3000)}`, '!#$%&\'*+-.^_`|~: token',
];
const BAD_FIELDS = [
	'X-A : b', ' X-A: b', 'X-A: b\r\n c', 'X-A', ': b', 'X A: b', 'X-A: \x00', 'X-A: b\rc', 'X-A: b\nX-B: c', 'X-A: \x7f',
	'Content_Length: 3', 'Transfer_Encoding: chunked', 'Content-Length: +3', 'Content-Length: 3, 3', 'Content-Length: 0x3',
	'Content-Length: 3 3', 'Content-Length:', 'Content-Length: -1', 'Content-Length: 18446744073709551619', 'Content-Length : 3',
	'Transfer-Encoding: identity', 'Transfer-Encoding: chunked, chunked', 'Transfer-Encoding: chunked;q=1', 'Transfer-Encoding: \x0bchunked',
	'Transfer-Encoding: xchunked', 'Transfer-Encoding:', 'Transfer-Encoding: "chunked"', 'Transfer-Encoding\t: chunked',
	'Host: other.example', 'Host:', 'Content-Length: 3\r\nContent-Length: 3', 'Content-Length: 3\r\nContent-Length: 4',
];
const EXTENSIONS = ['', '', '', ';a', ';a=b', ';a="b;\\"c"', ' ;a = b', ';a="\xff"'];
const TRAILERS = ['X-T: 1', 'Content-Length: 9', 'Transfer-Encoding: chunked', 'X-Forwarded-User: evil', 'Cookie: adit=evil',
	'X_Forwarded_User: evil', 'Host: evil', 'x-t:'];
const BAD_CHUNKS = ['3\nabc\r\n', '3\r\nabc', '3\r\nabcd\r\n', '0x3\r\nabc\r\n', '+3\r\nabc\r\n', '3 \rabc\r\n', '-0\r\n\r\n', 'g\r\n\r\n',
	'3;\n\r\nabc\r\n', '10000000000000003\r\nabc\r\n', '\r\n3\r\nabc\r\n', '3\r\nabc\n', '3\r\nabc\r\r\n', '00000000000000000003\r\nabc\r\n'];

function chunked(r, body, bad) {
	let text = '';
	for (let at = 0; at < body.length;) {
		const n = Math.min(body.length - at, 1 + r.below(40));
		const size = r.pick([n.toString(16), n.toString(16).toUpperCase(), `000${n.toString(16)}`]);
		text += `${size}${r.pick(EXTENSIONS)}\r\n${body.slice(at, at + n)}\r\n`;
		at += n;
	}
	const trailers = Array.from({ length: r.below(3) }, () => `${r.pick(TRAILERS)}\r\n`).join('');
	return `${text}${bad ? r.pick(BAD_CHUNKS) : ''}${r.pick(['0', '000'])}${r.pick(EXTENSIONS)}\r\n${trailers}\r\n`;
}

// One request: its text, its path, and the body that it means, if it is well-formed.
function odd(r, id, host) {
	const hidden = `GET /hidden/${id} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
	const method = r.pick(['GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
	const path = `/first/${id}${r.pick(['', '', '/', '?', '?a=b&c', '//x/../y', '/%00%0d%0a', '?"<>\\^`{|}'])}`;
	const target = r.chance(8) ? `http://${host}${path}` : r.chance(2) ? `http://other.example${path}` : path;
	const version = r.pick([...Array(12).fill('HTTP/1.1'), 'HTTP/1.0', 'HTTP/1.2', 'http/1.1', 'HTTP/1.1 ']);
	const fields = Array.from({ length: r.below(5) }, () => r.pick(FIELDS));
	const body = r.chance(50) ? '' : `${'b'.repeat(r.below(60))}${hidden}${r.chance(10) ? 'b'.repeat(9000) : ''})))))`;
	const broken = r.chance(15);
	let sent = body;
	let meant = body;
	if (body !== '' && r.chance(50)) {
		fields.push(r.pick(['Transfer-Encoding: chunked', 'transfer-encoding:chunked', 'Transfer-Encoding: CHUNKED \t']));
		sent = chunked(r, body, broken);
	} else if (body !== '' || r.chance(20)) {
		// Too short: the rest is no request. Too long: it eats of the next one.
		const off = broken && body !== '' ? r.pick([-5, -1, 3]) : 0;
		const length = Math.max(0, body.length + off);
		fields.push(`Content-Length: ${r.pick(['', '000'])}${length}`);
		meant = off === 0 ? body : undefined;
	}
	if (r.chance(25))
		fields.push(r.pick(BAD_FIELDS));
	if (r.chance(6))
		fields.push(r.pick(['Transfer-Encoding: chunked', `Content-Length: ${sent.length}`]));
	fields.splice(r.below(fields.length + 1), 0, r.chance(96) ? `Host: ${host}` : 'X-No: host');
	const end = r.chance(95) ? '\r\n' : r.pick(['\n', '\r', '\r\r\n', '\r\n ']);
	return {
		path, meant, method,
		text: `${r.chance(3) ? '\r\n' : ''}${method} ${target} ${version}${end}${fields.join('\r\n')}\r\n\r\n${sent}`,
	};
}

// The app: it says what it read.
async function openApp() {
	const app = { seen: new Map(), malformed: [] };
	app.server = http.createServer({ maxHeaderSize: 128 * 1024 }, (req, res) => {
		const parts = [];
		req.on('error', () => {});
		req.on('data', (b) => parts.push(b));
		req.on('end', () => {
			const id = req.url.match(/^\/[a-z]+\/(\d+)/)?.[1];
			const read = { url: req.url, method: req.method, host: req.headers.host, body: hash(Buffer.concat(parts)),
				fields: pairs(req.rawHeaders).concat(pairs(req.rawTrailers)) };
			app.seen.set(id, [...(app.seen.get(id) ?? []), read]);
			res.setHeader('Content-Type', 'text/plain');
			res.end(req.method === 'HEAD' ? undefined : `[${req.url}]`);
		});
	});
	// A connection that the relay ends within a request is none of the app's concern.
	app.server.on('clientError', (error, socket) => {
		if (!['ECONNRESET', 'HPE_INVALID_EOF_STATE', 'EPIPE'].includes(error.code))
			app.malformed.push(`${error.code}: ${error.rawPacket?.toString('latin1').slice(0, 400)}`);
		socket.destroy();
	});
	app.server.listen(0, '127.0.0.1');
	await once(app.server, 'listening');
	app.port = app.server.address().port;
	onExit(() => app.server.closeAllConnections());
	onExit(() => app.server.close());
	return app;
}

async function openNginx(upstream) {
	const [port] = await freePorts();
	const folder = tempDir('odd-nginx');
	const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((t) => `${t}_temp_path ${join(folder, t)};`);
	writeFileSync(join(folder, 'nginx.conf'), `${process.getuid() === 0 ? 'user root;' : ''}
daemon off; worker_processes 1; pid ${join(folder, 'pid')}; error_log stderr notice;
events { worker_connections 512; }
http {
	access_log off; underscores_in_headers on; ignore_invalid_headers off; large_client_header_buffers 8 64k;
	${temporary.join('\n\t')}
	server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${upstream};
		proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection ""; } }
}
`);
	const proc = start('odd-nginx', NGINX, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
	    { stopBy: 'SIGTERM', cwd: folder, env: cleanEnv() });
	await proc.waitFor(/start worker process/, 'ready');
	return port;
}

// Sends it in pieces, and gives all that came back.
async function send(relay, r, text) {
	const wire = await Wire.connect(relay.origin);
	for (let at = 0; at < text.length;) {
		const n = r.chance(60) ? text.length - at : 1 + r.below(Math.min(text.length - at, 400));
		await wire.write(text.slice(at, at + n));
		at += n;
	}
	const all = (await wire.rest()).toString('latin1');
	wire.destroy();
	return all;
}

async function one(relay, app, seed, id) {
	const r = random(seed);
	const host = `127.0.0.1:${relay.port}`;
	const { text, path, meant, method } = odd(r, id, host);
	const all = await send(relay, r, `${text}GET /second/${id} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
	const why = () => `seed ${seed}\n${JSON.stringify(text)}\n${JSON.stringify(all)}\n${JSON.stringify(app.seen.get(String(id)))}`;
	const seen = app.seen.get(String(id)) ?? [];
	const order = ['first', 'second'].filter((k) => seen.some((s) => s.url.startsWith(`/${k}/`)));

	assert.ok(!all.includes('[/hidden/') && all.match(/^HTTP\/1\.1 (200|400|413|414|417|421|431|501|505) /), why());
	assert.deepEqual(seen.map((s) => s.url.split('/')[1]), order, why());
	for (const s of seen) {
		assert.ok(s.host === host || (s.host === '' && text.includes(' HTTP/1.0')), why());
		assert.ok(!/evil/.test(JSON.stringify(s.fields)), why());
		assert.equal(s.url, s.url.startsWith('/first/') ? path : `/second/${id}`, why());
	}
	const first = seen.find((s) => s.url.startsWith('/first/'));
	if (first !== undefined && meant !== undefined)
		assert.equal(first.body, hash(Buffer.from(meant, 'latin1')), why());
	// What the app answered is what came, in order; HEAD has no body to tell.
	const told = [...all.matchAll(/\[(\/(?:first|second)\/.*?)\]/g)].map((m) => m[1]);
	const want = seen.filter((s) => s.method !== 'HEAD').map((s) => s.url);
	assert.deepEqual(told, want.slice(0, told.length), why());
	app.seen.delete(String(id));
	return { first: first !== undefined, second: order.includes('second'), refused: /^HTTP\/1\.1 [45]/.test(all), method };
}

describe('odd requests', { skip: needsRelay, concurrency: false }, () => {
	for (const behind of ['Node', 'nginx'])
		it(`${COUNT} of them, to ${behind}`, {
			timeout: NEVER_MS + COUNT * 50, skip: behind === 'nginx' && !existsSync(NGINX) ? 'nginx is not installed' : false,
		}, async () => {
			const app = await openApp();
			const port = behind === 'nginx' ? await openNginx(app.port) : app.port;
			const relay = await startRelay({ args: ['--root', 'web', '--no-login', '--head-timeout', '2s'], noPassword: true });
			await startAgent({ relay, apps: `web=127.0.0.1:${port}` });
			const sum = { first: 0, second: 0, refused: 0 };
			for (let id = 0; id < COUNT;) {
				const some = Math.min(AT_ONCE, COUNT - id);
				const done = await Promise.all(Array.from({ length: some }, (_, i) =>
					one(relay, app, SEED * 1_000_003 + id + i, id + i)));
				for (const d of done)
					for (const key of Object.keys(sum))
						sum[key] += d[key];
				id += some;
			}
			assert.deepEqual(app.malformed, [], 'nothing malformed reached the app');
			// The grammar is worth something only if all of it happens.
			for (const [key, n] of Object.entries(sum))
				assert.ok(n > COUNT / 10, `${key}: ${n} of ${COUNT}`);
		});
});
