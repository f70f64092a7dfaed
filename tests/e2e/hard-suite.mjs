// hard-suite.mjs: a hard app must not notice the relay.
//
// hardSuite(kind) defines the whole suite for one way to reach the app (reach.mjs).
// A test that a front in between makes meaningless names that front and what it
// does; everything else runs everywhere, and straight against the app as well.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import busboy from 'busboy';
import { io as socketClient } from 'socket.io-client';
import { Client } from 'undici';
import { gate, pattern, patternHash, pump } from './app.mjs';
import {
	AGENT_MEMORY_MIB, BULK_MIB, MEASURE_RSS, MIB, MULTIPART_MIB, NEVER_MS, RELAY_MEMORY_MIB,
	SLOW_S, needsRelay, peakMib, run, shutDown, tempDir, within,
} from './harness.mjs';
import { Reader, Wire, answer, open, rawRequest, request, values, whole } from './http.mjs';
import {
	BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, acceptRaw, closePayload, frame, readFrame, upgrade,
} from './frames.mjs';
import { openReach } from './reach.mjs';
import { wsClient } from './ws-client.mjs';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

// What fronts do by themselves, said once.
const REBUILDS = {
	nginx: 'nginx reads the exchange as its own and writes another',
	'nginx-plain': 'nginx reads the exchange as its own and writes another',
	caddy: 'Caddy reads the exchange as its own and writes another',
};

export function hardSuite(kind) {
	describe(`hard app, ${kind}`, { concurrency: false }, () => {
		let reach;

		before(async () => {
			reach = await within(openReach(kind), 'the relay, the agent and the app', 2 * NEVER_MS);
		});
		after(async () => {
			try {
				assert.deepEqual(reach?.app.broken ?? [], [], 'nothing malformed reached the app');
				await reach?.close();
			} finally {
				await shutDown();
			}
		});

		// test: `not` names the reaches that cannot pass it, each with the reason.
		function test(name, options, fn) {
			const skip = options.not?.[kind] ?? false;
			const timeout = options.timeout ?? NEVER_MS;
			it(name, { skip, timeout }, (t) => fn(t ?? { diagnostic() {} }));
		}

		const get = (path, options = {}) => request(reach.origin, path,
		    { ...options, headers: { ...reach.headers, ...options.headers } });
		const start = (path, options = {}) => open(reach.origin, path,
		    { ...options, headers: { ...reach.headers, ...options.headers } });
		const fields = () => Object.entries(reach.headers).map(([n, v]) => `${n}: ${v}`);
		const curl = (path, args, options) => run('curl', ['--silent', '--show-error', '--noproxy', '*',
			...fields().flatMap((f) => ['--header', f]), ...args, reach.origin + path], options);
		const socketUrl = (path) => reach.origin.replace('http:', 'ws:') + path;
		const ws = (path, protocols = [], options = {}) => wsClient(socketUrl(path), protocols,
		    { headers: reach.headers, ...options });

		// --- requests and answers

		describe('requests and answers', () => {
			for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])
				test(`method ${method}, path and query arrive as they were sent`, {}, async () => {
					const path = '/head?a=b&a=%2F%00&%zz&q=\'"|{}';
					const got = (await get(path, { method })).json;
					assert.equal(got.method, method);
					assert.equal(got.url, path);
					assert.equal(got.version, '1.1');
				});

			test('header names keep their case and order, values their bytes', {
				not: {
					caddy: 'Caddy writes names its own way and sorts them',
				},
			}, async () => {
				const sent = ['X-Zebra: 1', 'x-apple: two  spaces', 'X-MiXeD: a,b;c="d, e"',
					'Cookie: a=b; c="d e"', 'X-Zebra: 2'];
				const wire = await Wire.connect(reach.origin);
				const cookie = reach.headers.cookie === undefined ? [] : [`Cookie: ${reach.headers.cookie}`];
				await wire.write(rawRequest(reach.origin, 'GET /head', [...cookie, ...sent, 'Connection: close']));
				const got = JSON.parse((await wire.response()).body);
				wire.destroy();
				const names = sent.map((s) => s.split(':')[0]);
				const there = got.headers.filter(([n]) => names.includes(n) && n !== 'Cookie');
				assert.deepEqual(there.map(([n, v]) => `${n}: ${v}`),
				    sent.filter((s) => !s.startsWith('Cookie')));
				assert.match(values(got.headers, 'cookie').join('; '), /(^|; )a=b; c="d e"$/);
			});

			test('latin-1 bytes in headers and in the reason phrase stay as they are', {
				not: { caddy: 'Caddy writes the standard reason phrases' },
			}, async () => {
				let arrived;
				const path = reach.app.on('latin1', (req, res) => {
					arrived = req.headers['x-latin'];
					res.writeHead(299, 'Tr\xe8s bien \xff', { 'X-Latin': 'na\xefve \x80\xfe' });
					res.end('x');
				});
				const wire = await Wire.connect(reach.origin);
				await wire.write(rawRequest(reach.origin, `GET ${path}`,
				    [...fields(), 'X-Latin: caf\xe9 \xa0\xff', 'Connection: close']));
				const got = await wire.response();
				wire.destroy();
				assert.equal(arrived, 'caf\xe9 \xa0\xff');
				assert.equal(got.status, 299);
				assert.equal(got.reason, 'Tr\xe8s bien \xff');
				assert.deepEqual(values(got.fields, 'x-latin'), ['na\xefve \x80\xfe']);
			});

			test('latin-1 header bytes stay as they are', {}, async () => {
				const path = reach.app.on('latin1-only', (req, res) => {
					res.setHeader('X-Latin', req.headers['x-latin']);
					res.end();
				});
				const got = await get(path, { headers: { 'X-Latin': 'caf\xe9 \xff' } });
				assert.equal(got.headers['x-latin'], 'caf\xe9 \xff');
			});

			test('40 Set-Cookie headers arrive, in order', {}, async () => {
				const cookies = Array.from({ length: 40 }, (_, i) =>
					`c${i}=${'v'.repeat(i)}; Path=/p${i}; HttpOnly; SameSite=Lax`);
				const path = reach.app.on('cookies', (req, res) => {
					res.setHeader('Set-Cookie', cookies);
					res.end();
				});
				const got = await get(path);
				assert.deepEqual(got.headers['set-cookie'], cookies);
			});

			test('32 KiB of headers in a request', {
				not: { 'nginx-plain': 'nginx takes 32 KiB in all unless large_client_header_buffers says more' },
			}, async () => {
				const headers = manyHeaders(32 << 10);
				const got = (await get('/head', { headers })).json;
				for (const [name, value] of Object.entries(headers))
					assert.deepEqual(values(got.headers, name), [value]);
			});

			test('32 KiB of headers in an answer', {
				not: { 'nginx-plain': 'nginx takes one page unless proxy_buffer_size says more' },
			}, async () => {
				const headers = manyHeaders(32 << 10);
				const path = reach.app.on('heads', (req, res) => {
					res.writeHead(200, headers);
					res.end('done');
				});
				const got = await get(path);
				assert.equal(got.body.toString(), 'done');
				for (const [name, value] of Object.entries(headers))
					assert.equal(got.headers[name], value);
			});

			test('redirects and Location are passed as they are', {}, async () => {
				const places = ['/elsewhere?x=1#y', 'relative/path', '//other.example/x',
					'http://other.example:8080/a%20b', 'https://127.0.0.1:1/', 'app://open/it'];
				let i = 0;
				const path = reach.app.on('redirect', (req, res) => {
					res.writeHead(Number(req.headers['x-status']), { Location: places[i] });
					res.end();
				});
				for (const status of [201, 301, 302, 303, 307, 308])
					for (i = 0; i < places.length; i++) {
						const got = await get(path, { headers: { 'X-Status': String(status) } });
						assert.equal(got.status, status);
						assert.equal(got.headers.location, places[i]);
					}
			});

			test('every kind of status arrives with its body', {}, async () => {
				const path = reach.app.on('status', (req, res) => {
					const status = Number(req.headers['x-status']);
					res.writeHead(status, { 'Content-Type': 'application/problem+json' });
					res.end(`{"status":${status}}`);
				});
				for (const status of [200, 202, 206, 400, 401, 403, 404, 409, 413, 418, 422, 429, 451,
					500, 501, 502, 503, 504, 599]) {
					const got = await get(path, { headers: { 'X-Status': String(status) } });
					assert.equal(got.status, status);
					assert.equal(got.body.toString(), `{"status":${status}}`);
					assert.equal(got.headers['content-type'], 'application/problem+json');
				}
			});

			test('gzip is untouched, both ways', {}, async () => {
				const squeezed = gzipSync('the quick brown fox '.repeat(5000));
				let arrived;
				const path = reach.app.on('gzip', async (req, res) => {
					arrived = { coding: req.headers['content-encoding'], accept: req.headers['accept-encoding'] };
					const parts = [];
					for await (const chunk of req)
						parts.push(chunk);
					arrived.body = Buffer.concat(parts);
					res.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': squeezed.length,
						Vary: 'Accept-Encoding', 'Content-Type': 'text/plain' });
					res.end(squeezed);
				});
				const got = await get(path, { method: 'POST', body: squeezed,
					headers: { 'Accept-Encoding': 'gzip, br;q=0.5', 'Content-Encoding': 'gzip' } });
				assert.equal(arrived.coding, 'gzip');
				assert.equal(arrived.accept, 'gzip, br;q=0.5');
				assert.ok(arrived.body.equals(squeezed));
				assert.equal(got.headers['content-encoding'], 'gzip');
				assert.equal(got.headers['content-length'], String(squeezed.length));
				assert.ok(got.body.equals(squeezed));
			});

			test('an app\'s own Authorization, also one that is refused, is the app\'s affair', {}, async () => {
				const path = reach.app.on('auth', (req, res) => {
					if (req.headers.authorization === 'Basic dTpw')
						return res.end('in');
					res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="app"' });
					res.end('out');
				});
				const none = await curl(path, ['--include']);
				assert.match(none.stdout.toString(), /^HTTP\/1\.1 401 /);
				assert.match(none.stdout.toString(), /\r\nwww-authenticate: Basic realm="app"\r\n/i);
				const right = await curl(path, ['--user', 'u:p']);
				assert.equal(right.stdout.toString(), 'in');
			});

			test('hop-by-hop headers and those named in Connection are dropped', {
				not: reach_direct({ caddy: 'Caddy drops them already' }),
			}, async () => {
				const path = reach.app.on('hop', (req, res) => {
					const seen = req.rawHeaders.filter((_, i) => i % 2 === 0).map((n) => n.toLowerCase());
					const body = JSON.stringify(seen);
					// Past Node's own answer, which therefore never comes: no second request here.
					req.socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n` +
					    'Connection: X-App-Hop, keep-alive\r\nX-App-Hop: 1\r\nKeep-Alive: timeout=77\r\n' +
					    `Proxy-Connection: keep-alive\r\nX-App-Stays: 1\r\n\r\n${body}`);
				});
				const wire = await Wire.connect(reach.origin);
				await wire.write(rawRequest(reach.origin, `GET ${path}`, [...fields(),
					'Connection: keep-alive, X-Client-Hop', 'X-Client-Hop: 1', 'Keep-Alive: timeout=5',
					'Proxy-Connection: keep-alive', 'X-Client-Stays: 1']));
				const got = await wire.response();
				wire.destroy();
				const seen = JSON.parse(got.body);
				assert.ok(seen.includes('x-client-stays'));
				const back = got.fields.map(([n]) => n.toLowerCase());
				assert.ok(back.includes('x-app-stays'));
				for (const name of ['keep-alive', 'proxy-connection', ...reach.front ? [] : ['x-client-hop']])
					assert.ok(!seen.includes(name), `the app saw ${name}`);
				for (const name of ['x-app-hop', 'proxy-connection'])
					assert.ok(!back.includes(name), `the client saw ${name}`);
				assert.ok(!values(got.fields, 'keep-alive').includes('timeout=77'), 'the app\'s Keep-Alive');
			});
		});

		// --- lengths, ranges, nothing at all

		describe('bodies and their absence', () => {
			let file;
			before(() => {
				const body = Buffer.concat([...pattern(300_000)]);
				file = reach.app.on('file', (req, res) => serveFile(req, res, body));
				file = { path: file, body };
			});

			test('range requests: 206, 416, open ends, If-Range', {}, async () => {
				const { path, body } = file;
				for (const [range, from, to] of [['0-0', 0, 1], ['0-99', 0, 100], ['100000-199999', 100_000, 200_000],
					['299999-', 299_999, 300_000], ['-500', 299_500, 300_000]]) {
					const { stdout } = await curl(path, ['--range', range]);
					assert.ok(stdout.equals(body.subarray(from, to)), range);
				}
				const part = await get(path, { headers: { Range: 'bytes=10-19' } });
				assert.equal(part.status, 206);
				assert.equal(part.headers['content-range'], 'bytes 10-19/300000');
				assert.equal(part.headers['content-length'], '10');
				const beyond = await get(path, { headers: { Range: 'bytes=300000-' } });
				assert.equal(beyond.status, 416);
				assert.equal(beyond.headers['content-range'], 'bytes */300000');
				const stale = await get(path, { headers: { Range: 'bytes=0-9', 'If-Range': '"old"' } });
				assert.equal(stale.status, 200);
				assert.equal(stale.body.length, 300_000);
			});

			test('304, 204 and HEAD have no body, keep their lengths, and the connection goes on', {}, async () => {
				const nothing = reach.app.on('nothing', (req, res) => {
					res.writeHead(204, { 'X-Why': 'nothing' });
					res.end();
				});
				const wire = await Wire.connect(reach.origin);
				const ask = async (line, more = []) => {
					await wire.write(rawRequest(reach.origin, line, [...fields(), ...more]));
					return wire.response(line.startsWith('HEAD'));
				};
				let got = await ask(`HEAD ${file.path}`);
				assert.equal(got.status, 200);
				assert.deepEqual(values(got.fields, 'content-length'), ['300000']);
				got = await ask('HEAD /bytes?n=123456789');
				assert.deepEqual(values(got.fields, 'content-length'), ['123456789']);
				got = await ask(`GET ${file.path}`, ['If-None-Match: "v1"']);
				assert.equal(got.status, 304);
				assert.deepEqual(values(got.fields, 'etag'), ['"v1"']);
				got = await ask(`HEAD ${file.path}`, ['If-None-Match: "v1"']);
				assert.equal(got.status, 304);
				got = await ask(`GET ${nothing}`);
				assert.equal(got.status, 204);
				assert.deepEqual(values(got.fields, 'x-why'), ['nothing']);
				assert.deepEqual(values(got.fields, 'transfer-encoding'), []);
				got = await ask('GET /ok');
				assert.equal(got.status, 200);
				assert.equal(got.body.toString(), 'ok\n');
				assert.equal(wire.bytes.length, 0, 'nothing is left over');
				wire.destroy();
			});

			test('a 304 may state the length that the body would have', {
				not: { caddy: 'Caddy drops Content-Length from a 304' },
			}, async () => {
				const path = reach.app.on('304', (req, res) => {
					res.writeHead(304, { ETag: '"z"', 'Content-Length': 4321 });
					res.end();
				});
				const wire = await Wire.connect(reach.origin);
				await wire.write(rawRequest(reach.origin, `GET ${path}`, fields()));
				const got = await wire.response();
				assert.equal(got.status, 304);
				assert.deepEqual(values(got.fields, 'content-length'), ['4321']);
				await wire.write(rawRequest(reach.origin, 'GET /ok', fields()));
				assert.equal((await wire.response()).body.toString(), 'ok\n');
				wire.destroy();
			});

			test('empty bodies: a length of 0, and no chunk but the last', {}, async () => {
				const path = reach.app.on('empty', (req, res) => {
					if (req.headers['x-how'] === 'length')
						res.setHeader('Content-Length', 0);
					else
						res.flushHeaders();
					req.resume();
					req.on('end', () => res.end());
				});
				for (const how of ['length', 'chunked']) {
					const got = await get(path, { method: 'POST', body: '', headers: { 'X-How': how } });
					assert.equal(got.status, 200);
					assert.equal(got.body.length, 0);
				}
				const chunked = await get('/hash', { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } });
				assert.equal(chunked.json.bytes, 0);
			});

			test('an app that ends its answer by closing', {}, async () => {
				const path = reach.app.on('close', (req) => {
					req.socket.end('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end');
				});
				const got = await get(path);
				assert.equal(got.body.toString(), 'until the end');
			});

			test('an answer that the app broke off never looks whole', {
				not: { caddy: 'Caddy 2.6 ends a broken chunked answer as if it were whole' },
			}, async () => {
				const short = reach.app.on('short', (req, res) => {
					res.writeHead(200, { 'Content-Length': 1000 });
					res.write('x'.repeat(500), () => req.socket.destroySoon());
				});
				const cut = reach.app.on('cut', (req, res) => {
					res.writeHead(200);
					res.write('x'.repeat(500), () => req.socket.destroySoon());
				});
				for (const path of [short, cut]) {
					const got = await curl(path, []);
					assert.notEqual(got.code, 0, `curl was content with ${got.stdout.length} bytes`);
				}
			});

			test('each path, also a long one with odd escapes, is passed as it is', {}, async () => {
				for (const path of ['/head/../head', '/a//b', '/a/%2e%2e/x', '/a;b=c/d', '/%E2%82%AC', '/?', '/?a?b',
					`/${'long/'.repeat(800)}`]) {
					const seen = reach.app.seen.length;
					await get(path);
					assert.equal(reach.app.seen[seen], `GET ${path}`);
				}
			});
		});

		// --- connections

		describe('connections', () => {
			test('a client\'s connection is used again, and so is the app\'s', {
				not: { nginx: 'nginx has connections of its own', caddy: 'Caddy has connections of its own',
					'nginx-plain': 'nginx with Connection: upgrade closes after each request' },
			}, async () => {
				const client = new Client(reach.origin, { pipelining: 1 });
				let connects = 0;
				client.on('connect', () => connects++);
				const seen = new Set();
				for (let i = 0; i < 30; i++) {
					const method = i % 3 === 0 ? 'POST' : 'GET';
					const res = await client.request({ method, path: '/head', headers: reach.headers,
						body: method === 'POST' ? `body ${i}` : null });
					seen.add((await res.body.json()).connection);
				}
				await client.close();
				assert.equal(connects, 1);
				assert.equal(seen.size, 1);
			});

			test('two clients never share a connection to the app', {
				not: { nginx: 'nginx has connections of its own', caddy: 'Caddy has connections of its own',
					'nginx-plain': 'nginx has connections of its own' },
			}, async () => {
				const clients = [1, 2, 3].map(() => new Client(reach.origin));
				const seen = await Promise.all(clients.map(async (c) => {
					const mine = new Set();
					for (let i = 0; i < 5; i++)
						mine.add((await (await c.request({ method: 'GET', path: '/head', headers: reach.headers }))
							.body.json()).connection);
					return mine;
				}));
				await Promise.all(clients.map((c) => c.close()));
				for (const mine of seen)
					assert.equal(mine.size, 1);
				assert.equal(new Set(seen.flatMap((s) => [...s])).size, 3);
			});

			test('pipelined requests are answered in order', {}, async () => {
				const wire = await Wire.connect(reach.origin);
				const sizes = [1, 50_000, 0, 7, 200_000, 3];
				await wire.write(sizes.map((n) => rawRequest(reach.origin, `GET /bytes?n=${n}`, fields())).join(''));
				for (const n of sizes) {
					const got = await wire.response();
					assert.equal(got.status, 200);
					assert.equal(sha256(got.body), patternHash(n));
				}
				wire.destroy();
			});

			test('Connection: close closes', {}, async () => {
				const wire = await Wire.connect(reach.origin);
				await wire.write(rawRequest(reach.origin, 'GET /ok', [...fields(), 'Connection: close']));
				const got = await wire.response();
				assert.equal(got.body.toString(), 'ok\n');
				assert.match(values(got.fields, 'connection').join(), /close/i);
				assert.equal((await wire.rest()).length, 0);
			});

			test('HTTP/1.0 clients: no chunks, closed at the end, or kept alive when asked', {}, async () => {
				const chunked = reach.app.on('chunked', (req, res) => {
					res.write('one ');
					res.end('two');
				});
				const wire = await Wire.connect(reach.origin);
				const host = `Host: ${new URL(reach.origin).host}`;
				await wire.write([`GET ${chunked} HTTP/1.0`, host, ...fields(), '', ''].join('\r\n'));
				const got = await wire.head();
				assert.equal(got.status, 200);
				assert.deepEqual(values(got.fields, 'transfer-encoding'), []);
				assert.equal((await wire.rest()).toString(), 'one two');
				const plain = await curl('/head', ['--http1.0']);
				assert.equal(plain.code, 0);
				assert.equal(JSON.parse(plain.stdout).method, 'GET');
			});

			test('HTTP/1.0 with keep-alive', {
				not: REBUILDS,
			}, async () => {
				const wire = await Wire.connect(reach.origin);
				const host = `Host: ${new URL(reach.origin).host}`;
				for (let i = 0; i < 3; i++) {
					await wire.write([`GET /bytes?n=${i * 1000} HTTP/1.0`, host, 'Connection: keep-alive',
						...fields(), '', ''].join('\r\n'));
					assert.equal(sha256((await wire.response()).body), patternHash(i * 1000));
				}
				wire.destroy();
			});

			test('200 clients at once', {}, async () => {
				const answers = await Promise.all(Array.from({ length: 200 }, (_, i) =>
					get(`/bytes?n=${i * 97}`)));
				answers.forEach((a, i) => assert.equal(sha256(a.body), patternHash(i * 97)));
			});
		});

		// --- as it is written

		describe('as it is written', () => {
			test('server-sent events are delivered as they are written', {}, async () => {
				let events;
				const connected = gate();
				const path = reach.app.on('events', (req, res) => {
					res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache',
						'X-Accel-Buffering': 'no' });
					res.flushHeaders();
					events = res;
					connected.open(req.headers['last-event-id']);
				});
				const req = start(path, { headers: { Accept: 'text/event-stream', 'Last-Event-ID': '41' } });
				req.end();
				const [res] = await once(req, 'response');
				assert.equal(res.headers['content-type'], 'text/event-stream');
				assert.equal(await connected.opened, '41');
				const stream = new Reader(res);
				// Each is written only after the one before it has arrived.
				for (let i = 0; i < 50; i++) {
					const event = `id: ${i}\ndata: event ${i}\n\n`;
					events.write(event);
					assert.equal((await stream.take(event.length)).toString(), event);
				}
				events.end();
				assert.equal(await stream.ended, true);
			});

			test('the head of an answer comes before its body', {}, async () => {
				let body;
				const path = reach.app.on('head-first', (req, res) => {
					res.writeHead(200, { 'X-Accel-Buffering': 'no' });
					res.flushHeaders();
					body = res;
				});
				const req = start(path);
				req.end();
				const [res] = await once(req, 'response');
				assert.equal(res.statusCode, 200);
				body.end('and then this');
				assert.equal((await whole(res)).body.toString(), 'and then this');
			});

			test('chunked streaming both ways at once', {
				not: { 'nginx-plain': 'nginx reads the whole request first (proxy_request_buffering)',
					caddy: 'Caddy 2.6 answers once the request was read (Go\'s server is half-duplex)' },
			}, async () => {
				const req = start('/echo', { method: 'POST' });
				req.flushHeaders();
				const [res] = await once(req, 'response');
				const stream = new Reader(res);
				// A chunk leaves only when the one before it has come back.
				for (let i = 0; i < 50; i++) {
					const chunk = `chunk ${i} ${'.'.repeat(i * 40)}`;
					req.write(chunk);
					assert.equal((await stream.take(chunk.length)).toString(), chunk);
				}
				req.end();
				assert.equal(await stream.ended, true);
			});

			test('4 MiB through an echo, both directions full', {
				not: { 'nginx-plain': 'nginx takes 1 MiB unless client_max_body_size says more',
					nginx: 'nginx 1.22 stalls when both directions are full',
					caddy: 'Caddy 2.6 answers once the request was read (Go\'s server is half-duplex)' },
			}, async () => {
				const req = start('/echo', { method: 'POST' });
				const [got] = await Promise.all([answer(req), pump(req, pattern(4 * MIB))]);
				assert.equal(sha256(got.body), patternHash(4 * MIB));
			});

			for (const client of ['a client that has not finished sending', 'curl, which goes on sending'])
				test(`an answer that comes before the upload ends: ${client}`, {
					not: {
						'nginx-plain': 'nginx reads the whole request first (proxy_request_buffering)',
						caddy: 'Caddy 2.6 answers once the request was read, or closes (Go\'s server is half-duplex)',
					},
				}, async () => {
					const path = reach.app.on('early', (req, res) => {
						req.resume();
						res.writeHead(413, { 'Content-Length': 8, Connection: 'close' });
						res.end('too much');
					});
					if (client.startsWith('curl')) {
						const sent = await curl(path, ['--header', 'Expect:', '--data-binary', '@-',
							'--write-out', '%{http_code}'], { input: Buffer.alloc(4 * MIB) });
						assert.equal(sent.stdout.toString(), 'too much413');
						return;
					}
					const wire = await Wire.connect(reach.origin);
					await wire.write(rawRequest(reach.origin, `POST ${path}`,
					    [...fields(), `Content-Length: ${10 * MIB}`], 'the first bytes'));
					const got = await wire.response();
					assert.equal(got.status, 413);
					assert.equal(got.body.toString(), 'too much');
					wire.destroy();
				});

			test('Expect: 100-continue: the app lets the body come', {
				not: { nginx: 'nginx answers 100 by itself', 'nginx-plain': 'nginx answers 100 by itself',
					caddy: 'Caddy answers 100 by itself' },
			}, async () => {
				const order = [];
				const asked = gate();
				const path = reach.app.on('continue', async (req, res, expects) => {
					assert.ok(expects);
					asked.open(() => {
						order.push('the app says continue');
						res.writeContinue();
					});
					const parts = [];
					for await (const chunk of req)
						parts.push(chunk);
					res.end(`got ${Buffer.concat(parts)}`);
				});
				const req = start(path, { method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 4 } });
				req.on('continue', () => {
					order.push('the client hears it');
					req.end('body');
				});
				req.flushHeaders();
				(await asked.opened)();
				const got = await answer(req);
				assert.equal(got.body.toString(), 'got body');
				assert.deepEqual(order, ['the app says continue', 'the client hears it']);
			});

			test('Expect: 100-continue: the app\'s 417 arrives, and no body was asked for', {
				not: { nginx: 'nginx answers 100 by itself', 'nginx-plain': 'nginx answers 100 by itself',
					caddy: 'Caddy answers 100 by itself' },
			}, async () => {
				const path = reach.app.on('refuse', (req, res) => {
					res.writeHead(417, { Connection: 'close' });
					res.end('not that');
				});
				const req = start(path, { method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 4 } });
				let continued = false;
				req.on('continue', () => {
					continued = true;
				});
				req.on('error', () => {});
				req.flushHeaders();
				const got = await answer(req);
				req.destroy();
				assert.equal(got.status, 417);
				assert.equal(got.body.toString(), 'not that');
				assert.equal(continued, false);
			});

			test('Expect: 100-continue with curl, 8 MiB', {
				not: { 'nginx-plain': 'nginx takes 1 MiB unless client_max_body_size says more' },
			}, async () => {
				const path = reach.app.on('continue-big', (req, res, expects) => {
					if (expects)
						res.writeContinue();
					hashInto(req, res);
				});
				const { stdout } = await curl(path, ['--header', 'Expect: 100-continue',
					'--data-binary', '@-'], { input: Buffer.concat([...pattern(8 * MIB)]) });
				assert.equal(JSON.parse(stdout).sha256, patternHash(8 * MIB));
			});

			test('103 Early Hints come early', {
				not: { nginx: 'nginx 1.22 takes a 103 for the answer', 'nginx-plain': 'nginx 1.22 takes a 103 for the answer' },
			}, async () => {
				const held = gate();
				const path = reach.app.on('hints', async (req, res) => {
					res.writeEarlyHints({ link: ['</a.css>; rel=preload; as=style', '</b.js>; rel=preload; as=script'] });
					await held.opened;
					res.end('late');
				});
				const req = start(path);
				req.end();
				const [hint] = await once(req, 'information');
				assert.equal(hint.statusCode, 103);
				assert.match(hint.headers.link, /<\/a\.css>.*<\/b\.js>/);
				held.open();    // the hint was here before the answer existed
				assert.equal((await answer(req)).body.toString(), 'late');
			});

			test('request and response trailers', {
				not: { nginx: 'nginx passes no trailers', 'nginx-plain': 'nginx passes no trailers',
					caddy: 'Caddy 2.6 passes no request trailers' },
			}, async () => {
				const req = start('/echo', { method: 'POST', headers: { Trailer: 'X-Trailer', TE: 'trailers' } });
				req.write('body');
				req.addTrailers({ 'X-Trailer': 'from the client' });
				req.end();
				const got = await answer(req);
				assert.equal(got.body.toString(), 'body');
				assert.equal(got.trailers['x-echo-trailer'], 'from the client');
			});

			test('response trailers, in curl', {
				not: { nginx: 'nginx passes no trailers', 'nginx-plain': 'nginx passes no trailers' },
			}, async () => {
				const path = reach.app.on('trailers', (req, res) => {
					res.writeHead(200, { Trailer: 'X-Checksum, Server-Timing' });
					res.write('text');
					res.addTrailers({ 'X-Checksum': 'abc', 'Server-Timing': 'db;dur=53' });
					res.end();
				});
				const { stdout } = await curl(path, ['--dump-header', '-', '--output', '/dev/null', '--header', 'TE: trailers']);
				assert.match(stdout.toString(), /\r\n\r\n(.*\r\n)*X-Checksum: abc\r\n/i);
				assert.match(stdout.toString(), /\r\n\r\n(.*\r\n)*Server-Timing: db;dur=53\r\n/i);
			});

			test('an app that takes its time, while bytes and pings move elsewhere', {
				timeout: NEVER_MS + SLOW_S * 1000,
			}, async () => {
				const held = gate();
				const path = reach.app.on('slow', async (req, res) => {
					await held.opened;
					res.end('at last');
				});
				const echo = reach.app.onWs('slow-ws', {}, (s) => s.on('message', (d) => s.send(d)));
				const slow = get(path);
				const client = await ws(echo).opened();
				const until = Date.now() + SLOW_S * 1000;
				for (let i = 0; i < 100 || Date.now() < until; i++) {
					client.send(String(i));
					assert.equal((await client.message()).data.toString(), String(i));
					client.ping();
					await once(client, 'pong');
					assert.equal((await get('/ok')).status, 200);
					if (SLOW_S > 0)
						await new Promise((go) => setTimeout(go, 1000));
				}
				client.close();
				held.open();
				assert.equal((await slow).body.toString(), 'at last');
			});
		});

		// --- going away, standing still

		describe('going away, standing still', () => {
			test('a client that goes away mid-download is noticed by the app', {}, async (t) => {
				const gone = gate();
				const path = reach.app.on('endless', (req, res) => {
					res.writeHead(200);
					res.once('close', () => gone.open(Date.now()));
					pump(res, endless());
				});
				const req = start(path);
				req.end();
				const [res] = await once(req, 'response');
				await once(res, 'data');
				const left = Date.now();
				res.destroy();
				t.diagnostic(`the app saw it after ${await gone.opened - left} ms`);
			});

			test('a client that goes away while the app is silent is noticed too', {}, async (t) => {
				const asked = gate();
				const gone = gate();
				const path = reach.app.on('silent', (req, res) => {
					res.once('close', () => gone.open(Date.now()));
					asked.open();
				});
				const req = start(path);
				req.on('error', () => {});
				req.end();
				await asked.opened;
				const left = Date.now();
				req.destroy();
				t.diagnostic(`the app saw it after ${await gone.opened - left} ms`);
			});

			test('a client that goes away mid-upload is noticed by the app', {
				not: { 'nginx-plain': 'nginx reads the whole request first (proxy_request_buffering)' },
			}, async (t) => {
				const first = gate();
				const gone = gate();
				const path = reach.app.on('upload', (req) => {
					req.on('error', () => {});
					req.once('data', () => first.open());
					req.once('close', () => gone.open({ at: Date.now(), complete: req.complete }));
					req.resume();
				});
				const req = start(path, { method: 'POST', headers: { 'Content-Length': 10 * MIB } });
				req.on('error', () => {});
				req.write(Buffer.alloc(100_000));
				await first.opened;
				const left = Date.now();
				req.destroy();
				const { at, complete } = await gone.opened;
				assert.equal(complete, false, 'half an upload must not look whole');
				t.diagnostic(`the app saw it after ${at - left} ms`);
			});

			test('an app that goes away mid-answer is noticed by the client', {}, async (t) => {
				let socket;
				const path = reach.app.on('dies', (req, res) => {
					socket = req.socket;
					res.writeHead(200, { 'Content-Length': 10 * MIB, 'X-Accel-Buffering': 'no' });
					res.write(Buffer.alloc(100_000));
				});
				const req = start(path);
				req.end();
				const [res] = await once(req, 'response');
				await once(res, 'data');
				const failed = new Promise((go) => {
					res.on('error', () => {});
					res.on('close', () => go({ at: Date.now(), complete: res.complete }));
				});
				const left = Date.now();
				socket.destroy();
				res.resume();
				const { at, complete } = await failed;
				assert.equal(complete, false);
				t.diagnostic(`the client saw it after ${at - left} ms`);
			});

			test('a client that stops reading stops the app, and nobody else', {
				not: { nginx: 'nginx has buffers of its own', 'nginx-plain': 'nginx has buffers of its own',
					caddy: 'Caddy has buffers of its own' },
			}, async (t) => {
				let written = 0;
				let gone = false;
				const path = reach.app.on('flood', (req) => {
					const s = req.socket;
					s.once('close', () => {
						gone = true;
					});
					s.write('HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n');
					const block = Buffer.alloc(16384, 'x');
					const more = (error) => {
						if (error || gone)
							return;
						written += block.length;
						s.write(block, more);
					};
					s.write(block, more);
				});
				const wire = await Wire.connect(reach.origin);
				await wire.write(rawRequest(reach.origin, `GET ${path}`, fields()));
				await wire.head();
				wire.socket.pause();
				await standstill(reach, () => written, () => get('/ok'));
				const consumed = wire.socket.bytesRead;
				const ours = written - consumed - kernelQueues(reach);
				t.diagnostic(`written ${written}, read ${consumed}, held outside of the kernel ${ours}`);
				assert.ok(ours < MIB, `${ours} bytes are held between app and client`);
				// It was stopped, not lost: reading again makes the app write again.
				const earlier = written;
				wire.socket.resume();
				await wire.until((b) => b.length > 8 * MIB ? true : undefined, '8 MiB more');
				assert.ok(written > earlier);
				wire.destroy();
			});

			test('an app that stops reading stops the client, and nobody else', {
				not: { nginx: 'nginx has buffers of its own', 'nginx-plain': 'nginx has buffers of its own',
					caddy: 'Caddy has buffers of its own' },
			}, async (t) => {
				const asked = gate();
				const path = reach.app.on('deaf', (req) => {
					req.socket.pause();
					asked.open(req.socket);
				});
				const wire = await Wire.connect(reach.origin);
				await wire.write(rawRequest(reach.origin, `POST ${path}`,
				    [...fields(), `Content-Length: ${1024 * MIB}`]));
				const app = await asked.opened;
				let written = 0;
				const block = Buffer.alloc(16384, 'x');
				const more = (error) => {
					if (error || wire.socket.destroyed)
						return;
					written += block.length;
					wire.socket.write(block, more);
				};
				wire.socket.write(block, more);
				await standstill(reach, () => written, () => get('/ok'));
				const ours = written - app.bytesRead - kernelQueues(reach);
				t.diagnostic(`written ${written}, read ${app.bytesRead}, held outside of the kernel ${ours}`);
				assert.ok(ours < MIB, `${ours} bytes are held between client and app`);
				wire.destroy();
				app.destroy();
			});
		});

		// --- bulk

		describe('bulk', () => {
			const n = BULK_MIB * MIB;
			const long = NEVER_MS + BULK_MIB * 1000;

			test(`${BULK_MIB} MiB down, equal SHA-256`, { timeout: long }, async () => {
				const req = start(`/bytes?n=${n}`);
				req.end();
				const [res] = await once(req, 'response');
				const hash = createHash('sha256');
				for await (const chunk of res)
					hash.update(chunk);
				assert.equal(hash.digest('hex'), patternHash(n));
			});

			for (const how of ['Content-Length', 'chunked'])
				test(`${BULK_MIB} MiB up, ${how}, equal SHA-256`, {
					timeout: long,
					not: { 'nginx-plain': 'nginx takes 1 MiB unless client_max_body_size says more' },
				}, async () => {
					const headers = how === 'chunked' ? {} : { 'Content-Length': n };
					const req = start('/hash', { method: 'POST', headers });
					const [got] = await Promise.all([answer(req), pump(req, pattern(n))]);
					assert.deepEqual(got.json, { bytes: n, sha256: patternHash(n) });
				});

			test(`a multipart upload of ${MULTIPART_MIB} MiB with curl`, {
				timeout: long,
				not: { 'nginx-plain': 'nginx takes 1 MiB unless client_max_body_size says more' },
			}, async () => {
				const name = join(tempDir('multipart'), 'big file.bin');
				await pipeline(Readable.from(pattern(MULTIPART_MIB * MIB)), createWriteStream(name));
				const path = reach.app.on('form', (req, res) => {
					const got = {};
					const form = busboy({ headers: req.headers });
					form.on('field', (field, value) => {
						got[field] = value;
					});
					form.on('file', (field, stream, info) => {
						const hash = createHash('sha256');
						stream.on('data', (d) => hash.update(d));
						stream.on('end', () => {
							got[field] = { name: info.filename, sha256: hash.digest('hex') };
						});
					});
					form.on('close', () => res.end(JSON.stringify(got)));
					req.pipe(form);
				});
				// curl asks with Expect: 100-continue here; an app that answers must say so.
				const accept_ = reach.app.handlers.get(path);
				reach.app.handlers.set(path, (req, res, expects) => {
					if (expects)
						res.writeContinue();
					accept_(req, res);
				});
				const { code, stdout, stderr } = await curl(path, ['--form', 'title=a "quoted" title',
					'--form', `file=@${name};type=application/octet-stream`, '--form', 'last=1']);
				assert.equal(code, 0, stderr);
				assert.deepEqual(JSON.parse(stdout), {
					title: 'a "quoted" title',
					file: { name: 'big file.bin', sha256: patternHash(statSync(name).size) },
					last: '1',
				});
			});

			test('four downloads and two uploads at once', {
				timeout: long,
				not: { 'nginx-plain': 'nginx takes 1 MiB unless client_max_body_size says more' },
			}, async () => {
				const size = 8 * MIB;
				const down = Array.from({ length: 4 }, () => get(`/bytes?n=${size}`));
				const up = Array.from({ length: 2 }, async () => {
					const req = start('/hash', { method: 'POST' });
					const [got] = await Promise.all([answer(req), pump(req, pattern(size))]);
					return got;
				});
				for (const got of await Promise.all(down))
					assert.equal(sha256(got.body), patternHash(size));
				for (const got of await Promise.all(up))
					assert.equal(got.json.sha256, patternHash(size));
			});
		});

		// --- WebSocket

		describe('WebSocket', () => {
			let echo;
			before(() => {
				echo = reach.app.onWs('echo', {}, (s) => s.on('message', (d, binary) => s.send(d, { binary })));
			});

			test('text and binary, empty and at every boundary of the length field', {}, async () => {
				const client = await ws(echo).opened();
				for (const n of [0, 1, 2, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 200_000]) {
					const bytes = randomBytes(n);
					client.send(bytes);
					const back = await client.message();
					assert.ok(back.binary && back.data.equals(bytes), `binary of ${n}`);
					client.send('é'.repeat(n >> 1) + 'x'.repeat(n & 1));
					const text = await client.message();
					assert.equal(text.binary, false);
					assert.equal(text.data.length, n);
				}
				client.close();
				await client.closed();
			});

			test('16 MiB messages, both ways', {}, async () => {
				const client = await ws(echo).opened();
				const bytes = Buffer.concat([...pattern(16 * MIB)]);
				client.send(bytes);
				const back = await client.message();
				assert.ok(back.data.equals(bytes));
				client.close();
				await client.closed();
			});

			test('fragmented messages, with a ping between the fragments', {}, async () => {
				const client = await ws(echo).opened();
				client.send('one ', { fin: false });
				client.send('two ', { fin: false });
				client.ping('between');
				const [pong] = await once(client, 'pong');
				assert.equal(pong.toString(), 'between');
				client.send('three', { fin: true });
				assert.equal((await client.message()).data.toString(), 'one two three');
				client.close();
				await client.closed();
			});

			test('frames are passed one for one: opcode, end, reserved bits, payload', {}, async () => {
				const got = [];
				const path = reach.app.onUpgrade('frames', async (req, socket, head) => {
					const wire = acceptRaw(req, socket, head);
					for (let f; (f = await readFrame(wire)) !== undefined;) {
						got.push(f);
						// The same back, as a server sends it.
						await wire.write(frame(f.opcode, f.payload, { fin: f.fin, rsv: f.rsv, masked: false }));
						if (f.opcode === CLOSE)
							return wire.end();
					}
				});
				const { wire } = await upgrade(reach.origin, path, { fields: fields() });
				const sent = [
					[TEXT, 'a', { fin: false }], [PING, 'p', {}], [CONTINUATION, '', { fin: false }],
					[CONTINUATION, 'b', {}], [BINARY, randomBytes(70_000), { fin: false }], [PONG, 'unasked', {}],
					[CONTINUATION, randomBytes(126), {}], [TEXT, '', {}], [CLOSE, closePayload(4321, 'enough'), {}],
				];
				const back = [];
				for (const [opcode, payload, options] of sent) {
					await wire.write(frame(opcode, payload, options));
					back.push(await readFrame(wire));
				}
				for (const list of [got, back]) {
					assert.equal(list.length, sent.length);
					sent.forEach(([opcode, payload, { fin = true }], i) => {
						assert.equal(list[i].opcode, opcode);
						assert.equal(list[i].fin, fin);
						assert.equal(list[i].rsv, 0);
						assert.ok(list[i].payload.equals(Buffer.from(payload)));
						assert.equal(list[i].masked, list === got);
					});
				}
				wire.end();
			});

			test('frames that arrive one byte at a time', {}, async () => {
				const { wire } = await upgrade(reach.origin, echo, { fields: fields() });
				const bytes = frame(TEXT, 'slowly, then all at once');
				for (const byte of bytes)
					await wire.write(Buffer.from([byte]));
				assert.equal((await readFrame(wire)).payload.toString(), 'slowly, then all at once');
				await wire.write(Buffer.concat(Array.from({ length: 200 }, (_, i) => frame(BINARY, Buffer.alloc(i)))));
				for (let i = 0; i < 200; i++)
					assert.equal((await readFrame(wire)).payload.length, i);
				wire.destroy();
			});

			test('pings and pongs of both sides, with their payloads', {}, async () => {
				const heard = gate();
				const path = reach.app.onWs('pings', {}, (s) => {
					s.on('pong', (data) => heard.open(data.toString()));
					s.ping('from the app');
				});
				const client = ws(path);
				const [data] = await once(client, 'ping');
				assert.equal(data.toString(), 'from the app');
				assert.equal(await heard.opened, 'from the app');
				client.ping(Buffer.alloc(125, 'x'));
				const [pong] = await once(client, 'pong');
				assert.equal(pong.length, 125);
				client.terminate();
			});

			test('close codes and reasons, from the client', {}, async () => {
				for (const [code, reason] of [[1000, ''], [1000, 'done'], [1001, 'leaving'], [1008, 'policy'], [1011, 'oops'],
					[3000, 'r'.repeat(123)], [4999, 'é€𝄞']]) {
					const heard = gate();
					const path = reach.app.onWs('closes', {}, (s) => s.on('close', (c, r) => heard.open([c, r.toString()])));
					const client = await ws(path).opened();
					client.close(code, reason);
					assert.deepEqual(await heard.opened, [code, reason]);
					assert.equal((await client.closed()).code, code);
				}
			});

			test('close codes and reasons, from the app', {}, async () => {
				for (const [code, reason] of [[1000, 'done'], [1001, 'restarting'], [1003, ''], [1008, 'policy'], [1009, 'big'],
					[1012, 'again'], [3999, 'r'.repeat(123)], [4000, 'é€𝄞']]) {
					const path = reach.app.onWs('closed', {}, (s) => s.close(code, reason));
					assert.deepEqual(await ws(path).closed(), { code, reason });
				}
			});

			test('a close without a code, and an end without a close', {}, async () => {
				const path = reach.app.onWs('no code', {}, (s) => s.close());
				assert.equal((await ws(path).closed()).code, 1005);
				const rude = reach.app.onWs('rude', {}, (s) => s.terminate());
				assert.equal((await ws(rude).closed()).code, 1006);
				const heard = gate();
				const left = reach.app.onWs('left', {}, (s) => s.on('close', (c) => heard.open(c)));
				(await ws(left).opened()).terminate();
				assert.equal(await heard.opened, 1006);
			});

			test('subprotocols are chosen by the app', {}, async () => {
				const path = reach.app.onWs('sub', {
					handleProtocols: (offered) => offered.has('v2.app') ? 'v2.app' : false,
				}, (s) => s.send(s.protocol));
				const two = await ws(path, ['v1.app', 'v2.app', 'v3.app']).opened();
				assert.equal(two.protocol, 'v2.app');
				assert.equal((await two.message()).data.toString(), 'v2.app');
				two.close();
				const none = await ws(path).opened();
				assert.equal(none.protocol, '');
				none.close();
			});

			test('an upgrade that the app refuses arrives with its body', {}, async () => {
				const path = reach.app.onUpgrade('refused', (req, socket) => {
					socket.end('HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nX-Why: because\r\n' +
					    'Content-Length: 4\r\nConnection: close\r\n\r\nnope');
				});
				const client = ws(path);
				const [, res] = await once(client, 'unexpected-response');
				const got = await whole(res);
				assert.equal(got.status, 403);
				assert.equal(got.headers['x-why'], 'because');
				assert.equal(got.body.toString(), 'nope');
			});

			test('frames that come in the same packet as the 101', {}, async () => {
				const path = reach.app.onUpgrade('eager', (req, socket, head) => {
					socket.cork();
					const wire = acceptRaw(req, socket, head);
					wire.write(frame(TEXT, 'already here', { masked: false }));
					socket.uncork();
				});
				const { wire } = await upgrade(reach.origin, path, { fields: fields() });
				assert.equal((await readFrame(wire)).payload.toString(), 'already here');
				wire.destroy();
			});

			test('permessage-deflate is between client and app', {}, async () => {
				const path = reach.app.onWs('deflate', {
					perMessageDeflate: { threshold: 0, serverMaxWindowBits: 12, clientMaxWindowBits: 11 },
				}, (s) => s.on('message', (d, binary) => s.send(d, { binary })));
				const client = await ws(path, [], { perMessageDeflate: { threshold: 0, clientMaxWindowBits: 11 } }).opened();
				assert.match(client.extensions, /permessage-deflate/);
				const text = 'the same words again and again, '.repeat(20_000);
				client.send(text);
				assert.equal((await client.message()).data.toString(), text);
				// Context takeover: the second time costs almost nothing.
				const earlier = client._socket.bytesRead;
				client.send(text);
				assert.equal((await client.message()).data.toString(), text);
				assert.ok(client._socket.bytesRead - earlier < text.length / 20);
				client.close();
				await client.closed();
				// Not negotiated where the app does not want it.
				const plain = await ws(echo, [], { perMessageDeflate: true }).opened();
				assert.equal(plain.extensions, '');
				plain.close();
			});

			test('compressed payloads are untouched, RSV1 included', {}, async () => {
				const got = [];
				const path = reach.app.onUpgrade('rsv1', async (req, socket, head) => {
					assert.match(req.headers['sec-websocket-extensions'], /permessage-deflate/);
					const wire = acceptRaw(req, socket, head,
					    ['Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover']);
					for (let f; (f = await readFrame(wire)) !== undefined;) {
						got.push(f);
						await wire.write(frame(f.opcode, f.payload, { fin: f.fin, rsv: f.rsv, masked: false }));
					}
				});
				const { wire, head } = await upgrade(reach.origin, path,
				    { fields: [...fields(), 'Sec-WebSocket-Extensions: permessage-deflate'] });
				assert.deepEqual(values(head.fields, 'sec-websocket-extensions'),
				    ['permessage-deflate; server_no_context_takeover']);
				// Not deflate at all: whoever looks inside would trip over it.
				const junk = randomBytes(300);
				for (const [opcode, fin, rsv] of [[BINARY, false, 4], [CONTINUATION, true, 0], [TEXT, true, 4], [TEXT, true, 0]]) {
					await wire.write(frame(opcode, junk, { fin, rsv }));
					const back = await readFrame(wire);
					for (const f of [back, got.at(-1)]) {
						assert.deepEqual([f.opcode, f.fin, f.rsv], [opcode, fin, rsv]);
						assert.ok(f.payload.equals(junk));
					}
				}
				wire.destroy();
			});

			test('100 WebSockets at once', {}, async () => {
				const clients = await Promise.all(Array.from({ length: 100 }, () => ws(echo).opened()));
				await Promise.all(clients.map(async (c, i) => {
					for (let k = 0; k < 10; k++) {
						c.send(`${i} ${k}`);
						assert.equal((await c.message()).data.toString(), `${i} ${k}`);
					}
					c.close(4000 + i);
					assert.equal((await c.closed()).code, 4000 + i);
				}));
			});

			test('60 frames a second of 20 to 120 KB for four viewers, one of whom is slow', {}, async (t) => {
				const frames = Array.from({ length: 120 }, (_, i) => {
					const b = Buffer.concat([...pattern(20_000 + i * 7919 % 100_000)]);
					b.writeUInt32BE(i, 0);
					return b;
				});
				const viewers = [];
				const all = gate();
				const path = reach.app.onWs('video', { perMessageDeflate: false }, (s, req) => {
					s.slow = req.url.endsWith('?slow');
					viewers.push(s);
					if (viewers.length === 4)
						all.open();
				});
				const fast = await Promise.all([0, 1, 2].map(() => ws(path).opened()));
				const slow = await ws(`${path}?slow`).opened();
				slow._socket.pause();
				await all.opened;
				const sentAt = [];
				let latest = 0;
				fast.forEach((c) => {
					c.count = 0;
					c.removeAllListeners('message');
					c.on('message', (data) => {
						latest = Math.max(latest, Date.now() - sentAt[c.count]);
						if (!data.equals(frames[c.count++]))
							c.bad = true;
					});
				});
				let skipped = 0;
				let next = 0;
				await new Promise((done) => {
					const timer = setInterval(() => {
						if (next === frames.length) {
							clearInterval(timer);
							return done();
						}
						sentAt[next] = Date.now();
						for (const v of viewers)
							if (v.slow && v.bufferedAmount > MIB)
								skipped++;      // as a video server does
							else
								v.send(frames[next]);
						next++;
						return undefined;
					}, 1000 / 60);
				});
				for (const v of viewers)
					v.close(1000, 'the end');
				await Promise.all(fast.map((c) => c.closed()));
				for (const c of fast) {
					assert.equal(c.count, frames.length, 'every frame arrived');
					assert.ok(!c.bad, 'whole and in order');
				}
				const end = slow.closed();
				slow._socket.resume();
				assert.deepEqual(await end, { code: 1000, reason: 'the end' });
				let last = -1;
				for (const { data } of slow.queue) {
					const i = data.readUInt32BE(0);
					assert.ok(i > last && data.equals(frames[i]));
					last = i;
				}
				t.diagnostic(`slowest frame to a fast viewer ${latest} ms; ` +
				    `the slow one got ${slow.queue.length} of ${frames.length}, ${skipped} were left out for it`);
			});
		});

		// --- Socket.IO

		describe('Socket.IO', () => {
			let io;
			const clients = [];
			before(() => {
				io = reach.app.io;
				io.on('connection', (s) => {
					s.on('echo', (...args) => args.pop()(...args));
					s.on('join', (room, done) => {
						s.join(room);
						done();
					});
					s.on('say', (room, what) => s.to(room).emit('said', what));
					s.on('bye', () => s.disconnect());
				});
			});
			after(() => clients.splice(0).forEach((c) => c.disconnect()));

			const connect = async (options) => {
				const c = socketClient(reach.origin, {
					forceNew: true, reconnection: false, extraHeaders: reach.headers, ...options,
				});
				clients.push(c);
				await new Promise((go, fail) => {
					c.once('connect', go);
					c.once('connect_error', fail);
				});
				return c;
			};

			for (const [name, options] of [
				['polling', { transports: ['polling'] }],
				['polling, then upgraded', { transports: ['polling', 'websocket'] }],
				['WebSocket only', { transports: ['websocket'] }],
			])
				test(`${name}: events, acknowledgements, binary, rooms, disconnect`, {}, async () => {
					// nginx-plain takes no body above 1 MiB, and polling posts them.
					const size = kind === 'nginx-plain' && name === 'polling' ? 100_000 : 2 * MIB;
					const [a, b, c] = await Promise.all([connect(options), connect(options), connect(options)]);
					if (name.includes('upgraded'))
						for (const s of [a, b, c])
							if (s.io.engine.transport.name !== 'websocket')
								await once(s.io.engine, 'upgrade');
					const blob = randomBytes(size);
					const [text, object, bytes] = await new Promise((go) =>
						a.emit('echo', 'text é', { n: 1, deep: [null, blob] }, blob, (...back) => go(back)));
					assert.equal(text, 'text é');
					assert.ok(Buffer.from(object.deep[1]).equals(blob));
					assert.ok(Buffer.from(bytes).equals(blob));

					await b.emitWithAck('join', 'room');
					await c.emitWithAck('join', 'other');
					let stray = false;
					c.on('said', () => {
						stray = true;
					});
					const heard = once(b, 'said');
					a.emit('say', 'room', { bytes: blob.subarray(0, 1000) });
					assert.ok(Buffer.from((await heard)[0].bytes).equals(blob.subarray(0, 1000)));
					await c.emitWithAck('echo', 1);
					assert.equal(stray, false, 'a room is heard by its members only');
					const gone = once(a, 'disconnect');
					a.emit('bye');
					assert.equal((await gone)[0], 'io server disconnect');
					const noticed = gate();
					io.sockets.sockets.get(b.id).once('disconnect', (why) => noticed.open(why));
					b.disconnect();
					assert.equal(await noticed.opened, 'client namespace disconnect');
				});
		});

		// --- last: what all of it cost

		test('memory stayed below its bound', { not: reach_direct() }, async (t) => {
			const relay = peakMib(reach.relay.pid);
			const agent = peakMib(reach.agent.pid);
			t.diagnostic(`peak resident memory: relay ${relay.toFixed(1)} MiB, agent ${agent.toFixed(1)} MiB`);
			if (MEASURE_RSS) {
				assert.ok(relay < RELAY_MEMORY_MIB, `relay: ${relay} MiB`);
				assert.ok(agent < AGENT_MEMORY_MIB, `agent: ${agent} MiB`);
			}
		});
	});
}

// --- helpers

// Reasons for leaving out, with direct mode added for every kind.
function reach_direct(more = {}) {
	if (!needsRelay)
		return more;
	return new Proxy({}, { get: () => needsRelay });
}

function manyHeaders(total) {
	const headers = {};
	const each = 1024;
	for (let i = 0; i * each < total; i++) {
		const name = `x-h-${String(i).padStart(3, '0')}`;
		headers[name] = String(i).padEnd(each - name.length - 4, 'v');   // ": " and CRLF
	}
	return headers;
}

function serveFile(req, res, body) {
	const base = { ETag: '"v1"', 'Accept-Ranges': 'bytes', 'Content-Type': 'application/octet-stream' };
	if (req.headers['if-none-match'] === '"v1"') {
		res.writeHead(304, base);
		return res.end();
	}
	const m = (req.headers.range ?? '').match(/^bytes=(\d*)-(\d*)$/);
	const fresh = req.headers['if-range'] === undefined || req.headers['if-range'] === '"v1"';
	let [from, to, status] = [0, body.length, 200];
	if (m !== null && fresh) {
		status = 206;
		from = m[1] === '' ? body.length - Number(m[2]) : Number(m[1]);
		to = m[1] === '' || m[2] === '' ? body.length : Number(m[2]) + 1;
		if (from >= body.length) {
			res.writeHead(416, { 'Content-Range': `bytes */${body.length}`, 'Content-Length': 0 });
			return res.end();
		}
		base['Content-Range'] = `bytes ${from}-${to - 1}/${body.length}`;
	}
	res.writeHead(status, { ...base, 'Content-Length': to - from });
	return res.end(req.method === 'HEAD' ? undefined : body.subarray(from, to));
}

async function hashInto(req, res) {
	const hash = createHash('sha256');
	for await (const chunk of req)
		hash.update(chunk);
	res.end(JSON.stringify({ sha256: hash.digest('hex') }));
}

function* endless() {
	const block = Buffer.alloc(65536, 'e');
	for (;;)
		yield block;
}

// standstill: the counter did not move while others were served five times over.
// A counter that never stops is the failure that this looks for.
async function standstill(reach, counter, serve) {
	let still = 0;
	let last = -1;
	for (let round = 0; still < 5; round++) {
		for (let i = 0; i < 10; i++)
			assert.equal((await serve()).status, 200);
		still = counter() === last ? still + 1 : 0;
		last = counter();
		assert.ok(last < 256 * MIB && round < 2000, `the sender was not stopped: ${last} bytes`);
	}
}

// kernelQueues: bytes that lie in the kernel, unsent, unacknowledged or unread, on
// the sockets of everybody in this test.
function kernelQueues(reach) {
	const inodes = new Set();
	for (const pid of [process.pid, reach.relay?.pid, reach.agent?.pid]) {
		if (pid === undefined)
			continue;
		for (const fd of readdirSync(`/proc/${pid}/fd`)) {
			try {
				const m = readlinkSync(`/proc/${pid}/fd/${fd}`).match(/^socket:\[(\d+)\]$/);
				if (m !== null)
					inodes.add(m[1]);
			} catch {
				// closed meanwhile
			}
		}
	}
	let sum = 0;
	for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
		const f = line.trim().split(/\s+/);
		if (f.length > 9 && inodes.has(f[9]) && f[3] === '01')
			sum += f[4].split(':').reduce((n, hex) => n + parseInt(hex, 16), 0);
	}
	return sum;
}
