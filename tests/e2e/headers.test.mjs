// What an app sees, what it may answer, and who may call it from where:
// Heads as an app and a client see them; pages of other sites (SECURITY.md).

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { App } from './app.mjs';
import { deployment } from './deployment.mjs';
import { NEVER_MS, freePorts, login, needsRelay, shutDown, startAgent, startRelay } from './harness.mjs';
import { Wire, rawRequest, request, values } from './http.mjs';
import { wsClient } from './ws-client.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

// Its `head` says what the app saw.
async function deploy(how) {
	const d = await deployment(how);
	const head = async (more = {}, extra = {}) => {
		const res = await request(d.relay.origin, '/head', { headers: { ...d.headers, ...more }, ...extra });
		assert.equal(res.status, 200, res.body.toString());
		return res.json.headers;
	};
	return { ...d, head };
}

// What a client may try to make the app believe.
const FORGED = ['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'Forwarded', 'X-Forwarded-User',
	'X-Forwarded-Groups', 'X-Real-IP', 'X_Forwarded_For', 'X-Forwarded_User', 'X_FORWARDED_USER', 'x_real_ip',
	'x-forwarded_groups', 'X_Forwarded-Proto'];

describe('what an app sees', { skip: needsRelay }, () => {
	let d;
	before(async () => {
		d = await deploy();
	});

	test('who, from where, under which name', async () => {
		const seen = await d.head();
		const host = `127.0.0.1:${d.relay.port}`;
		assert.deepEqual(values(seen, 'host'), [host]);
		assert.deepEqual(values(seen, 'x-forwarded-for'), ['127.0.0.1']);
		assert.deepEqual(values(seen, 'x-forwarded-proto'), ['http']);
		assert.deepEqual(values(seen, 'x-forwarded-host'), [host]);
		assert.deepEqual(values(seen, 'x-forwarded-user'), ['shared']);
		assert.deepEqual(values(seen, 'x-forwarded-groups'), ['admin']);
		const [forwarded] = values(seen, 'forwarded');
		assert.match(forwarded, /for="?127\.0\.0\.1"?/);
		assert.match(forwarded, /proto=http/);
		assert.match(forwarded, new RegExp(`host="${host}"`));
	});

	test('the client\'s address is the one it has', async () => {
		const seen = await d.head({}, { localAddress: '127.0.0.3' });
		assert.deepEqual(values(seen, 'x-forwarded-for'), ['127.0.0.3']);
	});

	test('what a client sends under those names, in any spelling, never arrives', async () => {
		const forged = Object.fromEntries(FORGED.map((n) => [n, n === 'X-Forwarded-Proto' ? 'https' : 'forged']));
		const seen = await d.head(forged);
		assert.ok(!JSON.stringify(seen).includes('forged'), JSON.stringify(seen));
		assert.deepEqual(values(seen, 'x-forwarded-proto'), ['http']);
		assert.deepEqual(values(seen, 'x-forwarded-user'), ['shared']);
		for (const [name] of seen)
			assert.ok(!name.includes('_'), name);
	});

	test('nor can a client have the relay\'s own headers dropped', async () => {
		const wire = await Wire.connect(d.relay.origin);
		await wire.write(rawRequest(d.relay.origin, 'GET /head', [`Cookie: ${d.headers.cookie}`,
			'Connection: close, X-Forwarded-For, X-Forwarded-User, Forwarded, X-Forwarded-Groups, Host']));
		const res = await wire.response();
		if (res.status === 200) {
			const seen = JSON.parse(res.body).headers;
			assert.deepEqual(values(seen, 'x-forwarded-for'), ['127.0.0.1']);
			assert.deepEqual(values(seen, 'x-forwarded-user'), ['shared']);
			assert.equal(values(seen, 'host').length, 1);
		} else {
			assert.equal(res.status, 400);
		}
		wire.destroy();
	});

	test('our cookies never reach an app, others do, in order', async () => {
		const session = d.headers.cookie;
		for (const [sent, seen] of [
			[session, []],
			[`a=1; ${session}; b=2`, ['a=1; b=2']],
			[`${session}; theme=dark`, ['theme=dark']],
			[`theme="x; y"; ${session}`, ['theme="x; y"']],
			[`${session}; adit-device=x; __Host-adit=y; aditional=z`, ['aditional=z']],
		]) {
			const got = await request(d.relay.origin, '/head', { headers: { cookie: sent } });
			assert.equal(got.status, 200, sent.replace(/=ey[^;]*/, '=...'));
			assert.deepEqual(values(got.json.headers, 'cookie'), seen);
		}
	});

	test('a bearer token of ours never reaches an app, any other Authorization does', async () => {
		const ours = await request(d.relay.origin, '/head',
		    { headers: { ...d.headers, authorization: 'Bearer adit_0123456789abcdef0123456789abcdef' } });
		if (ours.status === 200)
			assert.deepEqual(values(ours.json.headers, 'authorization'), []);
		else
			assert.equal(ours.status, 401);
		for (const authorization of ['Bearer abc', 'Basic dTpw', 'Digest username="x"', 'AWS4-HMAC-SHA256 x'])
			assert.deepEqual(values(await d.head({ authorization }), 'authorization'), [authorization]);
	});

	test('an app can never set our cookies', async () => {
		const path = d.app.on('set', (req, res) => {
			res.setHeader('Set-Cookie', ['a=1; Path=/', 'adit=evil; Path=/', 'adit-device=evil', '__Host-adit=evil; Secure; Path=/',
				'b=2; HttpOnly', ' adit=evil', 'adit =evil', 'aditional=3']);
			res.end();
		});
		const res = await request(d.relay.origin, path, { headers: d.headers });
		assert.deepEqual(res.headers['set-cookie'], ['a=1; Path=/', 'b=2; HttpOnly', 'aditional=3']);
	});

	test('a WebSocket\'s handshake gets the same treatment', async () => {
		let seen;
		const path = d.app.onWs('ws-head', {}, (s, req) => {
			seen = req.headers;
			s.close();
		});
		const client = wsClient(d.relay.origin.replace('http', 'ws') + path, [], {
			headers: { ...d.headers, 'X-Forwarded-User': 'forged', 'x_forwarded_user': 'forged' },
		});
		await client.closed();
		assert.equal(seen['x-forwarded-user'], 'shared');
		assert.equal(seen['x-forwarded-for'], '127.0.0.1');
		assert.equal(seen.cookie, undefined);
		assert.ok(!JSON.stringify(seen).includes('forged'));
	});

	test('two sessions on one connection never share a connection to the app', async () => {
		const other = (await login(d.relay.origin, d.relay.secrets.password)).headers(d.relay.origin);
		const wire = await Wire.connect(d.relay.origin);
		const ask = async (cookie) => {
			await wire.write(rawRequest(d.relay.origin, 'GET /head', [`Cookie: ${cookie}`]));
			return JSON.parse((await wire.response()).body).connection;
		};
		const first = await ask(d.headers.cookie);
		assert.equal(await ask(d.headers.cookie), first, 'the same person goes on using it');
		const second = await ask(other.cookie);
		assert.notEqual(second, first);
		wire.destroy();
	});
});

describe('behind a trusted proxy', { skip: needsRelay }, () => {
	let d;
	before(async () => {
		d = await deploy({ args: ['--trust-proxy', 'true'] });
	});

	test('the client is the rightmost address that is not itself trusted', async () => {
		for (const [sent, want] of [
			['9.9.9.9', '9.9.9.9'], ['1.1.1.1, 9.9.9.9', '9.9.9.9'], ['1.1.1.1, 9.9.9.9, 127.0.0.1', '9.9.9.9'],
			['evil, 9.9.9.9', '9.9.9.9'], ['9.9.9.9:1234', '9.9.9.9'], ['2001:db8::1', '2001:db8::1'], ['[2001:db8::1]:99', '2001:db8::1'],
		]) {
			const seen = values(await d.head({ 'X-Forwarded-For': sent }), 'x-forwarded-for').join();
			assert.equal(seen, want, sent);
		}
		const lists = values(await d.head({ 'X-Forwarded-For': ['1.1.1.1', '9.9.9.9'] }), 'x-forwarded-for').join();
		assert.equal(lists, '9.9.9.9');
	});

	test('scheme and host are the proxy\'s word, the user is not', async () => {
		const res = await request(d.relay.origin, '/head', { headers: {
			'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'www.example',
			// Over https the cookie has another name.
			cookie: d.headers.cookie.replace(/(^|; )adit/g, '$1__Host-adit'),
			'X-Forwarded-User': 'forged', 'X-Real-IP': 'forged', 'X_Forwarded_Host': 'forged',
		} });
		assert.equal(res.status, 200);
		const seen = res.json.headers;
		assert.deepEqual(values(seen, 'x-forwarded-proto'), ['https']);
		assert.deepEqual(values(seen, 'x-forwarded-host'), ['www.example']);
		assert.deepEqual(values(seen, 'x-forwarded-user'), ['shared']);
		assert.ok(!JSON.stringify(seen).includes('forged'));
	});
});

describe('host=app', { skip: needsRelay }, () => {
	test('the app is called by its own address, and its Location is turned back', async () => {
		const d = await deploy({ appOptions: ',host=app' });
		const own = `127.0.0.1:${d.app.port}`;
		const seen = await d.head({ origin: d.relay.origin });
		assert.deepEqual(values(seen, 'host'), [own]);
		assert.deepEqual(values(seen, 'origin'), [`http://${own}`]);
		assert.deepEqual(values(seen, 'x-forwarded-host'), [`127.0.0.1:${d.relay.port}`]);
		let place;
		const path = d.app.on('away', (req, res) => {
			res.writeHead(302, { Location: place });
			res.end();
		});
		for (const [sent, want] of [[`http://${own}/x?y#z`, [`${d.relay.origin}/x?y#z`, '/x?y#z']],
			['http://other.example/x', ['http://other.example/x']], ['/x', ['/x']],
			[`http://${own}.evil.example/`, [`http://${own}.evil.example/`]]]) {
			place = sent;
			const res = await request(d.relay.origin, path, { headers: d.headers });
			assert.ok(want.includes(res.headers.location), `${sent} became ${res.headers.location}`);
		}
	});
});

describe('cross-site', { skip: needsRelay }, () => {
	let d;
	let echo;
	before(async () => {
		d = await deploy();
		echo = d.app.onWs('echo', {}, (s) => s.on('message', (m) => s.send(m)));
	});

	const foreign = [
		['another origin', { origin: 'https://evil.example' }],
		['another port', { origin: 'http://127.0.0.1:1' }],
		['null', { origin: 'null' }],
		['a longer name', { origin: 'http://127.0.0.1.evil.example' }],
		['not an origin', { origin: 'x' }],
		['cross-site', { 'sec-fetch-site': 'cross-site' }],
		['same-site', { 'sec-fetch-site': 'same-site' }],
		['nonsense', { 'sec-fetch-site': 'maybe' }],
		['both', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
	];

	test('unsafe methods and WebSockets from other sites are refused', async () => {
		const count = d.app.seen.length;
		for (const [why, headers] of foreign) {
			for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
				const res = await request(d.relay.origin, '/ok', { method, headers: { ...d.headers, ...headers } });
				assert.equal(res.status, 403, `${method}, ${why}`);
			}
			const client = wsClient(d.relay.origin.replace('http', 'ws') + echo, [], { headers: { ...d.headers, ...headers } });
			await assert.rejects(client.opened(), /403/, why);
		}
		assert.equal(d.app.seen.length, count, 'the app saw none of it');
	});

	test('safe methods are the app\'s affair', async () => {
		for (const [, headers] of foreign)
			for (const method of ['GET', 'HEAD', 'OPTIONS']) {
				const res = await request(d.relay.origin, '/ok', { method, headers: { ...d.headers, ...headers } });
				assert.equal(res.status, 200);
			}
	});

	test('the site\'s own pages, and programs, may do everything', async () => {
		for (const headers of [{}, { origin: d.relay.origin }, { 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' },
			{ origin: d.relay.origin, 'sec-fetch-site': 'same-origin' }]) {
			const res = await request(d.relay.origin, '/ok', { method: 'POST', headers: { ...d.headers, ...headers } });
			assert.equal(res.status, 200, JSON.stringify(headers));
			const client = await wsClient(d.relay.origin.replace('http', 'ws') + echo, [], { headers: { ...d.headers, ...headers } }).opened();
			client.send('x');
			await client.message();
			client.terminate();
		}
	});

	test('the logout of the relay is not another site\'s to call', async () => {
		const mine = (await login(d.relay.origin, d.relay.secrets.password)).headers(d.relay.origin);
		for (const [why, headers] of foreign) {
			const res = await request(d.relay.origin, '/_adit/api/auth/logout', { method: 'POST', headers: { ...mine, ...headers } });
			assert.equal(res.status, 403, why);
		}
		assert.equal((await request(d.relay.origin, '/ok', { headers: mine })).status, 200);
	});

	test('origin=... lets that one site in', async () => {
		const open = await deploy({ appOptions: ',origin=https://friend.example' });
		const friend = { ...open.headers, origin: 'https://friend.example', 'sec-fetch-site': 'cross-site' };
		assert.equal((await request(open.relay.origin, '/ok', { method: 'POST', headers: friend })).status, 200);
		for (const origin of ['https://evil.example', 'http://friend.example', 'https://friend.example:8443', 'https://friend.example.evil.example']) {
			const res = await request(open.relay.origin, '/ok', { method: 'POST', headers: { ...friend, origin } });
			assert.equal(res.status, 403, origin);
		}
	});

	test('another app\'s site is another site', async () => {
		const [a, b] = await freePorts(2);
		const app = await App.start();
		const relay = await startRelay({ knownPorts: [a, b],
			args: ['--listen', `127.0.0.1:${a}=one`, '--listen', `127.0.0.1:${b}=two`] });
		await startAgent({ relay, apps: [`one=127.0.0.1:${app.port}`, `two=127.0.0.1:${app.port}`] });
		const jar = await login(relay.origin, relay.secrets.password);
		const one = `http://127.0.0.1:${a}`;
		await jar.open(`${one}/ok`);
		const post = (origin) => request(one, '/ok', { method: 'POST', headers: { ...jar.headers(one), origin } });
		assert.equal((await post(one)).status, 200);
		assert.equal((await post(`http://127.0.0.1:${b}`)).status, 403);
		assert.equal((await post(relay.origin)).status, 403);
	});
});
