// An agent that was written from PROTOCOL.md alone (tests/agent-js) in the place
// of ours: the relay must not notice. And what no relay of this version does
// (resuming a session, falling silent), from a relay made of package ws.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { WebSocketServer } from 'ws';
import * as codec from '../agent-js/codec.mjs';
import { App, gate, pattern, patternHash, pump } from './app.mjs';
import {
	MIB, NEVER_MS, ROOT, cleanEnv, freePorts, needsRelay, newSecrets, onExit, shutDown, start, startRelay,
	within,
} from './harness.mjs';
import { Wire, answer, open, rawRequest, request, whole } from './http.mjs';
import { wsClient } from './ws-client.mjs';

const test = (name, fn) => it(name, { skip: needsRelay, timeout: NEVER_MS }, fn);
after(shutDown);

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

async function startJs({ relay, secrets = relay.secrets, apps, args = [], name = 'agent-js', wait = true }) {
	const proc = start(name, process.execPath, [`${ROOT}/tests/agent-js/agent.mjs`, '--relay', relay.origin,
		'--token-env', 'RELAY_TOKEN', '--name', 'js', ...apps.flatMap((a) => ['--app', a]), ...args],
	    { env: cleanEnv({ RELAY_TOKEN: secrets.token }) });
	if (wait)
		await proc.waitFor(/^served: /, 'served');
	return proc;
}

// The agent's counters, as they are now or were at its end.
async function counters(proc) {
	const from = proc.lines.length;
	if (proc.code === undefined)
		proc.child.kill('SIGUSR2');
	return JSON.parse(await proc.waitFor(/^stats (.*)$/, 'the counters', from).then((m) => m[1]));
}

async function until(proc, good, what) {
	for (let i = 0; i < 2000; i++)
		if (good(await counters(proc)))
			return;
	assert.fail(`never: ${what}\n${proc.tail()}`);
}

const openRelay = (args = []) => startRelay({ noPassword: true, args: ['--no-login', '--root', 'web', ...args] });
const site = async (relay, app) =>
	(await relay.proc.waitFor(new RegExp(`url=(http://[0-9.:]+)/ app=${app}$`), `where ${app} is`))[1];

describe('an agent of another make', { skip: needsRelay }, () => {
	let relay;
	let app;
	let agent;
	let closedPort;
	before(async () => {
		[closedPort] = await freePorts();
		relay = await openRelay(['--listen', '127.0.0.1:0=down', '--listen', '127.0.0.1:0=none']);
		app = await App.start();
		agent = await startJs({ relay, args: ['--verbose'],
			apps: [`web=127.0.0.1:${app.port}`, `down=127.0.0.1:${closedPort}`] });
	});

	test('pages, kept connections, no such page', async () => {
		const keep = new http.Agent({ keepAlive: true, maxSockets: 1 });
		for (let i = 0; i < 20; i++) {
			const page = await request(relay.origin, '/ok', { agent: keep });
			assert.deepEqual([page.status, page.body.toString()], [200, 'ok\n']);
		}
		keep.destroy();
		const head = await request(relay.origin, '/head?a=b');
		assert.equal(head.json.url, '/head?a=b');
		assert.equal((await request(relay.origin, '/nowhere')).status, 404);
	});

	test('an answer that ends with its connection', async () => {
		const path = app.on('close', (req, res) => {
			res.useChunkedEncodingByDefault = false;
			res.writeHead(200, { Connection: 'close' });
			pump(res, pattern(MIB));
		});
		assert.equal(sha256((await request(relay.origin, path)).body), patternHash(MIB));
	});

	test('8 MiB down, 8 MiB up', async () => {
		const n = 8 * MIB;
		const down = await request(relay.origin, `/bytes?n=${n}`);
		assert.equal(sha256(down.body), patternHash(n));
		const up = await request(relay.origin, '/hash', { method: 'POST', body: Buffer.concat([...pattern(n)]) });
		assert.deepEqual(up.json, { bytes: n, sha256: patternHash(n) });
	});

	test('both ways at once', async () => {
		const n = 8 * MIB;
		const req = open(relay.origin, '/echo', { method: 'POST', headers: { 'transfer-encoding': 'chunked' } });
		const sent = pump(req, pattern(n));
		assert.equal(sha256((await answer(req)).body), patternHash(n));
		await sent;
	});

	test('a WebSocket', async () => {
		const path = app.onWs('echo', {}, (ws) => ws.on('message', (data, binary) => ws.send(data, { binary })));
		const ws = await wsClient(relay.origin.replace('http', 'ws') + path).opened();
		for (let i = 0; i < 50; i++) {
			ws.send(`message ${i}`);
			assert.equal((await ws.message()).data.toString(), `message ${i}`);
		}
		const big = Buffer.concat([...pattern(2 * MIB)]);
		ws.send(big);
		assert.equal(sha256((await ws.message()).data), sha256(big));
		ws.close(1000, 'enough');
		assert.deepEqual(await ws.closed(), { code: 1000, reason: 'enough' });
	});

	test('many requests at once', async () => {
		const before = await counters(agent);
		await Promise.all(Array.from({ length: 120 }, async (_, i) => {
			const n = 1000 + 4099 * i;
			if (i % 2 === 0) {
				const down = await request(relay.origin, `/bytes?n=${n}`);
				assert.equal(sha256(down.body), patternHash(n), `request ${i}`);
			} else {
				const up = await request(relay.origin, '/hash', { method: 'POST', body: Buffer.concat([...pattern(n)]) });
				assert.equal(up.json.sha256, patternHash(n), `request ${i}`);
			}
		}));
		assert.ok((await counters(agent)).streams >= before.streams + 120);
	});

	test('a client that does not read holds its own stream only, and no more than its window', async () => {
		const n = 64 * MIB;
		let made = 0;
		let finished = false;
		const path = app.on('flood', (req, res) => {
			res.writeHead(200, { 'Content-Length': n });
			pump(res, (function* () {
				for (const block of pattern(n)) {
					made += block.length;
					yield block;
				}
				finished = true;
			})());
		});
		const from = agent.lines.length;
		const req = open(relay.origin, path);
		req.end();
		const [res] = await once(req, 'response');      // and nothing of its body
		await agent.waitFor(/^stream \d+ waits for credit$/, 'a stream that waits', from);
		for (let i = 0; i < 30; i++)
			assert.equal(sha256((await request(relay.origin, `/bytes?n=${MIB}`)).body), patternHash(MIB));
		assert.ok(!finished, `the app gave ${made} bytes to somebody who reads none`);
		const during = await counters(agent);
		assert.ok(during.stalls > 0);
		assert.ok(during.peakSent <= 65536, `${during.peakSent} bytes above what was granted`);
		assert.equal(during.overrun, 0);
		assert.equal(sha256((await whole(res)).body), patternHash(n));
	});

	test('an app that does not read: the relay keeps to the agent\'s window', async () => {
		const n = 32 * MIB;
		const { opened, open: let_ } = gate();
		const arrived = gate();
		const path = app.on('deaf', async (req, res) => {
			arrived.open();
			await opened;
			const hash = createHash('sha256');
			for await (const chunk of req)
				hash.update(chunk);
			res.end(hash.digest('hex'));
		});
		const req = open(relay.origin, path, { method: 'POST', headers: { 'content-length': n } });
		const got = answer(req);
		const sent = pump(req, pattern(n));
		await arrived.opened;
		await until(agent, (c) => c.peakReceived > 32768, 'a full window');
		assert.equal((await request(relay.origin, '/ok')).status, 200);
		assert.ok(req.writableNeedDrain || !req.writableFinished);
		let_();
		assert.equal((await got).body.toString(), patternHash(n));
		await sent;
		assert.ok((await counters(agent)).peakReceived <= 65536);
	});

	test('an answer before the request has ended', async () => {
		const path = app.on('early', (req, res) => {
			res.writeHead(413, { Connection: 'close', 'Content-Length': 4 });
			res.end('much');
		});
		const wire = await Wire.connect(relay.origin);
		wire.write(rawRequest(relay.origin, `POST ${path}`, ['Content-Length: 1000000'], 'x'.repeat(1000)));
		const early = await wire.response();
		assert.deepEqual([early.status, early.body.toString()], [413, 'much']);
		wire.destroy();
	});

	test('a client that leaves: the app learns it', async () => {
		const { opened, open: gone } = gate();
		const path = app.on('leave', (req, res) => {
			res.once('close', gone);
			res.writeHead(200);
			res.write('one');
		});
		const wire = await Wire.connect(relay.origin);
		wire.write(rawRequest(relay.origin, `GET ${path}`));
		await wire.head();
		wire.destroy();
		await within(opened, 'the app\'s connection to close');
	});

	test('an app that breaks', async () => {
		const path = app.on('break', (req) => req.socket.resetAndDestroy());
		assert.equal((await request(relay.origin, path)).status, 502);
	});

	test('an app that refuses connections, and one that nobody offers', async () => {
		const down = await request(await site(relay, 'down'), '/');
		assert.equal(down.status, 502);
		assert.match(down.body.toString(), /refused the connection/);
		const none = await request(await site(relay, 'none'), '/');
		assert.equal(none.status, 502);
		assert.equal(typeof none.json.error, 'string');
	});

	test('nothing is left: no socket, no stream, and the relay was never wrong', async () => {
		for (const socket of app.connections)
			socket.destroy();
		await until(agent, (c) => c.sockets === 0, 'no sockets');
		const { code } = await agent.stop();
		assert.equal(code, 0);
		assert.equal(agent.lines.filter((l) => /^(served|session)/.test(l)).length, 2, agent.tail());
		await relay.proc.waitFor(/agent gone/, 'the agent is gone');
		assert.equal((await request(relay.origin, '/ok')).status, 502);
	});
});

describe('its sessions', { skip: needsRelay }, () => {
	test('the relay is killed under a request, and comes back', async () => {
		const relay = await openRelay();
		const app = await App.start();
		const agent = await startJs({ relay, apps: [`web=127.0.0.1:${app.port}`] });
		const { opened, open: gone } = gate();
		const path = app.on('long', (req, res) => {
			res.once('close', gone);
			res.writeHead(200);
			res.write('one');
		});
		const wire = await Wire.connect(relay.origin);
		wire.write(rawRequest(relay.origin, `GET ${path}`));
		await wire.head();
		await relay.proc.stop('SIGKILL');
		await agent.waitFor(/ECONNREFUSED/, 'a dial in vain');
		const from = agent.lines.length;
		const again = await startRelay({ secrets: relay.secrets, dir: relay.dir, listen: `127.0.0.1:${relay.port}`,
			args: relay.args, noPassword: true, name: 'relay-again' });
		await agent.waitFor(/^refused: unknown-session$/, 'the resumption is refused', from);
		await agent.waitFor(/^served: /, 'served again', from);
		await within(opened, 'the old request to end at the app');
		assert.equal((await request(again.origin, '/ok')).status, 200);
		await until(agent, (c) => c.sockets <= 1, 'the old request\'s socket is closed');
		wire.destroy();
	});

	test('the relay is asked to stop: go-away, and the request under way ends well', async () => {
		const relay = await openRelay(['--drain-timeout', '20s']);
		const app = await App.start();
		const agent = await startJs({ relay, apps: [`web=127.0.0.1:${app.port}`] });
		const { opened, open: finish } = gate();
		const path = app.on('slow', async (req, res) => {
			res.write('one ');
			await opened;
			res.end('two');
		});
		const req = open(relay.origin, path);
		req.end();
		const [res] = await once(req, 'response');
		const stopped = relay.proc.stop();
		await agent.waitFor(/^go-away 1, /, 'the go-away');
		finish();
		assert.equal((await whole(res)).body.toString(), 'one two');
		await agent.waitFor(/^session 1: closed with 4000$/, 'the end in order');
		assert.equal((await stopped).code, 0);
	});

	test('a newer process takes over; the old one exits with 4', async () => {
		const relay = await openRelay();
		const [one, two] = [await App.start(), await App.start()];
		one.handlers.set('/who', (req, res) => res.end('one'));
		two.handlers.set('/who', (req, res) => res.end('two'));
		const first = await startJs({ relay, apps: [`web=127.0.0.1:${one.port}`] });
		assert.equal((await request(relay.origin, '/who')).body.toString(), 'one');
		const second = await startJs({ relay, apps: [`web=127.0.0.1:${two.port}`], name: 'agent-js-2' });
		assert.equal((await within(first.exited, 'the first one\'s end')).code, 4);
		assert.equal((await request(relay.origin, '/who')).body.toString(), 'two');
		assert.equal((await second.stop()).code, 0);
	});

	test('a wrong token: exit code 3', async () => {
		const relay = await openRelay();
		const agent = await startJs({ relay, secrets: newSecrets(), apps: ['web=127.0.0.1:1'], wait: false });
		assert.equal((await within(agent.exited, 'its end')).code, 3);
		assert.ok(!agent.lines.some((l) => l.startsWith('served')));
	});

	test('somebody else\'s 401 is not final', async () => {
		const server = http.createServer((req, res) => {
			res.writeHead(401, { 'Content-Type': 'text/html' });
			res.end('<h1>Log in</h1>');
		});
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		onExit(() => server.close());
		server.on('upgrade', (req, socket) => socket.end('HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}'));
		const agent = await startJs({ relay: { origin: `http://127.0.0.1:${server.address().port}`, secrets: newSecrets() },
			apps: ['web=127.0.0.1:1'], wait: false });
		for (let i = 0, from = 0; i < 3; i++) {
			await agent.waitFor(/answered 401/, 'a dial that is answered 401', from);
			from = agent.lines.findIndex((l, at) => at >= from && /answered 401/.test(l)) + 1;
		}
		assert.equal((await agent.stop()).code, 0);
	});
});

// --- a relay of package ws, which does what the test says

class FakeRelay {
	static async start() {
		const fake = new FakeRelay();
		fake.server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/tunnel', autoPong: false,
			handleProtocols: (offered) => offered.has('adit.tunnel.1') && 'adit.tunnel.1' });
		await once(fake.server, 'listening');
		fake.origin = `http://127.0.0.1:${fake.server.address().port}`;
		fake.secrets = newSecrets();
		fake.waiting = [];
		fake.arrived = [];
		fake.server.on('connection', (ws, req) => {
			assert.equal(req.headers.authorization, `Bearer ${fake.secrets.token}`);
			assert.equal(req.headers.origin, undefined);
			assert.equal(req.headers['sec-websocket-extensions'], undefined);
			fake.take(ws);
		});
		onExit(() => {
			fake.server.clients.forEach((ws) => ws.terminate());
			fake.server.close();
		});
		return fake;
	}

	// A connection, with its messages in a queue.
	take(ws) {
		const link = { ws, queue: [], waiting: [], closed: once(ws, 'close'),
			async next() {
				while (link.queue.length === 0)
					await within(new Promise((go) => link.waiting.push(go)), 'a message of the agent');
				return link.queue.shift();
			},
			// The next frame that is no ACK; the last ACK is kept.
			async frame() {
				for (;;) {
					const f = codec.read(await link.next());
					if (f.type !== codec.ACK)
						return f;
					link.acked = f.count;
				}
			},
		};
		ws.on('error', () => {});
		ws.on('message', (data, binary) => {
			link.queue.push(binary ? data : JSON.parse(data));
			link.waiting.splice(0).forEach((go) => go());
		});
		this.arrived.push(link);
		this.waiting.splice(0).forEach((go) => go());
	}

	async link() {
		while (this.arrived.length === 0)
			await within(new Promise((go) => this.waiting.push(go)), 'a dial of the agent');
		return this.arrived.shift();
	}

	welcome(link, more) {
		link.ws.send(JSON.stringify({ type: 'welcome', protocol: 1, tunnel_id: 'AbCdEf012-_9', session: SESSION, secret: SECRET,
			resumed: false, received: 0, limits: { streams: 8, window: 65536, session: 589824 }, urls: [], ...more }));
	}

	// From the hello to the relay's first ACK.
	async serve(link = undefined) {
		const at = link ?? await this.link();
		at.hello = await at.next();
		this.welcome(at);
		assert.deepEqual(await at.next(), codec.write.ack(0));
		at.ws.send(codec.write.ack(0));
		return at;
	}
}

const SESSION = Buffer.alloc(16, 7).toString('base64url');
const SECRET = Buffer.alloc(32, 9).toString('base64url');
const openFrame = (stream, app) => codec.write.open(stream, { kind: 'http', app, client: '127.0.0.1', user: 'somebody', scheme: 'http' });

describe('a relay that resumes sessions, and one that falls silent', { skip: needsRelay }, () => {
	let silence;            // 15 s in all: begun first, awaited last
	before(() => {
		silence = (async () => {
			const fake = await FakeRelay.start();
			const agent = await startJs({ relay: fake, apps: ['web=127.0.0.1:1'], name: 'agent-js-silence', wait: false });
			const link = await fake.serve();
			await within(once(link.ws, 'ping'), 'a ping');
			await within(link.closed, 'the end of the connection');
			return { hello: await (await fake.link()).next(), agent };
		})();
		silence.catch(() => {});
	});

	test('a cut under a download: every frame above `received` comes again, and then the rest', async () => {
		const fake = await FakeRelay.start();
		const n = 300_000;
		const source = Buffer.concat([...pattern(n)]);
		const app = createServer((socket) => socket.end(source));
		app.listen(0, '127.0.0.1');
		await once(app, 'listening');
		onExit(() => app.close());
		const agent = await startJs({ relay: fake, apps: [`web=127.0.0.1:${app.address().port}`], wait: false });
		const one = await fake.serve();
		assert.equal(one.hello.start, true);
		assert.equal(one.hello.resume, undefined);
		one.ws.send(openFrame(1, 'none'));
		assert.equal((await one.frame()).code, codec.UNKNOWN_APP);
		one.ws.send(openFrame(2, 'web'));
		const seen = [];                // frames of the agent, from its number 2 on
		for (let got = 0; got < 65536; got += seen.at(-1).payload.length)
			seen.push(await one.frame());
		one.ws.terminate();

		// Two frames of those never arrived, as far as this relay says.
		const two = await fake.link();
		const hello = await two.next();
		assert.equal(hello.start, false);
		assert.equal(hello.tunnel_id, 'AbCdEf012-_9');
		assert.equal(hello.instance, one.hello.instance);
		assert.equal(hello.resume.session, SESSION);
		assert.equal(hello.resume.received, 2);
		assert.equal(hello.resume.proof, codec.proof(SECRET, SESSION, hello.resume.attempt, 2));
		fake.welcome(two, { secret: undefined, resumed: true, received: 1 + seen.length - 2 });
		for (const f of seen.slice(-2))
			assert.deepEqual(await two.frame(), f);
		await agent.waitFor(/^resumed: session 1/, 'resumed');
		const parts = seen.map((f) => f.payload);
		two.ws.send(codec.write.credit(2, n));
		for (;;) {
			const f = await two.frame();
			if (f.type === codec.END)
				break;
			parts.push(f.payload);
		}
		assert.equal(sha256(Buffer.concat(parts)), sha256(source));
		two.ws.send(codec.write.end(2));

		// A cut again, and a relay that does not know the session any more.
		two.ws.terminate();
		const three = await fake.link();
		const last = await three.next();
		assert.ok(last.resume.attempt > hello.resume.attempt);
		assert.equal(last.resume.received, 4);
		three.ws.send('{"type":"refused","code":"unknown-session"}');
		three.ws.close(4003);
		const four = await fake.serve();
		assert.equal(four.hello.resume, undefined);
		assert.equal((await agent.stop()).code, 0);
		assert.deepEqual(await four.closed.then(([code]) => code), 4000);
	});

	test('a relay that breaks the protocol is closed with 4001, and dialled again', async () => {
		const fake = await FakeRelay.start();
		const agent = await startJs({ relay: fake, apps: ['web=127.0.0.1:1'], wait: false });
		const wrong = [codec.write.open(2, { kind: 'http', app: 'web', client: '', user: '', scheme: 'http' }),
			Buffer.alloc(7), Buffer.alloc(20000), 'text', codec.write.ack(1)];
		for (const message of wrong) {
			const link = await fake.serve();
			assert.equal(link.hello.resume, undefined);
			link.ws.send(message);
			assert.equal((await within(link.closed, 'a Close'))[0], 4001);
		}
		assert.equal((await agent.stop()).code, 0);
	});

	test('a refused name is final, an unknown code is not', async () => {
		const fake = await FakeRelay.start();
		const agent = await startJs({ relay: fake, apps: ['web=127.0.0.1:1'], wait: false });
		for (const code of ['limit', 'something-new', 'name']) {
			const link = await fake.link();
			await link.next();
			link.ws.send(JSON.stringify({ type: 'refused', code }));
			link.ws.close(4003);
		}
		assert.equal((await within(agent.exited, 'its end')).code, 3);
	});

	test('silence: a ping, then the end, and a dial with resume', async () => {
		const { hello, agent } = await within(silence, 'the end of the silence');
		assert.equal(hello.resume.session, SESSION);
		assert.equal((await agent.stop()).code, 0);
	});
});
