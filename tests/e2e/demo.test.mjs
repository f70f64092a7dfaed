// The demo app by itself, without a browser: what it promises, and that its
// small WebSocket keeps the rules.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { MIB, NEVER_MS, ROOT, cleanEnv, run, shutDown, start } from './harness.mjs';
import { CLOSE, TEXT, frame, readFrame, upgrade } from './frames.mjs';
import { Reader, open, request } from './http.mjs';
import { wsClient } from './ws-client.mjs';

const test = (name, fn) => it(name, { timeout: NEVER_MS }, fn);
const demo = join(ROOT, 'tests', 'demo', 'app.mjs');
after(shutDown);

describe('the demo app', () => {
	let origin;
	let proc;
	before(async () => {
		proc = start('demo', process.execPath, [demo, '0'], { env: cleanEnv() });
		[, origin] = await proc.waitFor(/^demo: (http:\/\/127\.0\.0\.1:\d+)\/$/, 'its URL');
	});

	test('prints one line', () => {
		assert.equal(proc.lines.length, 1);
	});

	test('serves a page of its own files only', async () => {
		const page = (await request(origin, '/')).body.toString();
		for (const [, path] of page.matchAll(/(?:href|src)="([^"?]+)/g))
			assert.equal((await request(origin, `/${path}?mib=1`)).status, 200, path);
		assert.ok(!/https?:\/\//.test(page), 'nothing from elsewhere');
		assert.equal((await request(origin, '/app.mjs')).status, 404);
		assert.equal((await request(origin, '/../app.mjs')).status, 404);
		assert.equal((await request(origin, '/', { method: 'HEAD' })).body.length, 0);
	});

	test('counts and hashes an upload', async () => {
		const body = randomBytes(5 * MIB);
		const res = await request(origin, '/upload', { method: 'POST', body });
		assert.deepEqual(res.json, { bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') });
	});

	test('sends the download that its checksum is of', async () => {
		const { body, headers } = await request(origin, '/download?mib=3');
		assert.equal(headers['content-length'], String(3 * MIB));
		assert.equal((await request(origin, '/checksum?mib=3')).json.sha256, createHash('sha256').update(body).digest('hex'));
		for (const mib of ['0', '-1', '1.5', 'x', '99999'])
			assert.equal((await request(origin, `/download?mib=${mib}`)).status, 400);
	});

	test('tells the time by server-sent events', async () => {
		const req = open(origin, '/clock');
		req.end();
		const [res] = await once(req, 'response');
		assert.equal(res.headers['content-type'], 'text/event-stream');
		assert.match((await new Reader(res).take(43)).toString(), /^retry: 1000\nid: \d+\ndata: \{"time"/);
		req.destroy();
	});

	test('chats, and echoes what is binary', async () => {
		const url = `${origin.replace('http', 'ws')}/ws`;
		const a = await wsClient(url).opened();
		const hello = JSON.parse((await a.message()).data);
		assert.equal(hello.type, 'hello');
		const b = await wsClient(url).opened();
		await b.message();
		assert.equal(JSON.parse((await a.message()).data).type, 'joined');
		a.send('hello, é€𝄞');
		for (const c of [a, b])
			assert.deepEqual(JSON.parse((await c.message()).data), { type: 'said', name: hello.name, text: 'hello, é€𝄞' });
		const bytes = randomBytes(200_000);
		b.send(bytes.subarray(0, 70_000), { fin: false });
		b.send(bytes.subarray(70_000), { fin: true });
		assert.ok((await b.message()).data.equals(bytes));
		b.close(1000, 'bye');
		assert.deepEqual(await b.closed(), { code: 1000, reason: '' });
		assert.equal(JSON.parse((await a.message()).data).type, 'left');
		a.send('x'.repeat(5000));
		assert.equal((await a.closed()).code, 1009);
		const c = await wsClient(url).opened();
		c.send(Buffer.alloc(2 * MIB));
		assert.equal((await c.closed()).code, 1009);
	});

	test('stops malformed frames', async () => {
		for (const [bytes, code] of [
			[frame(TEXT, 'x', { masked: false }), 1002], [frame(TEXT, 'x', { rsv: 4 }), 1002], [frame(3, 'x'), 1002],
			[frame(0, 'x'), 1002], [frame(9, Buffer.alloc(126)), 1002], [frame(TEXT, 'x', { lengthBytes: 2 }), 1002],
			[frame(TEXT, Buffer.from([0xff])), 1007], [frame(CLOSE, 'x'), 1002],
		]) {
			const { wire } = await upgrade(origin, '/ws');
			await wire.write(bytes);
			let f;
			do
				f = await readFrame(wire);
			while (f.opcode !== CLOSE);
			assert.equal(f.code, code);
			wire.end();
			await wire.rest();
		}
	});

	test('ends when it is asked to, with people connected', async () => {
		const c = await wsClient(`${origin.replace('http', 'ws')}/ws`).opened();
		assert.deepEqual(await proc.stop(), { code: 0, signal: null });
		assert.equal((await c.closed()).code, 1001);
	});

	test('a wrong port is one line and code 2', async () => {
		for (const arg of ['x', '-1', '70000']) {
			const got = await run(process.execPath, [demo, arg]);
			assert.equal(got.code, 2);
			assert.equal(got.stderr.trim().split('\n').length, 1);
		}
	});
});
