// Connection counts: capped per address and in all.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { ask, deployment } from './deployment.mjs';
import { MEASURE_RSS, NEVER_MS, RELAY_MEMORY_MIB, needsRelay, peakMib, shutDown } from './harness.mjs';
import { Wire } from './http.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

// One request on a new connection: its status, or 0 when it was closed or reset.
async function answered(d, localAddress) {
	const wire = await Wire.connect(d.relay.origin, { localAddress }).catch(() => undefined);
	if (wire === undefined)
		return { wire, status: 0 };
	await wire.write(ask(d, '/ok'));
	const status = await wire.head().then((h) => h.status, () => 0);
	return { wire, status };
}

describe('how many', { skip: needsRelay }, () => {
	test('one address has its share, and another is served', async () => {
		const d = await deployment({ args: ['--max-connections', '40', '--max-per-address', '10'] });
		// The agent is on 127.0.0.1 too, so another address is the greedy one.
		const held = [];
		let refused = 0;
		for (let i = 0; i < 30; i++) {
			const got = await answered(d, '127.0.0.7');
			if (got.status === 200)
				held.push(got.wire);
			else
				refused++;
		}
		assert.equal(held.length, 10);
		assert.equal(refused, 20);
		const other = await answered(d, '127.0.0.8');
		assert.equal(other.status, 200);
		other.wire.destroy();
		// Who lets one go may have another.
		held.pop().destroy();
		let again = 0;
		for (let i = 0; i < 1000 && again !== 200; i++)
			again = (await answered(d, '127.0.0.7')).status;
		assert.equal(again, 200);
		held.forEach((w) => w.destroy());
	});

	test('in all, and service is back when they go; the tunnel lives through it', async () => {
		const d = await deployment({ args: ['--max-connections', '20', '--max-per-address', '20'] });
		const held = [];
		let refused = 0;
		for (let i = 0; i < 60; i++) {
			const got = await answered(d, `127.0.1.${i % 20 + 1}`);
			if (got.status === 200)
				held.push(got.wire);
			else
				refused++;
		}
		assert.ok(held.length <= 20 && held.length >= 15, `${held.length} were served`);
		assert.ok(refused >= 40);
		held.forEach((w) => w.destroy());
		let again = 0;
		for (let i = 0; i < 1000 && again !== 200; i++)
			again = (await answered(d, '127.0.0.9')).status;
		assert.equal(again, 200);
	});

	test('1000 idle connections from 10 addresses stay below the memory bound', async (t) => {
		const d = await deployment();
		const wires = [];
		for (let i = 0; i < 1000; i++)
			wires.push(await Wire.connect(d.relay.origin, { localAddress: `127.0.2.${i % 10 + 1}` }));
		const one = await answered(d);
		assert.equal(one.status, 200);
		const mib = peakMib(d.relay.pid);
		t.diagnostic(`peak resident memory of the relay: ${mib.toFixed(1)} MiB`);
		if (MEASURE_RSS)
			assert.ok(mib < RELAY_MEMORY_MIB);
		wires.forEach((w) => w.destroy());
	});
});
