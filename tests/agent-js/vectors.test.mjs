// vectors.test.mjs: the JavaScript agent's codec and session against
// tests/vectors/tunnel: the transcripts of PROTOCOL.md section 16.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import * as codec from './codec.mjs';
import { ProtocolError, read, readAnswer, write, writeHello } from './codec.mjs';
import { Session } from './session.mjs';

const FOLDER = new URL('../vectors/tunnel/', import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

function load(name) {
	return JSON.parse(readFileSync(new URL(name, FOLDER))).map((step) => ({ ...step, frame: step.hex !== undefined &&
	    Buffer.from(step.hex + (step.fill?.hex.repeat(step.fill.count) ?? ''), 'hex') }));
}

// What was read, written again.
function again(f) {
	switch (f.type) {
	case codec.OPEN: return write.open(f.stream, f);
	case codec.DATA: return write.data(f.stream, f.payload);
	case codec.END: return write.end(f.stream);
	case codec.STOP: return write.stop(f.stream);
	case codec.RESET: return write.reset(f.stream, f.code);
	case codec.CREDIT: return write.credit(f.stream, f.bytes);
	case codec.ACK: return write.ack(f.count);
	default: return write.goaway(f.reason, f.ms);
	}
}

for (const name of files)
	test(`${name}: every message is read and written`, () => {
		for (const { dir, text, frame } of load(name)) {
			if (frame)
				assert.deepEqual(again(read(frame)), frame);
			if (text && dir === 'agent')
				assert.equal(writeHello(JSON.parse(text)), text);
			if (text && dir === 'relay')
				assert.deepEqual(readAnswer(text), JSON.parse(text));
		}
	});

// The agent's end of a transcript. What the agent says is asked of the session,
// or of an app, and compared; ACKs are asked for where they stand.
class Replay {
	sent = [];
	lastAck = undefined;
	apps = new Map();
	session = undefined;

	send(bytes) {
		const f = read(bytes);
		if (f.type === codec.ACK)
			this.lastAck = f.count;
		else
			this.sent.push(bytes);
	}

	link() {
		return { send: (bytes) => this.send(bytes), backlog: () => 0 };
	}

	serve(stream, open) {
		if (open.app !== 'web')
			return codec.UNKNOWN_APP;
		const app = { stream, got: '', seen: [], write(bytes, taken) {
			this.got += bytes.toString('latin1');
			taken();
		} };
		for (const what of ['end', 'stop', 'reset', 'closed', 'pause', 'resume'])
			app[what] = () => app.seen.push(what);
		this.apps.set(stream.id, app);
		return app;
	}

	relay({ text, frame, close }) {
		if (frame)
			return this.session.receive(frame);
		if (close !== undefined)
			return this.session?.end();
		const said = readAnswer(text);
		if (said.type === 'refused')
			return undefined;
		if (said.resumed)
			return this.session.resume(this.link(), said);
		this.session?.end();
		this.session = new Session({ welcome: said, limits: this.hello.limits,
			serve: (stream, open) => this.serve(stream, open) });
		return this.session.begin(this.link());
	}

	agent({ text, frame }) {
		if (text) {
			this.hello = JSON.parse(text);
			if (this.hello.resume !== undefined && this.session !== undefined)
				assert.deepEqual(this.session.resumption(), this.hello.resume);
			return;
		}
		if (!frame)
			return;
		const f = read(frame);
		if (f.type === codec.ACK) {
			this.session.sendAck();
			assert.equal(this.lastAck, f.count);
			return;
		}
		if (this.sent.length === 0) {
			const { stream } = this.apps.get(f.stream);
			({ [codec.DATA]: () => stream.push(f.payload), [codec.END]: () => stream.finish(),
				[codec.STOP]: () => stream.halt() })[f.type]();
		}
		assert.deepEqual(this.sent.shift(), frame);
	}

	run(steps) {
		steps.forEach((step, i) => {
			if (step.event === 'cut')
				this.session?.park();
			else if (step.dir === 'relay' && steps[i + 1]?.event !== 'lost')
				this.relay(step);
			else if (step.dir === 'agent')
				this.agent(step);
		});
		assert.deepEqual(this.sent, []);
		this.session.end();
	}
}

for (const name of files)
	test(`${name}: replayed as the agent`, () => {
		const replay = new Replay();
		replay.run(load(name));
		if (name === 'one-request.json') {
			assert.match(replay.apps.get(1).got, /^GET \/ HTTP\/1\.1\r\nHost: web\.apps\.example\r\n/);
			assert.deepEqual(replay.apps.get(1).seen.filter((s) => s !== 'resume'), ['end', 'closed']);
		}
		if (name === 'stop-and-reset.json') {
			assert.equal(replay.apps.get(1).got, 'u'.repeat(8192));
			assert.deepEqual(replay.apps.get(1).seen, ['end', 'reset']);
		}
	});

test('the examples of section 5.5', () => {
	const hex = (b) => b.toString('hex');
	assert.equal(hex(write.open(1, { kind: 'http', app: 'web', client: '203.0.113.9', user: 'shared', scheme: 'https' })),
	    '01000000000000010103776562' + '0b3230332e302e3131332e39' + '06736861726564' + '056874747073');
	assert.equal(hex(write.data(1, Buffer.from('hi'))), '02000000000000016869');
	assert.equal(hex(write.reset(1, codec.CANCELLED)), '050000000000000100000006');
	assert.equal(hex(write.credit(0, 32768)), '060000000000000000008000');
	assert.equal(hex(write.ack(3)), '07000000000000000000000000000003');
	assert.equal(hex(write.goaway(2, 30000)), '08000000000000000000000200007530');
});

test('what section 5 does not define is refused', () => {
	const wrong = ['', '07', '0700000000000000', '00000000000000016869', '09000000000000016869', '02010000000000016869',
		'02000001000000016869', '02000000000000006869', '02000000800000016869', '0200000000000001', '030000000000000100',
		'050000000000000100000000', '050000000000000100000009', '0500000000000001000001', '060000000000000100000000',
		'060000000000000080000000', '07000000000000010000000000000000', '07000000000000000020000000000000',
		'08000000000000000000000000000000', '08000000000000000000000400000000', '08000000000000000000000105265c01',
		'01000000000000010303776562000000', '010000000000000101037765620000', '0100000000000001010377656200000468747470ff',
		'010000000000000101035765620000056874747073', '010000000000000101037765620000' + '03667470',
		'010000000000000102037765620000046874747001', '01000000000000010103776562012000056874747073',
		'0100000000000001010377656200020a41056874747073', '010000000000000101037765620001ff056874747073'];
	for (const hex of wrong)
		assert.throws(() => read(Buffer.from(hex, 'hex')), ProtocolError, hex);
	assert.throws(() => read(Buffer.concat([Buffer.from('0200000000000001', 'hex'), Buffer.alloc(16385)])), ProtocolError);
});

test('welcomes that are wrong, and what is passed over', () => {
	const good = load('first-hello.json').find((step) => step.dir === 'relay').text;
	const plus = (more) => good.replace(/}$/, `,${more}}`);
	for (const more of ['"x":1.5', '"x":null', '"x":"a\\nb"', '"x":{"limits":{},"limits":-1}', '"x":[[[[[[[1]]]]]]]', '"x":"\u00e9"'])
		assert.equal(readAnswer(plus(more)).type, 'welcome', more);
	const wrong = [plus('"type":"welcome"'), plus('"urls":[]'), plus('"x":[[[[[[[[1]]]]]]]]'), plus(`"x":"${'a'.repeat(16384)}"`),
		plus(Array.from({ length: 64 }, (_, i) => `"m${i}":1`).join()), `[${good}]`, `${good} x`, '{}', 'null', '"welcome"', '',
		...[['welcome"', 'wel\\u0063ome"'], ['"resumed"', '"resum\\u0065d"'], ['"protocol":1', '"protocol":2'], ['"protocol":1', '"protocol":1.0'],
			['"received":0', '"received":1'], ['"received":0', '"received":-0'], ['"received":0', '"received":null'],
			['"resumed":false', '"resumed":0'], ['"resumed":false', '"resumed":true'], ['"streams":64', '"streams":0'],
			['"streams":64', '"streams":16385'], ['"window":65536', '"window":65536,"window":65536'],
			['"session":16842752', '"session":4259839'], ['HB0eHw"', 'HB0eHx"'], ['HB0eHw"', 'HB0eHw=="'], ['Pj8"', 'Pj9"'],
			['F96"', 'F9"'], ['https:', 'https\\u003a'], ['https:', 'https :'], ['"urls":[', '"urls":[1,']]
		    .map(([from, to]) => {
			    assert.ok(good.includes(from), from);
			    return good.replace(from, to);
		    })];
	for (const text of wrong)
		assert.throws(() => readAnswer(text), ProtocolError, text);
	assert.equal(readAnswer('{"code":"no-such-code","type":"refused","x":{}}').code, 'no-such-code');
	assert.throws(() => readAnswer('{"type":"refused","code":"No"}'), ProtocolError);
});

// A session with a window of 16384 that was welcomed and confirmed.
function fresh() {
	const replay = new Replay();
	replay.hello = { limits: { streams: 2, window: 16384, session: 49152 } };
	const welcome = JSON.parse(load('first-hello.json').find((step) => step.dir === 'relay').text);
	welcome.limits = { streams: 2, window: 16384, session: 49152 };
	replay.relay({ text: JSON.stringify(welcome) });
	replay.relay({ frame: write.ack(0) });
	return { replay, session: replay.session };
}

const open = (n) => write.open(n, { kind: 'http', app: 'web', client: '', user: '', scheme: 'http' });
const bytes = (n) => Buffer.alloc(n, 'x');

test('what the relay may not do', () => {
	const wrong = {
		'a gap': [open(2)], 'the same number': [open(1), open(1)], 'too many': [open(1), open(2), open(3)],
		'OPEN after its go-away': [write.goaway(1, 0), open(1)], 'two go-aways': [write.goaway(1, 0), write.goaway(1, 0)],
		'DATA for nothing': [write.data(1, bytes(1))], 'DATA after END': [open(1), write.end(1), write.data(1, bytes(1))],
		'END twice': [open(1), write.end(1), write.end(1)], 'STOP twice': [open(1), write.stop(1), write.stop(1)],
		'ACK above': [write.ack(1)], 'ACK below': [open(1), write.stop(1), write.ack(1), write.ack(0)],
		'credit of the session': [write.credit(0, 2147483647)], 'credit of a stream': [open(1), write.credit(1, 2147483647)],
		'credit for nothing': [write.credit(1, 1)],
	};
	for (const [name, frames] of Object.entries(wrong)) {
		const { session } = fresh();
		assert.throws(() => frames.forEach((f) => session.receive(f)), ProtocolError, name);
		session.end();
	}
});

test('DATA beyond a window is refused; what is dropped is returned to the session', () => {
	const { replay, session } = fresh();
	session.receive(open(1));
	const app = replay.apps.get(1);
	const waiting = [];
	app.write = (b, taken) => waiting.push(taken);
	session.receive(write.data(1, bytes(16384)));
	session.receive(write.reset(1, codec.CANCELLED));
	assert.deepEqual(replay.sent.map((b) => b.toString('hex')), ['060000000000000000004000']);
	waiting.forEach((taken) => taken());            // too late to count again
	assert.equal(replay.sent.length, 1);
	session.receive(write.data(1, bytes(8192)));    // it has crossed: counted, returned
	assert.equal(replay.sent[1].toString('hex'), '060000000000000000002000');
	session.receive(open(2));
	replay.apps.get(2).write = () => {};
	session.receive(write.data(2, bytes(16384)));
	assert.throws(() => session.receive(write.data(2, bytes(1))), /credit of its stream/);
	session.end();
});

test('DATA is sent as credit and room allow, in turn, and END behind it', () => {
	const { replay, session } = fresh();
	session.receive(open(1));
	session.receive(open(2));
	const [one, two] = [replay.apps.get(1).stream, replay.apps.get(2).stream];
	one.push(bytes(40000));
	one.finish();
	two.push(bytes(100));
	const said = () => replay.sent.splice(0).map(read).map((f) => `${f.type}:${f.stream}:${f.payload.length}`);
	assert.deepEqual(said(), ['2:1:16384', '2:2:100']);
	session.receive(write.credit(1, 10000));
	assert.deepEqual(said(), ['2:1:10000']);
	session.receive(write.credit(1, 20000));
	assert.deepEqual(said(), ['2:1:13616', '3:1:0']);
	session.receive(write.credit(1, 5));            // dropped: END was sent
	two.push(bytes(16284));
	assert.deepEqual(said(), ['2:2:9052']);         // the session's credit is at its end
	session.receive(write.stop(2));
	assert.deepEqual(said(), ['3:2:0']);            // what waited is dropped
	session.end();
});

test('at R only what is not DATA is kept, and then nothing', () => {
	const { replay, session } = fresh();
	session.ringMax = 65536 + 16 + 20;
	session.receive(open(1));
	const { stream } = replay.apps.get(1);
	stream.push(bytes(8));
	stream.push(bytes(16));
	assert.equal(replay.sent.length, 1);
	session.receive(write.ack(1));
	assert.equal(replay.sent.length, 2);
	session.ringMax = session.ringBytes + 11;
	stream.reset(codec.BROKEN);
	assert.equal(replay.sent.length, 2);
	assert.equal(session.streams.size, 1);          // open until the RESET is sent (7.4)
	session.receive(write.ack(2));
	assert.equal(read(replay.sent[2]).code, codec.BROKEN);
	assert.equal(session.streams.size, 0);
	session.end();
});

test('an ACK leaves after 32768 bytes', () => {
	const { replay, session } = fresh();
	session.receive(open(1));
	session.receive(write.data(1, bytes(16384)));
	assert.equal(replay.lastAck, 0);
	session.receive(write.data(1, bytes(16384)));
	assert.equal(replay.lastAck, 3);
	session.end();
});
