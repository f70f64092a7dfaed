// What a cut costs: `make wire` prints it. One person types while the tunnel is cut
// again and again; the pause is from the cut to the next key's echo.

import assert from 'node:assert/strict';
import { shutDown } from '../e2e/harness.mjs';
import { wsClient } from '../e2e/ws-client.mjs';
import { deployment, hurry, percentile, resumedIn, said } from './people.mjs';

const CUTS = Number(process.env.ADIT_WIRE_BENCH_CUTS || 200);

async function measure(name, delayMs) {
	const d = await deployment();
	hurry(d.agent);
	d.proxy.delayMs = delayMs;
	const path = d.app.onWs('echo', {}, (ws) => ws.on('message', (m) => ws.send(m)));
	const ws = await wsClient(`${d.relay.origin.replace('http', 'ws')}${path}`, [], { headers: d.headers }).opened();
	const pauses = [];
	for (let n = 0; n < CUTS; n++) {
		const from = performance.now();
		d.proxy.cutAll();
		ws.send(`${n}`);
		assert.equal((await ws.message()).data.toString(), `${n}`);
		pauses.push(performance.now() - from);
	}
	ws.close(1000);
	await ws.closed();
	const ms = resumedIn(d.agent);
	assert.equal(ms.length, CUTS);
	assert.equal(said(d.agent, /session lost/), 0);
	const line = (list) => `p50 ${percentile(list, 0.5).toFixed(1)} ms, p99 ${percentile(list, 0.99).toFixed(1)} ms`;
	console.log(`${name}: ${CUTS} cuts survived; resumed (agent) ${line(ms)}; pause (person) ${line(pauses)}`);
}

await measure('loopback', 0);
await measure('50 ms each way', 50);
await shutDown();
