// What a page of another site can make a browser send, as the browser would
// send it: refused before anything happens. (people-hostile.test.mjs does it
// with a browser.)

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { deployment } from './deployment.mjs';
import { Jar, NEVER_MS, needsRelay, shutDown } from './harness.mjs';
import { request } from './http.mjs';

const test = (name, fn) => it(name, { skip: needsRelay, timeout: NEVER_MS }, fn);
after(shutDown);

const UPGRADE = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13',
	'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };

describe('with a visitor\'s cookie, from elsewhere', { skip: needsRelay }, () => {
	let relay;
	let app;
	let headers;
	let foreign;
	before(async () => {
		({ relay, app, headers } = await deployment({ args: ['--domain', 'relay.localhost', '--app-domain', 'apps.relay.localhost'] }));
		app.handlers.set('/act', (req, res) => {
			req.resume();
			res.end('done');
		});
		// Elsewhere on the internet, a sibling app, an unknown one, plain http's.
		foreign = [{ origin: 'http://evil.example' }, { origin: 'null' }, { origin: `http://two.apps.relay.localhost:${relay.port}` },
			{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' },
			{ origin: relay.origin, 'sec-fetch-site': 'cross-site' }, { origin: `${relay.origin}.evil.example` }];
	});

	test('a form or a fetch reaches no app, and a WebSocket is not opened', async () => {
		for (const from of foreign) {
			const count = app.seen.length;
			for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
				assert.equal((await request(relay.origin, '/act', { method, headers: { ...headers, ...from } })).status, 403);
			assert.equal((await request(relay.origin, '/ws', { headers: { ...headers, ...UPGRADE, ...from } })).status, 403);
			assert.equal(app.seen.length, count, JSON.stringify(from));
		}
		for (const from of [{}, { origin: relay.origin }, { 'sec-fetch-site': 'same-origin' }])
			assert.equal((await request(relay.origin, '/act', { method: 'POST', headers: { ...headers, ...from } })).status, 200);
	});

	test('nor does it change anything here', async () => {
		for (const from of foreign)
			for (const path of ['api/me/password', 'api/sessions/revoke', 'api/people/role', 'api/setup', 'api/invite/accept', 'logout', 'api/auth/logout']) {
				const res = await request(relay.origin, `/_adit/${path}`, { method: 'POST', body: '{}',
					headers: { ...headers, ...from, 'content-type': 'application/json' } });
				assert.equal(res.status, 403, `${path} ${JSON.stringify(from)}`);
			}
		for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', undefined]) {
			const res = await request(relay.origin, '/_adit/api/me/password', { method: 'POST', body: '{}',
				headers: { ...headers, ...(type ? { 'content-type': type } : {}) } });
			assert.equal(res.status, 415, type);
		}
		assert.equal((await request(relay.origin, '/_adit/api/auth/check', { headers })).status, 200, 'still logged in');
	});

	test('our pages are in nobody\'s frame', async () => {
		for (const path of ['/_adit/', '/_adit/login', '/_adit/invite', '/_adit/nothing', '/_adit/api/me']) {
			const res = await request(relay.origin, path, { headers });
			assert.match(res.headers['content-security-policy'], /frame-ancestors 'none'/, path);
			assert.equal(res.headers['x-frame-options'], 'DENY', path);
		}
	});

	test('a cookie that a sibling tosses in makes two, and two are none', async () => {
		const mine = headers.cookie;
		for (const cookie of [`${mine}; adit=x`, `adit=x; ${mine}`, `${mine}; ${mine}`]) {
			const res = await request(relay.origin, '/act', { headers: { ...headers, cookie } });
			assert.equal(res.status, 401);
			assert.match(String(res.headers['set-cookie']), /^adit=;.*Max-Age=0/);
		}
	});

	test('an app that shares the site changes no rights there', async () => {
		for (const path of ['people/role', 'people/remove', 'invites/new', 'tokens/new', 'tokens/revoke', 'access/set']) {
			const res = await request(relay.origin, `/_adit/api/${path}`, { method: 'POST', body: '{}',
				headers: { ...headers, origin: relay.origin, 'content-type': 'application/json' } });
			assert.equal(res.status, 403, path);
			assert.match(res.json.error, /command line/);
		}
	});

	test('a handover code that was stolen is worth nothing', async () => {
		const host = `web.apps.relay.localhost:${relay.port}`;
		const page = { 'sec-fetch-mode': 'navigate' };
		const jar = new Jar();
		const first = await request(relay.origin, '/deep', { headers: { host, ...page } });
		assert.equal(first.status, 303);
		jar.take(`http://${host}`, first);
		const login_ = new URL(first.headers.location);
		const code = await request(relay.origin, `${login_.pathname}${login_.search}`, { headers: { ...headers, ...page, host: login_.host } });
		assert.equal(code.status, 303);
		const at = new URL(code.headers.location);
		assert.equal(at.host, host);
		// Somebody else has the link, or another cookie; the owner is too late.
		for (const cookie of [{}, { cookie: 'adit-nonce=AAAA' }, jar.headers(`http://${host}`)]) {
			const res = await request(relay.origin, `${at.pathname}${at.search}`, { headers: { host, ...page, ...cookie } });
			assert.equal(res.status, 303);
			assert.doesNotMatch(String(res.headers['set-cookie'] ?? ''), /adit=ey/);
		}
	});
});
