// Login, sessions and logout, as far as one password goes.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { App } from './app.mjs';
import { deployment } from './deployment.mjs';
import {
	Jar, NEVER_MS, login, needsRelay, restartRelay, shutDown, startAgent, startRelay,
} from './harness.mjs';
import { request } from './http.mjs';
import { wsClient } from './ws-client.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

const post = (relay, body, { headers = {}, path = '/api/auth/login', ...more } = {}) =>
	request(relay.origin, path, {
		method: 'POST',
		headers: { 'content-type': 'application/json', ...headers },
		body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
		...more,
	});
const check = (relay, cookie, more = {}) => request(relay.origin, '/api/auth/check',
    { headers: cookie === undefined ? {} : { cookie }, ...more });
const cookiesOf = (res) => res.headers['set-cookie'] ?? [];
const sessionCookie = (res) => cookiesOf(res).find((c) => /^(__Host-)?adit=/.test(c));
const pair = (res) => sessionCookie(res).split(';')[0];

// Attempts are counted by address: who guesses here does it from one of its own.
describe('login by programs', { skip: needsRelay }, () => {
	let relay;
	before(async () => {
		relay = await startRelay();
	});

	test('the right password gives ok and a session of 24 hours', async () => {
		const res = await post(relay, { password: relay.secrets.password });
		assert.equal(res.status, 200);
		assert.deepEqual(res.json, { ok: true });
		const cookie = sessionCookie(res);
		const attributes = cookie.split(';').slice(1).map((a) => a.trim().toLowerCase());
		for (const a of ['path=/', 'httponly', 'samesite=lax'])
			assert.ok(attributes.includes(a), `${a} in ${attributes}`);
		assert.ok(!attributes.includes('secure'), 'over http the browser would drop it');
		assert.ok(!attributes.some((a) => a.startsWith('domain')), 'it is for this host only');
		const parts = pair(res).slice('adit='.length).split('.');
		assert.equal(parts.length, 3);
		const [head, claims] = parts.slice(0, 2).map((p) => JSON.parse(Buffer.from(p, 'base64url')));
		assert.equal(head.alg, 'HS256');
		assert.equal(claims.exp - claims.iat, 86400);
		assert.equal((await check(relay, pair(res))).status, 200);
	});

	test('a wrong password gives 401 and no cookie', async () => {
		for (const password of ['', 'wrong', `${relay.secrets.password}x`, relay.secrets.password.slice(1),
			relay.secrets.password.toUpperCase()]) {
			const res = await post(relay, { password }, { localAddress: '127.0.0.4' });
			assert.ok([400, 401].includes(res.status), `${res.status}`);
			assert.equal(typeof res.json.error, 'string');
			assert.equal(sessionCookie(res), undefined);
		}
	});

	test('a password of any bytes is compared as it is', async () => {
		const secrets = { ...relay.secrets, password: 'Zoë\'s "pass\\word" – 日本 🔑' };
		const other = await startRelay({ secrets });
		assert.equal((await post(other, { password: secrets.password })).status, 200);
		assert.equal((await post(other, { password: `${secrets.password} ` })).status, 401);
	});

	test('what is not a login is refused by name: 400, 405, 413', async () => {
		for (const body of ['', '{', 'null', '[]', '{}', '{"password":1}', '{"password":null}',
			`{"password":"${relay.secrets.password}"`, `{"password":"${relay.secrets.password}"}x`,
			Buffer.from('{"password":"\xff\xfe"}', 'latin1'), '['.repeat(1000)]) {
			const res = await post(relay, body, { localAddress: '127.0.0.5' });
			assert.equal(res.status, 400, JSON.stringify(String(body).slice(0, 60)));
			assert.equal(typeof res.json.error, 'string');
		}
		for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
			const res = await request(relay.origin, '/api/auth/login', { method });
			assert.equal(res.status, 405);
			assert.match(res.headers.allow, /POST/);
		}
		const huge = await post(relay, `{"password":"${'x'.repeat(1 << 20)}"}`).catch((e) => ({ status: e.code }));
		assert.ok([413, 'ECONNRESET', 'EPIPE'].includes(huge.status), `${huge.status}`);
	});

	test('no session, and 401 says so in JSON', async () => {
		const res = await check(relay);
		assert.equal(res.status, 401);
		assert.equal(typeof res.json.error, 'string');
		assert.match(res.headers['content-type'], /^application\/json/);
	});

	test('a token that was changed, cut, or signed by somebody else counts for nothing and is deleted', async () => {
		const good = pair(await post(relay, { password: relay.secrets.password }));
		const [head, claims, mac] = good.slice('adit='.length).split('.');
		const b64 = (v) => Buffer.from(JSON.stringify(v)).toString('base64url');
		const sign = (h, c, key) => `${h}.${c}.${createHmac('sha256', key).update(`${h}.${c}`).digest('base64url')}`;
		const longer = { ...JSON.parse(Buffer.from(claims, 'base64url')), exp: 4102444800 };
		const flipped = Buffer.from(mac, 'base64url');
		flipped[0] ^= 1;
		for (const token of [
			`${head}.${claims}.${flipped.toString('base64url')}`,
			`${head}.${b64(longer)}.${mac}`,
			`${b64({ alg: 'none', typ: 'JWT' })}.${claims}.`,
			`${b64({ alg: 'none', typ: 'JWT' })}.${claims}.${mac}`,
			`${b64({ alg: 'HS512', typ: 'JWT' })}.${claims}.${mac}`,
			sign(head, claims, ''), sign(head, claims, 'secret'), sign(head, claims, relay.secrets.password),
			sign(head, claims, relay.secrets.token),
			`${head}.${claims}`, `${head}.${claims}.`, `.${claims}.${mac}`, '..', 'x', 'a.b.c',
			`${head}.${claims}.${mac}x`, `${head}.${claims}.${mac.slice(0, -1)}`, `${head}.${claims}.${mac}.`,
			`${head}.${claims}.${mac}=`, 'x'.repeat(4000),
		]) {
			const res = await check(relay, `adit=${token}`);
			assert.equal(res.status, 401, token.slice(0, 80));
			const deleted = cookiesOf(res).find((c) => c.startsWith('adit=;'));
			assert.match(deleted ?? '', /max-age=0|expires=thu, 01 jan 1970/i, 'deleted with it');
		}
		assert.equal((await check(relay, good)).status, 200);
	});

	test('two cookies of that name count as none', async () => {
		const good = pair(await post(relay, { password: relay.secrets.password }));
		assert.equal((await check(relay, `a=b; ${good}; c=d`)).status, 200);
		assert.equal((await check(relay, `${good}; ${good}`)).status, 401);
		assert.equal((await check(relay, `adit=x; ${good}`)).status, 401);
		assert.equal((await check(relay, `${good}; adit=`)).status, 401);
	});

	test('logout ends the token, not only the cookie', async () => {
		const one = pair(await post(relay, { password: relay.secrets.password }));
		const two = pair(await post(relay, { password: relay.secrets.password }));
		assert.notEqual(one, two);
		const out = await post(relay, '', { path: '/api/auth/logout', headers: { cookie: one } });
		assert.equal(out.status, 200);
		assert.match(cookiesOf(out).find((c) => c.startsWith('adit=;')) ?? '', /max-age=0|expires=/i);
		assert.equal((await check(relay, one)).status, 401);
		assert.equal((await check(relay, two)).status, 200, 'another session goes on');
	});

	test('the long names of these paths work as well', async () => {
		const res = await post(relay, { password: relay.secrets.password }, { path: '/_adit/api/auth/login' });
		assert.equal(res.status, 200);
		const path = '/_adit/api/auth/check';
		assert.equal((await request(relay.origin, path, { headers: { cookie: pair(res) } })).status, 200);
		assert.equal((await request(relay.origin, path)).status, 401);
	});
});

describe('sessions', { skip: needsRelay }, () => {
	test('survive a restart, as does a logout; another JWT_SECRET ends them', async () => {
		const first = await startRelay();
		const stays = pair(await post(first, { password: first.secrets.password }));
		const leaves = pair(await post(first, { password: first.secrets.password }));
		await post(first, '', { path: '/api/auth/logout', headers: { cookie: leaves } });
		assert.deepEqual(await first.proc.stop(), { code: 0, signal: null });

		const second = await restartRelay(first);
		assert.equal((await check(second, stays)).status, 200);
		assert.equal((await check(second, leaves)).status, 401);
		await second.proc.stop();

		const third = await restartRelay(first, { env: { JWT_SECRET: 'k3ZpX9-another-key-of-some-length-0Lq7' } });
		assert.equal((await check(third, stays)).status, 401);
		await third.proc.stop();
	});

	test('survive even a relay that was killed', async () => {
		const first = await startRelay();
		const stays = pair(await post(first, { password: first.secrets.password }));
		const leaves = pair(await post(first, { password: first.secrets.password }));
		await post(first, '', { path: '/api/auth/logout', headers: { cookie: leaves } });
		await first.proc.stop('SIGKILL');
		const second = await restartRelay(first);
		assert.equal((await check(second, stays)).status, 200);
		assert.equal((await check(second, leaves)).status, 401);
	});

	test('another password ends them', async () => {
		const first = await startRelay();
		const cookie = pair(await post(first, { password: first.secrets.password }));
		await first.proc.stop();
		const second = await restartRelay(first, { secrets: { ...first.secrets, password: 'quite-another-one-9' } });
		assert.equal((await check(second, cookie)).status, 401);
	});

	test('a logout closes the WebSocket (1008) and the stream that ran under it', async () => {
		const { app, relay, headers: mine } = await deployment();
		const echo = app.onWs('echo', {}, (s) => s.on('message', (d) => s.send(d)));
		const theirs = (await login(relay.origin, relay.secrets.password)).headers(relay.origin);
		const url = relay.origin.replace('http', 'ws') + echo;
		const ending = await wsClient(url, [], { headers: mine }).opened();
		const staying = await wsClient(url, [], { headers: theirs }).opened();
		ending.send('before');
		await ending.message();
		const out = await request(relay.origin, '/_adit/api/auth/logout', { method: 'POST', headers: mine });
		assert.equal(out.status, 200);
		assert.equal((await ending.closed()).code, 1008);
		staying.send('still here');
		assert.equal((await staying.message()).data.toString(), 'still here');
		staying.terminate();
		assert.equal((await request(relay.origin, '/ok', { headers: mine })).status, 401);
	});

	test('the data directory is the owner\'s alone', async () => {
		const relay = await startRelay();
		await post(relay, { password: relay.secrets.password });
		const folder = join(relay.dir, 'data', 'relay');
		assert.equal(statSync(folder).mode & 0o777, 0o700);
		for (const name of readdirSync(folder)) {
			const file = join(folder, name);
			assert.equal(statSync(file).mode & 0o077, 0, name);
			if (statSync(file).isFile())
				assert.ok(!readFileSync(file).includes(relay.secrets.password), `the password is not kept: ${name}`);
		}
	});
});

describe('pages', { skip: needsRelay }, () => {
	let relay;
	before(async () => {
		relay = await startRelay();
	});
	const go = (path, headers = {}, more = {}) => request(relay.origin, path,
	    { headers: { accept: 'text/html,*/*;q=0.8', ...headers }, ...more });

	test('a navigation without a session is sent to the login page, all else gets 401', async () => {
		for (const [headers, method] of [
			[{}, 'GET'], [{}, 'HEAD'],
			[{ 'sec-fetch-mode': 'navigate' }, 'GET'], [{ 'sec-fetch-mode': 'navigate', accept: '*/*' }, 'GET'],
		]) {
			const res = await go('/?a=b&c=d', headers, { method });
			assert.equal(res.status, 303);
			const to = new URL(res.headers.location, relay.origin);
			assert.equal(to.origin, relay.origin);
			assert.equal(to.pathname, '/_adit/login');
			assert.equal(to.searchParams.get('next'), '/?a=b&c=d');
		}
		for (const [headers, method] of [
			[{ accept: '*/*' }, 'GET'], [{ 'sec-fetch-mode': 'cors' }, 'GET'], [{ 'sec-fetch-mode': 'no-cors' }, 'GET'],
			[{ 'sec-fetch-mode': 'navigate' }, 'POST'], [{}, 'POST'],
		]) {
			const res = await go('/', headers, { method });
			assert.ok(res.status === 401 || (method === 'POST' && res.status === 405), `${method} ${res.status}`);
			assert.match(res.headers['content-type'], /^application\/json/);
		}
	});

	test('the login page guards itself and shows nothing unescaped', async () => {
		const evil = '"><script>alert(1)</script><x y=\'';
		for (const path of ['/_adit/login', `/_adit/login?next=${encodeURIComponent(evil)}`,
			`/_adit/login?next=${encodeURIComponent(`/${evil}`)}`, `/_adit/login?error=${encodeURIComponent(evil)}`]) {
			const res = await go(path);
			assert.equal(res.status, 200);
			assert.match(res.headers['content-type'], /^text\/html; ?charset=utf-8$/i);
			const csp = res.headers['content-security-policy'];
			assert.match(csp, /default-src 'none'/);
			assert.match(csp, /frame-ancestors 'none'/);
			assert.doesNotMatch(csp, /unsafe/);
			assert.match(res.headers['cache-control'], /no-store/);
			assert.equal(res.headers['x-content-type-options'], 'nosniff');
			assert.equal(res.headers['referrer-policy'], 'no-referrer');
			const html = res.body.toString();
			assert.ok(!html.includes('<script>alert'), path);
			assert.match(html, /type="?password/);
		}
	});

	test('error pages show nothing unescaped', async () => {
		const jar = await login(relay.origin, relay.secrets.password);
		for (const path of ['/%3Cscript%3Ealert(1)%3C/script%3E', '/<script>alert(1)</script>', '/_adit/<script>alert(1)</script>'])
			for (const headers of [{}, jar.headers(relay.origin)]) {
				const res = await go(path, headers);
				assert.ok(!res.body.toString().includes('<script>alert'), path);
				assert.ok(!/script>/.test(res.headers.location ?? ''), 'nor in Location');
			}
	});

	test('`next` leads nowhere but to this relay', async () => {
		const jar = await login(relay.origin, relay.secrets.password);
		for (const next of ['//evil.example/', '/\\evil.example/', '\\/evil.example', 'https://evil.example/', 'http:evil.example',
			'javascript:alert(1)', '/\t/evil.example', '/\n/evil.example', '\t//evil.example', ' //evil.example', '///evil.example',
			'/a\r\nSet-Cookie: x=y', 'evil.example', `/${'x'.repeat(5000)}`, '@evil.example', '?', '#', '/\u0000',
			`http://${new URL(relay.origin).host}@evil.example/`, 'http://127.0.0.1:1/']) {
			const res = await go(`/_adit/login?next=${encodeURIComponent(next)}`, jar.headers(relay.origin));
			assert.equal(res.status, 303, JSON.stringify(next));
			const to = new URL(res.headers.location, relay.origin);
			assert.equal(to.origin, relay.origin, JSON.stringify(next));
			assert.equal(res.headers['set-cookie'], undefined);
		}
		for (const next of ['/', '/a/b?c=d&e=%20', '/?next=//evil.example', '/_adit/']) {
			const res = await go(`/_adit/login?next=${encodeURIComponent(next)}`, jar.headers(relay.origin));
			assert.equal(res.headers.location.replace(relay.origin, ''), next);
		}
	});
});

describe('many guesses', { skip: needsRelay }, () => {
	test('are slowed down, and never refuse another\'s right password', async () => {
		const relay = await startRelay();
		const right = { password: relay.secrets.password };
		// Somebody's browser that has been here before.
		const known = new Jar();
		known.take(relay.origin, await post(relay, right));
		let limited;
		for (let i = 0; i < 1000 && limited === undefined; i++) {
			const res = await post(relay, { password: `guess ${i}` });
			if (res.status === 429)
				limited = res;
			else
				assert.equal(res.status, 401);
		}
		assert.ok(limited !== undefined, 'a thousand guesses, and none was refused');
		assert.match(limited.headers['retry-after'], /^\d+$/);
		// From another address.
		assert.equal((await post(relay, right, { localAddress: '127.0.0.2' })).status, 200);
		// From the same address, by the browser that is known here.
		const again = await post(relay, right, { headers: known.headers(relay.origin) });
		assert.equal(again.status, 200);
		// And who is logged in notices nothing.
		assert.equal((await check(relay, pair(again))).status, 200);
	});
});

describe('behind a proxy that ends TLS', { skip: needsRelay }, () => {
	test('the cookie is Secure and carries the __Host- prefix', async () => {
		const relay = await startRelay({ args: ['--trust-proxy', 'true'] });
		const headers = { 'x-forwarded-proto': 'https', host: 'relay.example' };
		const res = await post(relay, { password: relay.secrets.password }, { headers });
		assert.equal(res.status, 200);
		assert.match(sessionCookie(res), /^__Host-adit=/);
		assert.match(sessionCookie(res), /; *secure/i);
		assert.match(sessionCookie(res), /; *path=\/(;|$)/i);
		assert.equal((await check(relay, undefined, { headers: { ...headers, cookie: pair(res) } })).status, 200);
		// Over plain http it does not count, whatever it is called.
		const value = pair(res).split('=')[1];
		const wrong = await check(relay, undefined, { headers: { host: 'relay.example', cookie: `__Host-adit=${value}` } });
		assert.equal(wrong.status, 401);
	});

	test('who is not a trusted proxy is not believed', async () => {
		const relay = await startRelay();
		const res = await post(relay, { password: relay.secrets.password }, { headers: { 'x-forwarded-proto': 'https' } });
		assert.match(sessionCookie(res), /^adit=/);
	});
});

describe('an open relay', { skip: needsRelay }, () => {
	test('lets everybody in, says so at start, and answers to its own names only', async () => {
		const app = await App.start();
		const relay = await startRelay({ args: ['--no-login', '--root', 'web'], noPassword: true });
		await startAgent({ relay, apps: `web=127.0.0.1:${app.port}` });
		assert.equal((await request(relay.origin, '/ok')).body.toString(), 'ok\n');
		assert.ok(relay.proc.lines.some((l) => /no.?login|open|anybody|everybody/i.test(l) && /warn/i.test(l)),
		    relay.proc.tail());
		// DNS rebinding: a page of evil.example whose name leads here.
		const res = await request(relay.origin, '/ok', { headers: { host: 'evil.example' } });
		assert.equal(res.status, 421);
		const local = await request(relay.origin, '/ok', { headers: { host: `localhost:${relay.port}` } });
		assert.equal(local.status, 200);
	});
});
