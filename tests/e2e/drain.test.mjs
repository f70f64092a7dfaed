// SIGTERM, on the relay and on the agent: what is under way ends well, nobody is
// reset without need, and both come back as they were.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { gate, patternHash } from './app.mjs';
import { ask, deployment, echoing, serves, tunnelId } from './deployment.mjs';
import { MIB, NEVER_MS, needsRelay, restartRelay, shutDown, startAgent, within } from './harness.mjs';
import { Reader, Wire, open, request, values } from './http.mjs';

const test = (name, fn) => it(name, { skip: needsRelay, timeout: NEVER_MS }, fn);
after(shutDown);

const LONG = ['--drain-timeout', '60s'];
const SHORT = ['--drain-timeout', '300ms'];

const deploy = (how) => deployment({ args: LONG, agentArgs: LONG, ...how });

// A request that the app answers when the test says so.
async function held(d) {
	const [reached, finish] = [gate(), gate()];
	const path = d.app.on('held', async (req, res) => {
		reached.open();
		await finish.opened;
		res.end('to the end');
	});
	const answer = request(d.relay.origin, path, { headers: d.headers });
	answer.catch(() => {});
	await reached.opened;
	return { answer, finish: finish.open };
}

// Its end is awaited by who calls.
function terminate(it) {
	process.kill(it.pid, 'SIGTERM');
	return it.proc.waitFor(/\bstopping\b/, 'that it stops');
}

const closes = (res) => values(res.fields, 'connection').join().toLowerCase() === 'close';

describe('a relay that is asked to stop', { skip: needsRelay }, () => {
	test('is not ready, takes nothing on, finishes what it has, and ends with 0', async () => {
		const d = await deploy();
		const kept = await Wire.connect(d.relay.origin);
		await kept.write(ask(d, '/ok'));
		assert.equal((await kept.response()).status, 200);
		const slow = await held(d);
		const { ws, echo } = await echoing(d);
		const n = 32 * MIB;
		const req = open(d.relay.origin, `/bytes?n=${n}`, { headers: d.headers });
		req.end();
		const [res] = await once(req, 'response');      // and not read yet
		await terminate(d.relay);
		await d.agent.proc.waitFor(/the relay goes away/, 'the go-away');
		// Idle: closed, without a reset. New ones: answered, and closed.
		await kept.rest();
		assert.ok(!kept.reset);
		for (const [path, status] of [['/_adit/readyz', 503], ['/_adit/healthz', 200], ['/ok', 503]]) {
			const wire = await Wire.connect(d.relay.origin);
			await wire.write(ask(d, path));
			const said = await wire.response();
			assert.equal(said.status, status, path);
			assert.ok(closes(said));
			await wire.rest();
			assert.ok(!wire.reset);
		}
		await echo('during');
		slow.finish();
		const body = await slow.answer;
		assert.equal(body.body.toString(), 'to the end');
		assert.equal(body.headers.connection, 'close');
		const hash = createHash('sha256');
		for await (const part of res)
			hash.update(part);
		assert.equal(hash.digest('hex'), patternHash(n));
		await echo('after');
		ws.close(1000);
		assert.equal((await ws.closed()).code, 1000);
		assert.deepEqual(await within(d.relay.proc.exited, 'its end'), { code: 0, signal: null });
	});

	test('at its time limit WebSockets get 1001, requests an end, and it ends with 0', async () => {
		const d = await deploy({ args: SHORT });
		const slow = await held(d);
		const { ws } = await echoing(d);
		await terminate(d.relay);
		assert.equal((await ws.closed()).code, 1001);
		await assert.rejects(slow.answer);
		assert.deepEqual(await within(d.relay.proc.exited, 'its end'), { code: 0, signal: null });
	});

	test('a connection that had said nothing yet is served, by the app too', async () => {
		const d = await deploy();
		const wires = [];
		// The system has accepted them, the relay has not: it stands still.
		process.kill(d.relay.pid, 'SIGSTOP');
		for (let i = 0; i < 24; i++)
			wires.push(await Wire.connect(d.relay.origin));
		for (const wire of wires.slice(0, 20))
			await wire.write(ask(d, '/ok'));
		process.kill(d.relay.pid, 'SIGTERM');
		process.kill(d.relay.pid, 'SIGCONT');
		await d.relay.proc.waitFor(/\bstopping\b/, 'that it stops');
		for (const wire of wires.slice(20))
			await wire.write(ask(d, '/ok'));
		for (const wire of wires) {
			const res = await wire.response();
			assert.equal(res.status, 200);
			assert.ok(closes(res));
			await wire.rest();
			assert.ok(!wire.reset);
		}
		assert.deepEqual(await within(d.relay.proc.exited, 'its end'), { code: 0, signal: null });
	});

	test('its agents come back to the next one, which knows everybody', async () => {
		const d = await deploy();
		const id = await tunnelId(d.agent);
		const from = d.agent.proc.lines.length;
		await terminate(d.relay);
		assert.equal((await within(d.relay.proc.exited, 'its end')).code, 0);
		await restartRelay(d.relay);
		assert.equal(await tunnelId(d.agent, from), id);
		await serves(d);
	});
});

describe('an agent that is asked to stop', { skip: needsRelay }, () => {
	const next = (d, args) => startAgent({
		relay: d.relay, apps: `web=127.0.0.1:${d.app.port}`, dir: d.agent.dir, name: 'agent-again', args,
	});

	test('finishes what it has; its successor has the name and the tunnel_id', async () => {
		const d = await deploy();
		const id = await tunnelId(d.agent);
		const slow = await held(d);
		const { ws, echo } = await echoing(d);
		await terminate(d.agent);
		await d.relay.proc.waitFor(/agent leaves/, 'that it is told');
		const refused = await request(d.relay.origin, '/ok', { headers: d.headers });
		assert.equal(refused.status, 502);
		assert.deepEqual(refused.json, { error: 'Tunnel not connected' });
		await echo('during');
		slow.finish();
		assert.equal((await slow.answer).body.toString(), 'to the end');
		ws.close(1000);
		assert.equal((await ws.closed()).code, 1000);
		assert.deepEqual(await within(d.agent.proc.exited, 'its end'), { code: 0, signal: null });
		assert.equal(await tunnelId(await next(d)), id);
		await serves(d);
	});

	test('at its time limit clients are told at once, not after the relay\'s patience', async () => {
		const d = await deploy({ agentArgs: SHORT });
		const slow = await held(d);
		const { ws } = await echoing(d);
		const req = open(d.relay.origin, `/bytes?n=${256 * MIB}`, { headers: d.headers });
		req.end();
		const [res] = await once(req, 'response');
		await terminate(d.agent);
		assert.equal((await within(d.agent.proc.exited, 'its end')).code, 0);
		const answer = await slow.answer;
		assert.equal(answer.status, 502);
		assert.equal(await new Reader(res).ended, false, 'no whole body');
		assert.ok((await ws.closed()).code !== 1000);
		slow.finish();
	});

	test('killed, and started again: what died with it ends when the new one is there', async () => {
		const d = await deploy();
		const id = await tunnelId(d.agent);
		const slow = await held(d);
		const { ws } = await echoing(d);
		await d.agent.proc.stop('SIGKILL');
		assert.equal(await tunnelId(await next(d)), id);
		assert.equal((await slow.answer).status, 502);
		assert.ok((await ws.closed()).code !== 1000);
		await serves(d);
		slow.finish();
	});
});
