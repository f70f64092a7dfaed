// people.mjs: a deployment with the proxy in its middle, and what people do over
// it while something happens. Each of them goes on while `more()` says so, then
// for twenty steps more (service is back), and throws when it notices anything but
// a pause. The result is the longest pause, in ms.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { App } from '../e2e/app.mjs';
import { login, onExit, startAgent, startRelay, within } from '../e2e/harness.mjs';
import { Reader, answer, open } from '../e2e/http.mjs';
import { wsClient } from '../e2e/ws-client.mjs';
import { Proxy } from './proxy.mjs';

const STEPS_AFTER = 20;
const PIECE = 32 * 1024;
const PIECE_MS = 8;             // between pieces of a transfer: 4 MB/s
const FRAME = 16 * 1024;
const FRAME_MS = 1000 / 60;
const KEY_MS = 40;
const EVENT_MS = 50;

// --- the deployment

// `front(relay)` gives what the agents dial instead of the proxy. `through` is
// a command that runs an agent elsewhere, from where the proxy is at `host`.
export async function deployment({ relayArgs = [], front, agents = 1, host, through } = {}) {
	const app = await App.start({ socketIo: true });
	app.io.on('connection', (s) => s.on('count', (n, ack) => ack(n)));
	const relay = await startRelay({ args: ['--root', 'web', ...relayArgs] });
	const proxy = await Proxy.start(relay.port, host);
	onExit(() => proxy.stop());
	const d = { app, relay, proxy, agents: [] };
	let appAt = `127.0.0.1:${app.port}`;
	if (host !== undefined) {
		const way = await Proxy.start(app.port, host);
		onExit(() => way.stop());
		appAt = `${host}:${way.port}`;
	}
	const url = front === undefined ? proxy.origin : (await front(relay)).origin;
	for (let i = 0; i < agents; i++)
		d.agents.push(await startAgent({ relay, url, apps: `${i === 0 ? 'web' : `web${i}`}=${appAt}`,
			agentName: `box${i}`, name: `agent${i}`, through }));
	[d.agent] = d.agents;
	const jar = await login(relay.origin, relay.secrets.password);
	d.headers = jar.headers(relay.origin);
	return d;
}

// The series of waits goes on while cuts come fast; SIGUSR1 is "try now".
export function hurry(agent) {
	agent.proc.on('line', (line) => {
		if (/\bretry\b/.test(line) && agent.proc.code === undefined)
			process.kill(agent.pid, 'SIGUSR1');
	});
}

export const resumedIn = (agent) => agent.proc.lines.map((l) => l.match(/\bresumed\b.*\bin_ms=(\d+)/))
	.filter((m) => m !== null).map((m) => Number(m[1]));

export const said = (it, what) => it.proc.lines.filter((l) => what.test(l)).length;

export function percentile(list, p) {
	const sorted = [...list].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
}

// --- what people do

class Pauses {
	last = performance.now();
	longest = 0;
	step() {
		const now = performance.now();
		this.longest = Math.max(this.longest, now - this.last);
		this.last = now;
	}
}

function* pieces(seed) {
	for (let i = 0; ; i++)
		yield Buffer.alloc(PIECE, createHash('sha256').update(`${seed} ${i}`).digest());
}

// Steps: while there is more, and some after that.
async function steps(more, one) {
	const pauses = new Pauses();
	for (let n = 0, after = 0; after < STEPS_AFTER; n++) {
		if (!more())
			after++;
		await one(n);
		pauses.step();
	}
	return pauses.longest;
}

// The stream takes bytes again, or never will.
const room = (stream) => new Promise((go) => {
	const done = () => {
		stream.off('drain', done);
		stream.off('close', done);
		go();
	};
	stream.on('drain', done);
	stream.on('close', done);
});

// One that cares for how long the other side takes its bytes.
async function feed(stream, hash, more) {
	const source = pieces('feed');
	for (let after = 0; after < STEPS_AFTER && !stream.destroyed; ) {
		if (!more())
			after++;
		const bytes = source.next().value;
		hash.update(bytes);
		if (!stream.write(bytes))
			await room(stream);
		await pause(PIECE_MS);
	}
	stream.end();
}

export async function download(d, more) {
	const sent = createHash('sha256');
	const path = d.app.on('download', (req, res) => {
		res.writeHead(200, { 'Content-Type': 'application/octet-stream' });
		feed(res, sent, more);
	});
	const req = open(d.relay.origin, path, { headers: d.headers });
	req.end();
	const [res] = await within(once(req, 'response'), 'a response');
	assert.equal(res.statusCode, 200);
	const got = createHash('sha256');
	const pauses = new Pauses();
	for await (const part of res) {
		got.update(part);
		pauses.step();
	}
	assert.equal(got.digest('hex'), sent.digest('hex'));
	return pauses.longest;
}

export async function upload(d, more) {
	const sent = createHash('sha256');
	const req = open(d.relay.origin, '/hash', { method: 'POST', headers: d.headers });
	const got = answer(req);
	await Promise.race([feed(req, sent, more), got]);
	assert.equal((await got).json.sha256, sent.digest('hex'));
	return 0;
}

// A terminal: each key comes back before the next one is pressed.
export async function terminal(d, more) {
	const path = d.app.onWs('echo', {}, (ws) => ws.on('message', (m, binary) => ws.send(m, { binary })));
	const ws = wsClient(`${d.relay.origin.replace('http', 'ws')}${path}`, [], { headers: d.headers });
	await ws.opened();
	const longest = await steps(more, async (n) => {
		ws.send(`${n}`);
		assert.equal((await ws.message()).data.toString(), `${n}`);
		await pause(KEY_MS);
	});
	ws.close(1000);
	assert.equal((await ws.closed()).code, 1000);
	return longest;
}

// Sixty frames a second, of which none is missing and none comes twice.
export async function video(d, more) {
	let running = true;
	const path = d.app.onWs('video', {}, async (ws) => {
		const frame = Buffer.alloc(FRAME, 0x5a);
		for (let n = 0; running && ws.readyState === ws.OPEN; n++) {
			frame.writeUInt32BE(n);
			ws.send(frame);
			await pause(FRAME_MS);
		}
	});
	const ws = wsClient(`${d.relay.origin.replace('http', 'ws')}${path}`, [], { headers: d.headers });
	await ws.opened();
	const longest = await steps(more, async (n) => {
		const { data } = await ws.message();
		assert.equal(data.length, FRAME);
		assert.equal(data.readUInt32BE(), n);
	});
	running = false;
	ws.close(1000);
	assert.equal((await ws.closed()).code, 1000);
	return longest;
}

export async function events(d, more) {
	let running = true;
	const path = d.app.on('events', async (req, res) => {
		res.writeHead(200, { 'Content-Type': 'text/event-stream' });
		for (let n = 0; running && !res.destroyed; n++) {
			res.write(`data: ${String(n).padStart(8, '0')}\n\n`);
			await pause(EVENT_MS);
		}
		res.end();
	});
	const req = open(d.relay.origin, path, { headers: d.headers });
	req.end();
	const [res] = await within(once(req, 'response'), 'a response');
	const reader = new Reader(res);
	const longest = await steps(more, async (n) => {
		assert.equal((await reader.take(16)).toString(), `data: ${String(n).padStart(8, '0')}\n\n`);
	});
	running = false;
	assert.equal(await reader.ended, true);
	return longest;
}

export const socketIo = (transport) => async (d, more) => {
	const client = io(d.relay.origin, { transports: [transport], extraHeaders: d.headers,
		forceNew: true, reconnection: false });
	onExit(() => client.disconnect());
	const noticed = [];
	client.on('disconnect', (why) => noticed.push(why));
	await within(once(client, 'connect'), 'connect');
	const { id } = client;
	const longest = await steps(more, async (n) => {
		await d.quiet;
		assert.equal(await within(client.emitWithAck('count', n), 'an ack'), n);
		await pause(KEY_MS);
	});
	assert.equal(client.id, id);
	assert.deepEqual(noticed, []);
	client.disconnect();
	return longest;
};

// Socket.IO clients say nothing for a while: a request that polling made during a
// long outage would be a new one, which is told after some seconds. Returns when
// each one's poll is with the app; what it returns lets them go on.
export async function hush(d) {
	let goOn;
	d.quiet = new Promise((done) => {
		goOn = done;
	});
	for (const { conn } of d.app.io.sockets.sockets.values()) {
		while (conn.transport.name === 'polling' && !conn.transport.writable)
			await once(conn.transport, 'ready');
	}
	return goOn;
}

const everything = [download, upload, terminal, video, events, socketIo('websocket'), socketIo('polling')];

// All of it at once. `go` is awaited once everybody is at it; then they finish.
export async function everybody(d, go) {
	let more = true;
	let begun = 0;
	let ready;
	const all = new Promise((done) => {
		ready = done;
	});
	const people = Promise.all(everything.map((one) => {
		let asked = false;
		return one(d, () => {
			if (!asked && ++begun === everything.length)
				ready();
			asked = true;
			return more;
		});
	}));
	people.catch(() => {});          // it is awaited below, or something else failed
	await Promise.race([all, people]);
	try {
		await Promise.race([go(), people]);
	} finally {
		more = false;
	}
	return Math.round(Math.max(...await people));
}
