// Streams survive a cut tunnel: the claims of DESIGN.md section 3 with a proxy of
// ours between agent and relay.
//
// ADIT_E2E_CUTS=200        cuts during transfers (24)
// ADIT_E2E_LONG=1          an outage of 20 s too

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { App, pattern, patternHash, pump } from './app.mjs';
import { MIB, NEVER_MS, login, needsRelay, onExit, shutDown, startAgent, startRelay, within } from './harness.mjs';
import { answer, open, request } from './http.mjs';
import { wsClient } from './ws-client.mjs';
import { Proxy } from '../wire/proxy.mjs';

const CUTS = Number(process.env.ADIT_E2E_CUTS || 24);
const EVERY = 700_001;          // bytes between two cuts, all directions together
const options = { skip: needsRelay, timeout: NEVER_MS * 5 };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

async function deployment() {
	const app = await App.start({ socketIo: true });
	const relay = await startRelay({ args: ['--root', 'web'] });
	const proxy = await Proxy.start(Number(new URL(relay.origin).port));
	onExit(() => proxy.stop());
	const agent = await startAgent({ relay, url: proxy.origin, apps: `web=127.0.0.1:${app.port}` });
	const jar = await login(relay.origin, relay.secrets.password);
	return { app, relay, proxy, agent, headers: jar.headers(relay.origin) };
}

// The series of waits goes on while cuts come fast; SIGUSR1 is "try now".
function hurry(agent) {
	agent.proc.on('line', (line) => {
		if (/\bretry\b/.test(line) && agent.proc.code === undefined)
			process.kill(agent.pid, 'SIGUSR1');
	});
}

const resumedIn = (agent) => agent.proc.lines.map((l) => l.match(/\bresumed\b.*\bin_ms=(\d+)/))
	.filter((m) => m !== null).map((m) => Number(m[1]));

async function download(d, n) {
	const req = open(d.relay.origin, `/bytes?n=${n}`, { headers: d.headers });
	req.end();
	const [res] = await once(req, 'response');
	const hash = createHash('sha256');
	for await (const part of res)
		hash.update(part);
	assert.equal(hash.digest('hex'), patternHash(n));
}

async function upload(d, n) {
	const req = open(d.relay.origin, '/hash', { method: 'POST',
		headers: { ...d.headers, 'content-length': n } });
	const got = answer(req);
	await pump(req, pattern(n));
	assert.deepEqual((await got).json, { bytes: n, sha256: patternHash(n) });
}

// An echo in order, as long as `more` says so.
async function echoes(d, more) {
	const path = d.app.onWs('echo', {}, (ws) => ws.on('message', (m, binary) => ws.send(m, { binary })));
	const ws = wsClient(`${d.relay.origin.replace('http', 'ws')}${path}`, [], { headers: d.headers });
	await ws.opened();
	let n = 0;
	for (; more() || n < 20; n++) {
		ws.send(`${n}`);
		assert.equal((await ws.message()).data.toString(), `${n}`);
	}
	ws.close(1000);
	assert.equal((await ws.closed()).code, 1000);
	return n;
}

async function socketIo(d, transports, more) {
	const client = io(d.relay.origin, { transports, extraHeaders: d.headers, forceNew: true, reconnection: false });
	onExit(() => client.disconnect());
	const noticed = [];
	client.on('disconnect', (why) => noticed.push(why));
	await within(once(client, 'connect'), 'connect');
	const id = client.id;
	for (let n = 0; more() || n < 20; n++)
		assert.equal(await within(client.emitWithAck('count', n), 'an ack'), n);
	assert.equal(client.id, id);
	assert.deepEqual(noticed, []);
	client.disconnect();
}

describe('resumption', { skip: needsRelay }, () => {
	test(`${CUTS} cuts, every other one half-open to the relay, and nobody notices`, async () => {
		const d = await deployment();
		d.app.io.on('connection', (s) => s.on('count', (n, ack) => ack(n)));
		hurry(d.agent);
		d.proxy.half = true;
		d.proxy.left = Array(CUTS).fill(EVERY);
		const more = () => d.proxy.cuts < CUTS;
		const transfers = async (go) => {
			do
				await go(d, 8 * MIB);
			while (more());
		};
		await Promise.all([
			transfers(download), transfers(upload), echoes(d, more),
			socketIo(d, ['websocket'], more), socketIo(d, ['polling'], more),
		]);
		const ms = resumedIn(d.agent).sort((a, b) => a - b);
		assert.ok(ms.length > CUTS / 2, `${ms.length} resumptions of ${d.proxy.cuts} cuts`);
		console.log(`# ${d.proxy.cuts} cuts, ${ms.length} resumptions, p50 ${ms[ms.length >> 1]} ms,` +
		    ` p99 ${ms[Math.floor(ms.length * 0.99)]} ms`);
		assert.ok(!d.agent.proc.lines.some((l) => /session lost/.test(l)));
	});

	for (const away of [200, 3000].concat(process.env.ADIT_E2E_LONG ? [20_000] : [])) {
		test(`an outage of ${away} ms is a pause`, async () => {
			const d = await deployment();
			const all = Promise.all([download(d, 64 * MIB), upload(d, 64 * MIB)]);
			// Both are under way: a request that begins while it is cut waits 3 s.
			while (!d.app.saw('/bytes') || !d.app.saw('/hash'))
				await once(d.app.server, 'request');
			await d.proxy.down();
			const waits = away < 1000 ? request(d.relay.origin, '/ok', { headers: d.headers }) : undefined;
			await pause(away);              // that long nobody gets through
			await d.proxy.up();
			await all;
			if (waits !== undefined)
				assert.equal((await waits).status, 200);
			assert.equal(resumedIn(d.agent).length, 1);
		});
	}

	test('an agent that is killed: its streams end when the next one is there', async () => {
		const d = await deployment();
		const path = d.app.on('never', () => {});
		const hangs = request(d.relay.origin, path, { headers: d.headers });
		while (!d.app.saw(path))
			await once(d.app.server, 'request');
		await d.agent.proc.stop('SIGKILL');
		const waits = request(d.relay.origin, '/ok', { headers: d.headers });
		await startAgent({ relay: d.relay, apps: `web=127.0.0.1:${d.app.port}`, dir: d.agent.dir, name: 'again' });
		assert.equal((await hangs).status, 502);
		assert.equal((await waits).status, 200);
	});

	test('a relay that is killed: its clients see the end, and the agent says that it is cut', async () => {
		const d = await deployment();
		const path = d.app.on('never', () => {});
		const hangs = request(d.relay.origin, path, { headers: d.headers }).catch((e) => e.code);
		while (!d.app.saw(path))
			await once(d.app.server, 'request');
		await d.relay.proc.stop('SIGKILL');
		assert.ok(['ECONNRESET', 'EPIPE'].includes(await hangs));
		assert.equal(await d.agent.proc.waitFor((l) => /\bcut\b/.test(l), 'cut'), true);
	});
});
