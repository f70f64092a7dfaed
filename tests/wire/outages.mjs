// Outages while everybody works: a download, an upload, a terminal, 60 frames a
// second, server-sent events, Socket.IO both ways. A pause is all they may see.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from '../e2e/http.mjs';
import { deployment, everybody, hurry, hush, resumedIn, said } from './people.mjs';

export function outages(test) {
	for (const away of [200, 3000, 20_000]) {
		test(`an outage of ${away} ms is a pause`, async () => {
			const d = await deployment();
			const longest = await everybody(d, async () => {
				const goOn = away > 10_000 ? await hush(d) : () => {};
				await d.proxy.down();
				// Who asks meanwhile waits a few seconds, and then is told.
				const asks = request(d.relay.origin, '/ok', { headers: d.headers });
				await pause(away);              // that long nobody gets through
				if (away > 10_000) {
					const { status, json } = await asks;
					assert.deepEqual([status, json], [502, { error: 'Tunnel not connected' }]);
				}
				await d.proxy.up();
				await d.agent.proc.waitFor(/\bresumed\b/, 'resumed');
				goOn();
				if (away < 10_000)
					assert.equal((await asks).status, 200);
				assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
			});
			assert.equal(resumedIn(d.agent).length, 1);
			assert.equal(said(d.agent, /session lost/), 0);
			console.log(`# outage of ${away} ms: 7 people, none noticed, longest pause ${longest} ms`);
		});
	}

	test('a cable that is pulled: both sides see it by themselves, late bytes harm nothing', async () => {
		const d = await deployment();
		let noticed;
		const longest = await everybody(d, async () => {
			const goOn = await hush(d);
			const from = performance.now();
			d.proxy.hold();
			noticed = await Promise.all([
				d.agent.proc.waitFor(/\bcut\b.*why="the relay is dead"/, 'cut'),
				d.relay.proc.waitFor(/\bcut\b.*why="no sign of life"/, 'cut'),
			].map((line) => line.then(() => Math.round(performance.now() - from))));
			d.proxy.release();
			await d.agent.proc.waitFor(/\bresumed\b/, 'resumed');
			goOn();
		});
		assert.equal(said(d.agent, /session lost/), 0);
		console.log(`# pulled cable: noticed after ${noticed[0]} ms (agent), ${noticed[1]} ms (relay), ` +
		    `7 people, none noticed, longest pause ${longest} ms`);
	});

	test('an agent that sleeps until the relay has given its connection up', async () => {
		const d = await deployment();
		const longest = await everybody(d, async () => {
			const goOn = await hush(d);
			process.kill(d.agent.pid, 'SIGSTOP');
			await d.relay.proc.waitFor(/\bcut\b.*why="no sign of life"/, 'cut');
			process.kill(d.agent.pid, 'SIGCONT');
			await d.agent.proc.waitFor(/\bresumed\b/, 'resumed');
			goOn();
		});
		assert.equal(said(d.agent, /session lost/), 0);
		console.log(`# agent asleep: 7 people, none noticed, longest pause ${longest} ms`);
	});

	test('a relay that sleeps: what the agent dialled meanwhile comes late and harms nothing', async () => {
		const d = await deployment();
		const longest = await everybody(d, async () => {
			const goOn = await hush(d);
			process.kill(d.relay.pid, 'SIGSTOP');
			await d.agent.proc.waitFor(/\bcut\b.*why="the relay is dead"/, 'cut');
			await d.agent.proc.waitFor(/no answer to the handshake in time/, 'a dial in vain');
			process.kill(d.relay.pid, 'SIGCONT');
			await d.agent.proc.waitFor(/\bresumed\b/, 'resumed');
			goOn();
		});
		assert.equal(said(d.agent, /session lost/), 0);
		console.log(`# relay asleep: 7 people, none noticed, longest pause ${longest} ms`);
	});

	test('the newest connection wins at once, whatever the old one holds', async () => {
		const d = await deployment();
		hurry(d.agent);
		const longest = await everybody(d, async () => {
			for (let n = 1; n <= 5; n++) {
				// The relay is not told: to it the old connection looks alive.
				for (const pair of d.proxy.pairs)
					d.proxy.cut(pair, true);
				await d.agent.proc.waitFor(() => resumedIn(d.agent).length === n, `resumed ${n} times`);
			}
		});
		assert.equal(said(d.relay, /\bcut\b.*why="a newer connection came"/), 5);
		console.log(`# newest wins: 5 half-open connections, longest pause ${longest} ms`);
	});

	test('a relay that is away for longer than the grace period: everybody is told, and then served', async () => {
		const d = await deployment({ relayArgs: ['--resume-timeout', '1s'] });
		const path = d.app.on('never', () => {});
		const hangs = request(d.relay.origin, path, { headers: d.headers });
		while (!d.app.saw(path))
			await once(d.app.server, 'request');
		await d.proxy.down();
		const { status, json } = await hangs;
		assert.deepEqual([status, json], [502, { error: 'Tunnel not connected' }]);
		await d.proxy.up();
		await d.agent.proc.waitFor(/session lost/, 'session lost');
		await d.agent.proc.waitFor(/\baccepted\b/, 'accepted', d.agent.proc.lines.findIndex((l) => /session lost/.test(l)));
		assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
	});
}
