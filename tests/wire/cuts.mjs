// Many cuts, fast: whole transfers of megabytes with one every 700 KB, every other
// one half-open to the relay. ADIT_WIRE_CUTS=1000 for more.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { pattern, patternHash, pump } from '../e2e/app.mjs';
import { MIB } from '../e2e/harness.mjs';
import { answer, open } from '../e2e/http.mjs';
import { deployment, hurry, percentile, resumedIn, said, socketIo, terminal } from './people.mjs';

const CUTS = Number(process.env.ADIT_WIRE_CUTS || 200);
const EVERY = 700_001;          // bytes between two cuts, all directions together

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

export function cuts(test) {
	test(`${CUTS} cuts, every other one half-open to the relay, and nobody notices`, async () => {
		const d = await deployment();
		hurry(d.agent);
		d.proxy.half = true;
		d.proxy.left = Array(CUTS).fill(EVERY);
		const more = () => d.proxy.cuts < CUTS;
		let sums = 0;
		const transfers = async (go) => {
			do {
				await go(d, 8 * MIB);
				sums++;
			} while (more());
		};
		await Promise.all([transfers(download), transfers(upload), terminal(d, more),
			socketIo('websocket')(d, more), socketIo('polling')(d, more)]);
		const ms = resumedIn(d.agent);
		assert.equal(d.proxy.cuts, CUTS);
		assert.ok(ms.length > CUTS / 2, `${ms.length} resumptions of ${CUTS} cuts`);
		assert.equal(said(d.agent, /session lost/), 0);
		console.log(`# ${CUTS} cuts, ${ms.length} resumptions, p50 ${percentile(ms, 0.5)} ms, ` +
		    `p99 ${percentile(ms, 0.99)} ms, ${sums} transfers of 8 MiB whole`);
	});

	test('cuts on a slow and long way: 1 MB/s, 25 ms each way', async () => {
		const d = await deployment();
		hurry(d.agent);
		d.proxy.delayMs = 25;
		d.proxy.bytesPerS = 1e6;
		d.proxy.left = Array(10).fill(200_003);
		await Promise.all([download(d, MIB), upload(d, MIB)]);
		assert.ok(d.proxy.cuts >= 8, `${d.proxy.cuts} cuts`);
		assert.equal(said(d.agent, /session lost/), 0);
		console.log(`# slow and long: ${d.proxy.cuts} cuts, 2 transfers of 1 MiB whole`);
	});
}
