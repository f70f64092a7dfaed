// kill -9 of either side, and nginx in front that is restarted.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { restartRelay, start, startAgent, within } from '../e2e/harness.mjs';
import { startFront } from '../e2e/fronts.mjs';
import { Reader, open, request } from '../e2e/http.mjs';
import { wsClient } from '../e2e/ws-client.mjs';
import { deployment, everybody, hurry, resumedIn, said } from './people.mjs';

const AGENTS = 5;
const RESTARTS = 5;

const idOf = (agent) => agent.proc.lines.map((l) => l.match(/\baccepted\b.*tunnel_id=(\S+)/))
	.filter((m) => m !== null).map((m) => m[1]);

// Somebody who waits for an answer, one who has had half of one, and a WebSocket.
async function hanging(d) {
	const never = d.app.on('never', () => {});
	const half = d.app.on('half', (req, res) => {
		res.writeHead(200, { 'Content-Length': 8 });
		res.write('half');
	});
	const echo = d.app.onWs('echo', {}, (ws) => ws.on('message', (m) => ws.send(m)));
	const waits = request(d.relay.origin, never, { headers: d.headers })
		.then((r) => r.status, (e) => e.code);
	const req = open(d.relay.origin, half, { headers: d.headers });
	req.end();
	const [res] = await within(once(req, 'response'), 'a response');
	const reader = new Reader(res);
	await reader.take(4);
	const ws = await wsClient(`${d.relay.origin.replace('http', 'ws')}${echo}`, [],
		{ headers: d.headers }).opened();
	ws.send('there');
	await ws.message();
	while (!d.app.saw(never))
		await once(d.app.server, 'request');
	return { waits, reader, ws };
}

export function crashes(test) {
	test('kill -9 of an agent: the next one keeps name and id, streams that died say so at once', async () => {
		const d = await deployment();
		const { waits, reader, ws } = await hanging(d);
		await d.agent.proc.stop('SIGKILL');
		const later = request(d.relay.origin, '/ok', { headers: d.headers });
		const again = await startAgent({ relay: d.relay, apps: `web=127.0.0.1:${d.app.port}`,
			dir: d.agent.dir, agentName: 'box0', name: 'again' });
		assert.equal(await waits, 502);
		assert.equal(await reader.ended, false);
		assert.ok([1001, 1011].includes((await ws.closed()).code));
		assert.equal((await later).status, 200);
		assert.deepEqual(idOf(again), idOf(d.agent));
	});

	test(`kill -9 of the relay: ${AGENTS} agents are back with the first dial that it answers`, async () => {
		const d = await deployment({ agents: AGENTS });
		const { waits, reader, ws } = await hanging(d);
		await d.relay.proc.stop('SIGKILL');
		assert.ok(['ECONNRESET', 'EPIPE'].includes(await waits));
		assert.equal(await reader.ended, false);
		assert.equal((await ws.closed()).code, 1006);
		await Promise.all(d.agents.map((a) => a.proc.waitFor(/\bdial failed\b/, 'a dial that fails')));
		const at = d.agents.map((a) => a.proc.lines.length);
		await restartRelay(d.relay);
		await Promise.all(d.agents.map((a, i) => a.proc.waitFor(/\baccepted\b/, 'accepted', at[i])));
		for (const [i, agent] of d.agents.entries()) {
			// The session is gone with its relay: one dial to learn it, one to begin anew.
			const lines = agent.proc.lines.slice(at[i]);
			const from = lines.findIndex((l) => /\bupgrad|\bconnected\b/.test(l));
			assert.equal(lines.slice(from).filter((l) => /\bretry\b/.test(l)).length, 0, lines.join('\n'));
			const [before, after] = idOf(agent);
			assert.equal(after, before);
		}
		// Who was logged in still is.
		assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
	});

	test('kill -9 of the relay and of the agent: both come back by themselves', async () => {
		const d = await deployment();
		await Promise.all([d.relay.proc.stop('SIGKILL'), d.agent.proc.stop('SIGKILL')]);
		const again = await startAgent({ relay: d.relay, url: d.proxy.origin, apps: `web=127.0.0.1:${d.app.port}`,
			dir: d.agent.dir, agentName: 'box0', name: 'again', wait: false });
		await again.proc.waitFor(/\bretry\b/, 'retry');
		await restartRelay(d.relay);
		await again.proc.waitFor(/\baccepted\b/, 'accepted');
		assert.deepEqual(idOf(again), idOf(d.agent));
		assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
	});

	test(`nginx before the relay is restarted ${RESTARTS} times, and nobody behind it notices`, async () => {
		let front;
		const d = await deployment({ front: async (relay) => {
			front = await startFront('nginx-plain', async () => `127.0.0.1:${relay.port}`);
			return front;
		} });
		hurry(d.agent);
		const { spawnfile, spawnargs } = front.proc.child;
		const longest = await everybody(d, async () => {
			for (let n = 1; n <= RESTARTS; n++) {
				await front.proc.stop(n % 2 === 1 ? 'SIGTERM' : 'SIGINT');
				front.proc = start('nginx-again', spawnfile, spawnargs.slice(1), { stopBy: 'SIGTERM' });
				await d.agent.proc.waitFor(() => resumedIn(d.agent).length >= n, `resumed ${n} times`);
			}
		});
		assert.equal(said(d.agent, /session lost/), 0);
		console.log(`# nginx restarted ${RESTARTS} times: 7 people, none noticed, longest pause ${longest} ms`);
	});
}
