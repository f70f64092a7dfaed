// Bad input in HTTP, from either side: the right code, that connection closed,
// nothing of it forwarded, and nobody else disturbed.
//
// Each case runs against its own connection, before login and after, and then
// another client's kept connection is asked for a page.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { deployment } from './deployment.mjs';
import { NEVER_MS, needsRelay, shutDown } from './harness.mjs';
import { Wire, rawRequest, request, values } from './http.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

let app;
let relay;
let cookie;
let bystander;

before(async () => {
	if (needsRelay)
		return;
	({ app, relay, headers: { cookie } } = await deployment({ args: ['--head-timeout', '1s'] }));
	bystander = await Wire.connect(relay.origin);
});

// The other client, on the connection that it has had from the beginning.
async function undisturbed(why) {
	await bystander.write(rawRequest(relay.origin, 'GET /ok', [`Cookie: ${cookie}`]));
	const res = await bystander.response();
	assert.equal(`${res.status} ${res.body}`, '200 ok\n', `another client, after: ${why}`);
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';

// H is replaced by the right Host and, after login, the cookie.
const heads = [
	// the request line
	['two spaces', 'GET  /bad HTTP/1.1\r\nH\r\n\r\n'],
	['a tab for a space', 'GET\t/bad HTTP/1.1\r\nH\r\n\r\n'],
	['a space at the end of the line', 'GET /bad HTTP/1.1 \r\nH\r\n\r\n'],
	['a space before the method', ' GET /bad HTTP/1.1\r\nH\r\n\r\n'],
	['no version', 'GET /bad\r\nH\r\n\r\n'],
	['a version in small letters', 'GET /bad http/1.1\r\nH\r\n\r\n'],
	['version 1.10', 'GET /bad HTTP/1.10\r\nH\r\n\r\n'],
	['version 2.0', 'GET /bad HTTP/2.0\r\nH\r\n\r\n', [400, 505]],
	['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 505]],
	['a method that is no token', 'G(T /bad HTTP/1.1\r\nH\r\n\r\n'],
	['NUL in the method', 'G\x00T /bad HTTP/1.1\r\nH\r\n\r\n'],
	['a space in the target', 'GET /b ad HTTP/1.1\r\nH\r\n\r\n'],
	['NUL in the target', 'GET /bad\x00 HTTP/1.1\r\nH\r\n\r\n'],
	['a bare CR in the target', 'GET /bad\r HTTP/1.1\r\nH\r\n\r\n'],
	['DEL in the target', 'GET /bad\x7f HTTP/1.1\r\nH\r\n\r\n'],
	['a relative target', 'GET bad HTTP/1.1\r\nH\r\n\r\n'],
	['an empty target', 'GET  HTTP/1.1\r\nH\r\n\r\n'],
	['an asterisk without OPTIONS', 'GET * HTTP/1.1\r\nH\r\n\r\n'],
	['CONNECT', 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nH\r\n\r\n', [400, 405, 501]],
	['an absolute target with another scheme', 'GET ftp://x/bad HTTP/1.1\r\nH\r\n\r\n', [400, 421]],
	// fields
	['a folded field', 'GET /bad HTTP/1.1\r\nH\r\nX: a\r\n b\r\n\r\n'],
	['a folded field, with a tab', 'GET /bad HTTP/1.1\r\nH\r\nX: a\r\n\tb\r\n\r\n'],
	['a space before the colon', 'GET /bad HTTP/1.1\r\nH\r\nX : a\r\n\r\n'],
	['Transfer-Encoding with a space before the colon', 'POST /bad HTTP/1.1\r\nH\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
	['a space in a name', 'GET /bad HTTP/1.1\r\nH\r\nX Y: a\r\n\r\n'],
	['no colon', 'GET /bad HTTP/1.1\r\nH\r\nXYZ\r\n\r\n'],
	['no name', 'GET /bad HTTP/1.1\r\nH\r\n: a\r\n\r\n'],
	['NUL in a value', 'GET /bad HTTP/1.1\r\nH\r\nX: a\x00b\r\n\r\n'],
	['a bare CR in a value', 'GET /bad HTTP/1.1\r\nH\r\nX: a\rb\r\n\r\n'],
	['a bare LF in a value', 'GET /bad HTTP/1.1\r\nH\r\nX: a\nY: b\r\n\r\n'],
	['CR CR LF', 'GET /bad HTTP/1.1\r\nH\r\nX: a\r\r\n\r\n'],
	['bare LF for all ends', 'GET /bad HTTP/1.1\nHost: a\n\n'],
	['a high octet in a name', 'GET /bad HTTP/1.1\r\nH\r\n\xe9: a\r\n\r\n'],
	['a parenthesis in a name', 'GET /bad HTTP/1.1\r\nH\r\nX(): a\r\n\r\n'],
	['ESC in a value', 'GET /bad HTTP/1.1\r\nH\r\nX: \x1b[2J\r\n\r\n'],
	['a first field that begins with a space', 'GET /bad HTTP/1.1\r\n Host: a\r\n\r\n'],
	// Host
	['no Host', 'GET /bad HTTP/1.1\r\n\r\n'],
	['two Hosts', 'GET /bad HTTP/1.1\r\nH\r\nHost: other.example\r\n\r\n'],
	['the same Host twice', 'GET /bad HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
	...['a b', 'a/b', 'a@b', 'a,b', 'a?b', 'a#b', 'a\\b', 'a"b', '<a>', 'a:b', 'a:99999999', '[::1', 'a\xe9'].map((host) =>
		[`Host ${JSON.stringify(host)}`, `GET /bad HTTP/1.1\r\nHost: ${host}\r\n\r\n`]),
	// lengths and codings: what two parsers could read differently
	...['', '+1', '-1', '1 1', '0x1', '1.0', '1a', 'a', '1,2', '"1"', '1;', '99999999999999999999', '18446744073709551616',
		'\x0b1', '1\x00'].map((length) =>
		[`Content-Length ${JSON.stringify(length)}`, `POST /bad HTTP/1.1\r\nH\r\nContent-Length: ${length}\r\n\r\nx`]),
	['two lengths that differ', 'POST /bad HTTP/1.1\r\nH\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy'],
	['a length and chunked', 'POST /bad HTTP/1.1\r\nH\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
	['chunked and a length', 'POST /bad HTTP/1.1\r\nH\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n'],
	...['', 'identity', 'gzip', 'chunked, gzip', 'gzip, chunked', 'chunked, chunked', 'xchunked', 'chunkedx', 'chunked;a', '"chunked"',
		'\x0bchunked', 'chunked\x00', 'chunked, identity'].map((coding) =>
		[`Transfer-Encoding ${JSON.stringify(coding)}`, `POST /bad HTTP/1.1\r\nH\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`, [400, 501]]),
	['chunked twice', 'POST /bad HTTP/1.1\r\nH\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', [400, 501]],
	['chunked in HTTP/1.0', 'POST /bad HTTP/1.0\r\nH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
	// other protocols
	['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh\r\n\r\n'],
	['SSH', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
	['binary', '\x00\x01\x02\x03\xff\xfe\r\n\r\n'],
];

// Good heads with bodies that go wrong: the head may be on its way already.
const bodies = [
	...['', 'g', '-1', '+1', '0x1', ' 1', '1 1', '_1', '10000000000000000', 'ffffffffffffffff', '1\x00', '1\t'].map((size) =>
		[`chunk size ${JSON.stringify(size)}`, `${size}\r\nx\r\n0\r\n\r\n`]),
	['a bare LF after the size', '1\nx\r\n0\r\n\r\n'],
	['a bare LF after the data', '1\r\nx\n0\r\n\r\n'],
	['a bare CR after the size', '1\rx\r\n0\r\n\r\n'],
	['more data than the size says', '1\r\nxy\r\n0\r\n\r\n'],
	['no CRLF after the data', '1\r\nx0\r\n\r\n'],
	['LF in an extension', '1;a\nb\r\nx\r\n0\r\n\r\n'],
	['NUL in an extension', '1;\x00\r\nx\r\n0\r\n\r\n'],
	['an endless extension', `1;${'a'.repeat(100_000)}\r\nx\r\n0\r\n\r\n`],
	['an endless size', `${'0'.repeat(100_000)}1\r\nx\r\n0\r\n\r\n`],
	['a trailer without a colon', '0\r\nabc\r\n\r\n'],
	['a folded trailer', '0\r\nX: a\r\n b\r\n\r\n'],
	['a bare LF in a trailer', '0\r\nX: a\n\r\n'],
	['endless trailers', `0\r\n${'X: a\r\n'.repeat(50_000)}\r\n`],
];

async function send(bytes) {
	const wire = await Wire.connect(relay.origin);
	await wire.write(bytes);
	return wire;
}

describe('malformed requests', { skip: needsRelay }, () => {
	for (const [when, field] of [['before login', () => ''], ['after login', () => `\r\nCookie: ${cookie}`]])
		describe(when, () => {
			for (const [why, text, statuses = [400]] of heads)
				test(why, async () => {
					const host = `Host: 127.0.0.1:${relay.port}${field()}`;
					const wire = await send(text.replace('\r\nH\r\n', `\r\n${host}\r\n`) + SMUGGLED);
					const res = await wire.response();
					assert.ok(statuses.includes(res.status), `${res.status}, wanted ${statuses}`);
					assert.equal((await wire.rest()).length, 0, 'closed, with nothing after it');
					wire.destroy();
					assert.ok(!app.saw('/bad') && !app.saw('/smuggled'));
					await undisturbed(why);
				});

			for (const [why, body] of bodies)
				test(why, async () => {
					let complete;
					const path = app.on('body', (req, res) => {
						complete = false;
						req.on('error', () => {});
						req.resume();
						req.on('end', () => {
							complete = true;
							res.end('whole');
						});
					});
					const wire = await send(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${relay.port}${field()}\r\n` +
					    `Transfer-Encoding: chunked\r\n\r\n${body}${SMUGGLED}`);
					const all = (await wire.rest()).toString('latin1');
					wire.destroy();
					const lines = all.match(/HTTP\/1\.1 \d{3}/g) ?? [];
					assert.ok(lines.length <= 1, `one answer at most: ${lines}`);
					if (lines.length === 1)
						assert.match(lines[0], / (400|401|413|431)$/);
					assert.notEqual(complete, true, 'the app must not take it for whole');
					assert.ok(!app.saw('/smuggled'));
					await undisturbed(why);
				});
		});
});

describe('handshakes that are none', { skip: needsRelay }, () => {
	for (const [why, fields] of [
		['a WebSocket key of the wrong length', ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: c2hvcnQ=']],
		['no WebSocket key', ['Sec-WebSocket-Version: 13']],
		['two WebSocket keys', ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
			'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']],
		['a body', ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Content-Length: 4']],
	])
		test(`${why}: never 101, and no tunnel through which more could follow`, async () => {
			const path = app.onUpgrade('none', (req, socket) => {
				socket.on('error', () => {});
				socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
			});
			const wire = await send(rawRequest(relay.origin, `GET ${path}`, [`Cookie: ${cookie}`, 'Upgrade: websocket',
				'Connection: Upgrade', ...fields], 'body'));
			const res = await wire.response();
			assert.notEqual(res.status, 101);
			wire.destroy();
			await undisturbed(why);
		});
});

describe('too much', { skip: needsRelay }, () => {
	test('a head without end: 431, or 414 for its first line', async () => {
		for (const [why, text] of [
			['one huge field', `GET /big HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\n`],
			['many fields', `GET /big HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(200_000)}\r\n`],
			['a huge target', `GET /${'x'.repeat(1 << 20)} HTTP/1.1\r\nHost: x\r\n\r\n`],
			['a huge method', `${'G'.repeat(1 << 20)} / HTTP/1.1\r\nHost: x\r\n\r\n`],
			['a huge cookie', `GET /big HTTP/1.1\r\nHost: x\r\nCookie: ${'adit=x; '.repeat(100_000)}\r\n\r\n`],
		]) {
			const wire = await Wire.connect(relay.origin);
			wire.write(text);
			// It may be closed while we still send: then there is only the end.
			const bytes = (await wire.rest()).toString('latin1');
			wire.destroy();
			if (bytes !== '' || !wire.reset)
				assert.match(bytes, /^HTTP\/1\.1 (400|414|431|501) /, why);
			assert.ok(!app.saw('/big'));
			await undisturbed(why);
		}
	});

	test('blank lines without end', async () => {
		const wire = await Wire.connect(relay.origin);
		wire.write('\r\n'.repeat(100_000));
		const bytes = (await wire.rest()).toString('latin1');
		wire.destroy();
		if (bytes !== '')
			assert.match(bytes, /^HTTP\/1\.1 400 /);
		await undisturbed('blank lines');
	});

	test('a head that never ends is closed by its deadline', async () => {
		for (const text of ['GET', 'GET / HTTP/1.1\r\nHost: x\r\n', 'GET / HTTP/1.1\r\nHost: x\r\nX: y']) {
			const wire = await send(text);
			const bytes = (await wire.rest()).toString('latin1');
			wire.destroy();
			if (bytes !== '')
				assert.match(bytes, /^HTTP\/1\.1 (400|408) /);
		}
		await undisturbed('half a head');
	});

	test('500 connections that say nothing, or end at once', async () => {
		const quiet = await Promise.all(Array.from({ length: 200 }, () => Wire.connect(relay.origin)));
		for (let i = 0; i < 300; i++)
			(await Wire.connect(relay.origin)).destroy();
		await undisturbed('silence');
		quiet.forEach((wire) => wire.destroy());
	});
});

// What an app may get wrong. `bad` is sent as the whole answer.
const answers = [
	['no status line', 'hello\r\n\r\n'],
	['another protocol', 'ICY 200 OK\r\n\r\n'],
	['HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
	['a status of two digits', 'HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n'],
	['a status of four digits', 'HTTP/1.1 2000 X\r\nContent-Length: 0\r\n\r\n'],
	['a status that is no number', 'HTTP/1.1 abc X\r\nContent-Length: 0\r\n\r\n'],
	['two lengths that differ', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nevil'],
	['a length and chunked', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n'],
	['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nevil'],
	['a length with a sign', 'HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nevil'],
	['a length beyond 64 bits', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nevil'],
	['a coding nobody asked for', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nevil'],
	['chunked twice', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n'],
	['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nevil'],
	['a field without a colon', 'HTTP/1.1 200 OK\r\nevil\r\nContent-Length: 0\r\n\r\n'],
	['a folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n evil: b\r\nContent-Length: 0\r\n\r\n'],
	['NUL in a value', 'HTTP/1.1 200 OK\r\nX: e\x00vil\r\nContent-Length: 0\r\n\r\n'],
	['a bare CR in a value', 'HTTP/1.1 200 OK\r\nX: e\rvil: 1\r\nContent-Length: 0\r\n\r\n'],
	['a bare LF in a value', 'HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: adit=evil\r\nContent-Length: 0\r\n\r\n'],
	['NUL in the reason', 'HTTP/1.1 200 e\x00vil\r\nContent-Length: 0\r\n\r\n'],
	['a head without end', `HTTP/1.1 200 OK\r\nX: ${'evil'.repeat(1 << 18)}\r\n\r\n`],
	['a switch of protocols that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: Upgrade\r\n\r\nevil'],
];

const brokenChunks = ['zz\r\nevil\r\n0\r\n\r\n', '-4\r\nevil\r\n0\r\n\r\n', '4\nevil\r\n0\r\n\r\n', '4\r\nevilX0\r\n\r\n',
	'ffffffffffffffff\r\nevil\r\n0\r\n\r\n', '0x4\r\nevil\r\n0\r\n\r\n', '0\r\nbad trailer\r\n\r\n'];

describe('malformed answers', { skip: needsRelay }, () => {
	for (const [why, bad] of answers)
		test(why, async () => {
			const path = app.on('answer', (req) => {
				req.socket.on('error', () => {});
				req.socket.end(Buffer.from(bad, 'latin1'));
			});
			const wire = await send(rawRequest(relay.origin, `GET ${path}`, [`Cookie: ${cookie}`, 'Connection: close']));
			const all = (await wire.rest()).toString('latin1');
			wire.destroy();
			assert.match(all, /^HTTP\/1\.1 502 /);
			assert.ok(!all.includes('evil'), all);
			await undisturbed(why);
		});

	for (const bad of brokenChunks)
		test(`chunks that break: ${JSON.stringify(bad.slice(0, 20))}`, async () => {
			const path = app.on('chunks', (req) => {
				req.socket.on('error', () => {});
				req.socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n${bad}`);
			});
			const wire = await send(rawRequest(relay.origin, `GET ${path}`, [`Cookie: ${cookie}`]));
			const all = (await wire.rest()).toString('latin1');
			wire.destroy();
			assert.ok(!all.endsWith('\r\n0\r\n\r\n'), 'it must not look whole');
			assert.match(all, /^HTTP\/1\.1 (200|502) /);
			await undisturbed(bad);
		});

	test('what follows an answer without a body is never taken for the next answer', async () => {
		const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';
		for (const [method, first] of [
			['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
			['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
			['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
			['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
			['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
			['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
		]) {
			const path = app.on('poison', (req) => req.socket.write(first + poison));
			const wire = await send(rawRequest(relay.origin, `${method} ${path}`, [`Cookie: ${cookie}`]));
			const one = await wire.response(method === 'HEAD');
			assert.ok(one.status < 400 || one.status === 502);
			await wire.write(rawRequest(relay.origin, 'GET /ok', [`Cookie: ${cookie}`, 'Connection: close']));
			const rest = (await wire.rest()).toString('latin1');
			wire.destroy();
			assert.ok(!rest.includes('poison'), first);
			if (rest !== '')
				assert.ok(rest.endsWith('ok\n'), rest);
			await undisturbed(first);
		}
	});

	test('an app that talks before it is asked, and one that never stops its interim answers', async () => {
		const path = app.on('interim', (req) => {
			req.socket.on('error', () => {});
			const more = () => {
				if (!req.socket.destroyed)
					req.socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000), more);
			};
			more();
		});
		const wire = await send(rawRequest(relay.origin, `GET ${path}`, [`Cookie: ${cookie}`]));
		await wire.until((b) => b.length > 100 ? true : undefined);
		wire.destroy();
		await undisturbed('interim answers');
	});
});

describe('the tunnel\'s own door', { skip: needsRelay }, () => {
	test('no token, a wrong one, and a person\'s cookie: 401', async () => {
		const fields = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
			'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: adit.tunnel.1'];
		for (const extra of [[], ['Authorization: Bearer wrong'], [`Cookie: ${cookie}`], ['Authorization: Basic eDp5'],
			[`Authorization: Bearer ${relay.secrets.token}x`], [`Authorization: ${relay.secrets.token}`], ['Authorization: Bearer ']]) {
			const wire = await send(rawRequest(relay.origin, 'GET /tunnel', [...fields, ...extra]));
			const res = await wire.response();
			assert.equal(res.status, 401, extra.join());
			assert.match(values(res.fields, 'content-type').join(), /^application\/json/);
			wire.destroy();
			await undisturbed('a wrong token');
		}
	});

	test('a token that is not in Authorization does not count', async () => {
		const res = await request(relay.origin, `/tunnel?token=${relay.secrets.token}`);
		assert.equal(res.status, 426);
	});
});
