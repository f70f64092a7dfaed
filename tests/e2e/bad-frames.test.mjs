// Malformed WebSocket frames, from either side: stopped with 1002, never
// passed on, and nobody else disturbed. In direct mode package ws is the other
// side, which proves that each of these is malformed.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { App, gate } from './app.mjs';
import { deployment } from './deployment.mjs';
import { DIRECT, NEVER_MS, needsRelay, shutDown } from './harness.mjs';
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, acceptRaw, closePayload, frame, readFrame, upgrade } from './frames.mjs';
import { request } from './http.mjs';
import { wsClient } from './ws-client.mjs';

const test = (name, fn, skip = false) => it(name, { skip, timeout: NEVER_MS }, fn);
after(shutDown);

let app;
let relay;
let origin;
let headers = {};
let bystander;

before(async () => {
	if (DIRECT) {
		app = await App.start();
		origin = app.origin;
	} else {
		({ app, relay, headers } = await deployment());
		origin = relay.origin;
	}
	const echo = app.onWs('bystander', {}, (s) => s.on('message', (m) => s.send(m)));
	bystander = await wsClient(origin.replace('http', 'ws') + echo, [], { headers }).opened();
});

async function undisturbed(why) {
	bystander.send(why);
	assert.equal((await bystander.message()).data.toString(), why, 'another client');
}

const fields = () => Object.entries(headers).map(([n, v]) => `${n}: ${v}`);

// Payloads pass unread: a close code that is not one, or text that is not UTF-8,
// is between client and app.
//
// [why, frames, what ws does otherwise than 1002: another code, or takes it]
const cases = (masked) => [
	[masked ? 'a frame without a mask' : 'a frame with a mask', [frame(TEXT, 'evil', { masked: !masked })]],
	...[1, 2, 4, 7].map((rsv) => [`reserved bits ${rsv}`, [frame(TEXT, 'evil', { rsv, masked })]]),
	...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((op) => [`opcode ${op}`, [frame(op, 'evil', { masked })]]),
	['a fragmented ping', [frame(PING, 'evil', { fin: false, masked })]],
	['a fragmented close', [frame(CLOSE, closePayload(1000), { fin: false, masked })]],
	['a ping of 126 bytes', [frame(PING, Buffer.alloc(126, 'e'), { masked })]],
	['a pong of 65536 bytes', [frame(PONG, Buffer.alloc(65536, 'e'), { masked })]],
	['a close of 126 bytes', [frame(CLOSE, closePayload(1000, 'e'.repeat(124)), { masked })]],
	['a ping with reserved bits', [frame(PING, 'evil', { rsv: 4, masked })]],
	['a continuation of nothing', [frame(CONTINUATION, 'evil', { masked })]],
	['a new message inside of one', [frame(TEXT, 'half', { fin: false, masked }), frame(TEXT, 'evil', { masked })]],
	['a binary one inside of a text', [frame(TEXT, 'half', { fin: false, masked }), frame(BINARY, 'evil', { masked })]],
	['a continuation after the end', [frame(TEXT, 'a', { fin: false, masked }), frame(CONTINUATION, 'b', { masked }),
		frame(CONTINUATION, 'evil', { masked })]],
	['a length with its highest bit set', [frame(BINARY, 'evil', { masked, lengthBytes: 8, length: 1n << 63n })], 1009],
	['2 bytes of length where 0 would do', [frame(TEXT, 'evil', { masked, lengthBytes: 2 })], 'taken'],
	['8 bytes of length where 2 would do', [frame(TEXT, Buffer.alloc(300, 'e'), { masked, lengthBytes: 8 })], 'taken'],
	['8 bytes of length where 0 would do', [frame(PING, 'evil', { masked, lengthBytes: 8 })], 'taken'],
	['a close of one byte', [frame(CLOSE, 'e', { masked })]],
];

describe('malformed frames from the client', () => {
	for (const [why, frames, otherwise] of cases(true))
		test(why, async () => {
			const heard = [];
			const over = gate();
			const path = DIRECT ?
				app.onWs('server', {}, (s) => {
					s.on('message', (m) => {
						heard.push(m.toString());
						s.send(m);
					});
					s.on('close', () => over.open());
				}) :
				app.onUpgrade('server', async (req, socket, head) => {
					const wire = acceptRaw(req, socket, head);
					for (let f; (f = await readFrame(wire)) !== undefined;) {
						heard.push(f.opcode === CLOSE ? `close ${f.code}` : f.payload.toString());
						if (f.payload.toString() === 'good')
							await wire.write(frame(TEXT, 'good', { masked: false }));
						if (f.opcode === CLOSE)
							wire.end();
					}
					wire.end();
					over.open();
				});
			const { wire } = await upgrade(origin, path, { fields: fields() });
			await wire.write(frame(TEXT, 'good'));
			assert.equal((await readFrame(wire)).payload.toString(), 'good');
			// What comes after it must not arrive either.
			await wire.write(Buffer.concat([...frames, frame(TEXT, 'evil after')]));
			let answer;
			do {
				answer = await readFrame(wire);
				assert.ok(answer !== undefined, 'a close frame');
			} while (answer.opcode !== CLOSE && answer.payload.toString() === 'ab');
			assert.equal(answer.opcode, CLOSE);
			assert.equal(answer.code, typeof otherwise === 'number' && DIRECT ? otherwise : 1002);
			assert.equal(answer.masked, false);
			wire.end();
			await wire.rest();
			await over.opened;
			assert.ok(!heard.some((h) => h.includes('evil') || h.includes('eee')), `the app heard ${heard}`);
			assert.equal(heard[0], 'good');
			for (const h of heard.filter((x) => x.startsWith('close ')))
				assert.match(h, /^close (1001|1002|1011)$/);
			wire.destroy();
			await undisturbed(why);
		}, DIRECT && otherwise === 'taken' ? 'ws takes lengths that are longer than needed' : false);
});

describe('malformed frames from the app', () => {
	for (const [why, frames] of cases(false))
		test(why, async () => {
			const toApp = gate();
			const path = app.onUpgrade('app', async (req, socket, head) => {
				const wire = acceptRaw(req, socket, head);
				await wire.write(Buffer.concat([frame(TEXT, 'good', { masked: false }), ...frames,
					frame(TEXT, 'evil after', { masked: false })]));
				let f;
				do {
					f = await readFrame(wire);
				} while (f !== undefined && f.opcode !== CLOSE);
				toApp.open(f);
				wire.end();
			});
			const { wire } = await upgrade(origin, path, { fields: fields() });
			const heard = [];
			for (let f; (f = await readFrame(wire)) !== undefined;) {
				heard.push(f);
				assert.equal(f.masked, false);
				assert.ok(!/evil|eee/.test(f.payload.toString()), `the client heard ${f.payload}`);
				if (f.opcode === CLOSE) {
					assert.ok([1001, 1002, 1011].includes(f.code), `close ${f.code}`);
					await wire.write(frame(CLOSE, f.payload));
				}
			}
			assert.equal(heard[0].payload.toString(), 'good');
			wire.end();
			const told = await toApp.opened;
			assert.ok(told !== undefined, 'the app is told');
			assert.equal(told.code, 1002);
			wire.destroy();
			await undisturbed(why);
		}, needsRelay);

	test('what a real client makes of it: an end, and not the frame', async () => {
		const path = app.onUpgrade('app', (req, socket, head) => {
			const wire = acceptRaw(req, socket, head);
			wire.write(Buffer.concat([frame(TEXT, 'good', { masked: false }), frame(3, 'evil', { masked: false })]));
		});
		const client = wsClient(origin.replace('http', 'ws') + path, [], { headers });
		await client.closed();
		assert.deepEqual(client.queue.map((m) => m.data.toString()), ['good']);
		await undisturbed('a real client');
	});
});

describe('handshakes that do not fit', () => {
	const answer = (fieldsOf) => app.onUpgrade('handshake', (req, socket) => {
		socket.on('error', () => {});
		socket.end(['HTTP/1.1 101 Switching Protocols', ...fieldsOf(req), '', 'evil'].join('\r\n'));
	});
	for (const [why, fieldsOf, ours] of [
		['no Upgrade', () => ['Connection: Upgrade', 'Sec-WebSocket-Accept: x'], 502],
		['another protocol', () => ['Upgrade: h2c', 'Connection: Upgrade', 'Sec-WebSocket-Accept: x'], 502],
		['a wrong accept key', () => ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==']],
		['no accept key', () => ['Upgrade: websocket', 'Connection: Upgrade']],
	])
		test(`an app that answers 101 with ${why}`, async () => {
			const path = answer(fieldsOf);
			const client = wsClient(origin.replace('http', 'ws') + path, [], { headers });
			await assert.rejects(client.opened());
			assert.equal(client.queue.length, 0);
			// The key is the client's to check, and this one does.
			if (!DIRECT && ours !== undefined)
				assert.match(client.refusal.message, new RegExp(ours));
			await undisturbed(why);
		});

	test('another WebSocket version is the app\'s to refuse, or ours: 400 or 426', async () => {
		const path = app.onWs('version', {}, () => {});
		const res = await request(origin, path, { headers: { ...headers, Connection: 'Upgrade', Upgrade: 'websocket',
			'Sec-WebSocket-Version': '12', 'Sec-WebSocket-Key': randomBytes(16).toString('base64') } });
		assert.ok([400, 426].includes(res.status), `${res.status}`);
		await undisturbed('version 12');
	});
});

describe('the tunnel spoken badly', () => {
	const good = JSON.stringify({ type: 'hello', protocol: 1, name: 'x', instance: 'x', start: true, apps: [], limits: {} });
	for (const [why, first] of [
		['not JSON', 'hello'], ['JSON that is no hello', '{"type":"goodbye"}'], ['an array', '[]'],
		['another protocol', good.replace('"protocol":1', '"protocol":99')], ['no apps', good.replace('"apps":[],', '')],
		['a hello of 17 KiB', `{"type":"hello","x":"${'x'.repeat(17 << 10)}"}`], ['deep nesting', '['.repeat(10_000)],
		['a binary first message', randomBytes(100)], ['binary, endless', randomBytes(1 << 20)], ['an empty message', ''],
		['text that is not UTF-8', Buffer.from([0xff, 0xfe])],
	])
		test(`${why}: closed, and the real agent works on`, async () => {
			const client = await wsClient(`${origin.replace('http', 'ws')}/tunnel`, ['adit.tunnel.1'], {
				headers: { authorization: `Bearer ${relay.secrets.token}` },
			}).opened();
			assert.equal(client.protocol, 'adit.tunnel.1');
			client.send(first, { binary: typeof first !== 'string' && !why.startsWith('text') });
			await client.closed();
			assert.ok(!client.queue.some((m) => m.data.toString().includes('welcome')));
			await undisturbed(why);
			assert.equal((await request(origin, '/ok', { headers })).status, 200);
		}, needsRelay);
});
