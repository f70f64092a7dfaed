// Everybody tries everything: each path of PROTOCOL.md section 17 by each role,
// each scope and each other kind of token; each POST from elsewhere; and a few
// ways to get a session or an account that is not one's own.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { App } from './app.mjs';
import { Jar, NEVER_MS, ROOT, needsRelay, shutDown, startAgent, startRelay } from './harness.mjs';
import { request } from './http.mjs';

const test = (name, fn) => it(name, { skip: needsRelay, timeout: NEVER_MS }, fn);
after(shutDown);

const chapter = readFileSync(join(ROOT, 'PROTOCOL.md'), 'utf8').split('## 17. The relay')[1].split('\n## ')[0];
const rows = [...chapter.matchAll(/^\| (GET|POST) `([^`]+)`(?: ‡)? \| ([^|]*) \|/gm)]
	.map(([, method, path, who]) => ({ method, path, who: who.trim() }));
const PASSWORD = 'a long enough password';

describe('everybody tries everything', { skip: needsRelay }, () => {
	const callers = new Map();      // name -> header fields
	let relay;
	const send = (method, path, headers = {}, body = method === 'POST' ? '{}' : undefined) =>
		request(relay.origin, `/_adit${path}`, { method, body, headers: { 'content-type': 'application/json', ...headers } });
	const post = (path, body, headers) => send('POST', `/api/${path}`, headers, JSON.stringify(body));
	const cookie = (res) => {
		const jar = new Jar();
		assert.equal(res.status, 200, res.body.toString());
		jar.take(relay.origin, res);
		return jar.headers(relay.origin);
	};
	const invite = async (role) => (await post('invites/new', { role }, callers.get('admin'))).json.secret;
	before(async () => {
		relay = await startRelay({ noPassword: true, args: ['--root', 'dashboard', '--domain', '127.0.0.1', '--app-domain', 'apps.localhost'] });
		const code = readFileSync(join(relay.dir, 'data', 'relay', 'setup-code'), 'utf8').trim();
		callers.set('admin', cookie(await post('setup', { code, user: 'ann', password: PASSWORD })));
		for (const role of ['member', 'viewer'])
			callers.set(role, cookie(await post('invite/accept', { secret: await invite(role), user: role, password: PASSWORD })));
		for (const [name, kind, scopes] of [['`read`', 'api', ['read']], ['`metrics`', 'api', ['metrics']], ['`apps`', 'api', ['apps']],
			['`admin`', 'api', ['admin']], ['agent', 'agent'], ['channel', 'channel']]) {
			const { token } = (await post('tokens/new', { kind, name, ...(scopes ? { scopes } : {}) }, callers.get('admin'))).json;
			callers.set(name, { authorization: `Bearer ${token}` });
		}
		callers.set('nobody', {});
	});

	const sessions = ['admin', 'member', 'viewer'];
	const everybody = [...sessions, '`read`', '`metrics`', '`apps`', '`admin`'];
	// Of the column "who"; undefined: those that ask in another way.
	const allowed = (who) => ({
		'admin': ['admin', '`admin`'],
		'admin, `metrics`': ['admin', '`admin`', '`metrics`'],
		'viewer, `read`': [...sessions, '`read`', '`admin`'],
		'any': everybody, 'any session': everybody, 'session, token': everybody,
		'account': sessions,
		'the command line only': [],
	})[who];

	test('each path does for each role and scope what the table says', async () => {
		// The stream of events would not end.
		const asked = rows.filter((row) => allowed(row.who) && row.path !== '/api/events');
		assert.ok(asked.length > 20);
		for (const { method, path, who } of asked)
			for (const [name, headers] of callers) {
				const { status } = await send(method, path, headers);
				const what = `${method} ${path} by ${name}: ${status}`;
				if (!everybody.includes(name))
					assert.equal(status, 401, what);
				else if (!allowed(who).includes(name))
					assert.equal(status, 403, what);
				else
					assert.ok(status === 200 || (method === 'POST' && status === 400), what);
			}
		const all = [...callers].filter(([name]) => everybody.includes(name));
		for (const [name, headers] of all)
			assert.equal((await send('GET', '/api/sessions?all=1', headers)).status, allowed('admin').includes(name) ? 200 : 403, name);
	});

	test('no POST is taken from another site, nor as a form', async () => {
		const posts = rows.filter((row) => row.method === 'POST');
		assert.ok(posts.length > 12);
		const headers = callers.get('admin');
		for (const { path } of posts) {
			for (const from of [{ origin: 'http://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' },
				{ 'sec-fetch-site': 'same-site' }, { origin: relay.origin, 'sec-fetch-site': 'cross-site' }])
				assert.equal((await send('POST', path, { ...headers, ...from })).status, 403, `${path} ${JSON.stringify(from)}`);
			if (!path.startsWith('/api/auth/'))
				assert.equal((await send('POST', path, { ...headers, 'content-type': 'text/plain' })).status, 415, path);
		}
		assert.equal((await send('GET', '/api/me', headers)).status, 200);
	});

	test('a cookie that somebody else chose never becomes a session', async () => {
		const planted = { cookie: `adit=${'A'.repeat(200)}` };
		const mine = cookie(await post('auth/login', { user: 'viewer', password: PASSWORD }, planted));
		assert.notEqual(mine.cookie, planted.cookie);
		assert.equal((await send('GET', '/api/me', planted)).status, 401);
		// Logging in over somebody's session makes another; that one goes on as theirs.
		const member = callers.get('member');
		const over = cookie(await post('auth/login', { user: 'viewer', password: PASSWORD }, member));
		assert.equal((await send('GET', '/api/me', over)).json.user, 'viewer');
		assert.equal((await send('GET', '/api/me', member)).json.user, 'member');
		// Two are none; and a cookie, good or bad, is never helped out by a token.
		const token = callers.get('`admin`');
		for (const [pair, status] of [[`${mine.cookie}; ${mine.cookie}`, 401], ['adit=bad', 401], [mine.cookie, 403]])
			assert.equal((await send('GET', '/api/people', { cookie: pair, ...token })).status, status, pair.slice(0, 20));
	});

	test('a token\'s name is text: it stands where a user\'s name does', async () => {
		const kind = { kind: 'api', scopes: ['apps'] };
		for (const name of ['', 'x'.repeat(49), 'a\r\nX-Forwarded-Groups: admin', '\0', '\x1b[2J', '\x7f', '\u0085', 'a\u009fb'])
			assert.equal((await post('tokens/new', { ...kind, name }, callers.get('admin'))).status, 400, JSON.stringify(name));
		const app = await App.start();
		app.handlers.set('/who', (req, res) => res.end(Buffer.from(req.headers['x-forwarded-user'], 'latin1')));
		const { token } = (await post('tokens/new', { kind: 'agent', name: 'box' }, callers.get('admin'))).json;
		await startAgent({ relay, apps: `web=127.0.0.1:${app.port}`, secrets: { token } });
		for (const name of ['\u00e9 \u{1f600}', 'a, b; c=d', '\u00a0', '\u202e']) {
			const made = (await post('tokens/new', { ...kind, name }, callers.get('admin'))).json;
			const res = await request(relay.origin, '/who', { headers: { host: `web.apps.localhost:${relay.port}`,
				authorization: `Bearer ${made.token}`, 'x-forwarded-user': 'root' } });
			assert.equal(res.body.toString(), `token:${name}`);
		}
	});

	test('an invitation is good once, whoever comes at the same time, and never after it was revoked', async () => {
		const secret = await invite('member');
		const all = await Promise.all(Array.from({ length: 5 }, (_, i) => post('invite/accept', { secret, user: `racer${i}`, password: PASSWORD })));
		assert.deepEqual(all.map((r) => r.status).sort(), [200, 404, 404, 404, 404]);
		const people = (await send('GET', '/api/people', callers.get('admin'))).json.rows;
		assert.equal(people.filter((p) => p.user.startsWith('racer')).length, 1);
		const made = (await post('invites/new', { role: 'admin' }, callers.get('admin'))).json;
		assert.equal((await post('invites/revoke', { id: made.id }, callers.get('admin'))).status, 200);
		assert.equal((await post('invite/look', { secret: made.secret })).status, 404);
		assert.equal((await post('invite/accept', { secret: made.secret, user: 'late', password: PASSWORD })).status, 404);
	});

	test('whoever guesses the old password of a session is told to wait', async () => {
		const member = callers.get('member');
		let limited;
		for (let i = 0; i < 100 && !limited; i++) {
			const res = await post('me/password', { old: `guess number ${i}`, new: PASSWORD }, member);
			if (res.status === 429)
				limited = res;
			else
				assert.equal(res.status, 403);
		}
		assert.match(limited.headers['retry-after'], /^\d+$/);
		assert.equal((await post('auth/login', { user: 'viewer', password: PASSWORD })).status, 200, 'others log in');
	});
});
