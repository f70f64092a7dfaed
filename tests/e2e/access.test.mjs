// Who may what, on a running relay: the first account by the setup code, roles,
// apps for named people, API and agent tokens; and that what runs ends when it
// is no longer allowed.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { App } from './app.mjs';
import { ADIT, Jar, NEVER_MS, cleanEnv, freePorts, needsRelay, run, shutDown, startAgent, startRelay, within } from './harness.mjs';
import { open, request } from './http.mjs';

const test = (name, fn) => it(name, { skip: needsRelay, timeout: NEVER_MS }, fn);
after(shutDown);

describe('people and what they may', { skip: needsRelay }, () => {
	let relay;
	let app;
	let ann;
	let mem;
	const post = (path, body, jar = new Jar()) => request(relay.origin, `/_adit/api/${path}`, { method: 'POST',
		body: JSON.stringify(body), headers: { ...jar.headers(relay.origin), 'content-type': 'application/json' } });
	const get = (path, jar, headers = jar.headers(relay.origin)) => request(relay.origin, `/_adit/api/${path}`, { headers });
	const enter = async (path, body) => {
		const jar = new Jar();
		const res = await post(path, body, jar);
		assert.equal(res.status, 200, res.body.toString());
		jar.take(relay.origin, res);
		return jar;
	};
	let port;
	const at = () => `http://127.0.0.1:${port}`;
	const exit = async (proc) => {
		await within(proc.exited, 'its end');
		return proc.code;
	};
	// Where the app has its own site a browser needs the handover first.
	const opens = async (jar) => (await jar.open(`${at()}/name`)).status;

	before(async () => {
		[port] = await freePorts();
		relay = await startRelay({ noPassword: true, args: ['--root', 'dashboard', '--app-ports', `${port}-${port}`], knownPorts: [port] });
		app = await App.start();
		app.handlers.set('/name', (req, res) => res.end(`${req.headers['x-forwarded-user']} ${req.headers['x-forwarded-groups']}`));
		await startAgent({ relay, apps: `web=127.0.0.1:${app.port}` });
	});

	test('the first account is made with the code of the file, once', async () => {
		const file = join(relay.dir, 'data', 'relay', 'setup-code');
		assert.equal(statSync(file).mode & 0o777, 0o600);
		const code = readFileSync(file, 'utf8').match(/[A-Z2-7]{4}(-[A-Z2-7]{4}){3}/)[0];
		assert.ok(!relay.proc.lines.some((l) => l.includes(code)), 'the log is no terminal');
		const page = await request(relay.origin, '/', { headers: { 'sec-fetch-mode': 'navigate' } });
		assert.equal(page.headers.location, '/_adit/setup');
		assert.equal((await post('auth/login', { user: 'ann', password: 'x' })).status, 403);
		const account = { user: 'ann', password: 'a long password' };
		assert.notEqual((await post('setup', { ...account, code: 'AAAA-AAAA-AAAA-AAAA' })).status, 200);
		const racers = await Promise.all(['ann', 'eve'].map((user) => post('setup', { ...account, user, code })));
		assert.deepEqual(racers.map((r) => r.status === 200).sort(), [false, true], 'one wins');
		const first = racers.findIndex((r) => r.status === 200);
		ann = new Jar();
		ann.take(relay.origin, racers[first]);
		const me = (await get('me', ann)).json;
		assert.deepEqual(me, { user: ['ann', 'eve'][first], role: 'admin', mode: 'accounts' });
		assert.notEqual((await post('setup', { ...account, code })).status, 200);
	});

	test('an invitation makes a member, who opens apps and decides nothing', async () => {
		const made = await post('invites/new', { role: 'member' }, ann);
		assert.equal(made.status, 200);
		const { secret } = made.json;
		assert.equal((await post('invite/look', { secret })).json.role, 'member');
		mem = await enter('invite/accept', { secret, user: 'mem', password: 'another password' });
		assert.notEqual((await post('invite/accept', { secret, user: 'two', password: 'another password' })).status, 200);
		assert.equal((await mem.open(`${at()}/name`)).body.toString(), 'mem member');
		for (const path of ['people', 'invites', 'tokens', 'access', 'audit', 'settings'])
			assert.equal((await get(path, mem)).status, 403, path);
		assert.equal((await post('people/role', { user: 'mem', role: 'admin' }, mem)).status, 403);
	});

	test('named people: what runs ends, and does not begin again', async () => {
		app.handlers.set('/endless', (req, res) => res.write('begun'));
		const req = open(at(), '/endless', { headers: mem.headers(at()) });
		req.end();
		const [res] = await once(req, 'response');
		const over = new Promise((done) => { req.on('error', done); res.on('error', done); });
		await once(res, 'data');
		assert.equal((await post('access/set', { app: 'box/web', people: [] }, ann)).status, 200);
		await within(over, 'the end of what was under way');
		assert.equal(await opens(mem), 403);
		assert.equal((await post('access/set', { app: 'box/web', people: ['mem'] }, ann)).status, 200);
		assert.equal(await opens(mem), 200);
		assert.equal(await opens(ann), 403, 'named people are those and nobody else');
		assert.equal((await get('relay/status', mem)).json.agents[0].apps[0].people, true);
		const { token } = (await post('tokens/new', { kind: 'api', name: 'watcher', scopes: ['read'] }, ann)).json;
		const told = await run(ADIT, ['status', '--relay', relay.origin], { env: cleanEnv({ ADIT_TOKEN: token }) });
		assert.match(told.stdout.toString(), /^  app      web \(named people\)$/m);
		assert.equal((await post('access/set', { app: 'box/web', people: null }, ann)).status, 200);
		assert.equal(await opens(ann), 200);
		assert.equal((await get('relay/status', mem)).json.agents[0].apps[0].people, false);
	});

	test('a viewer looks and opens nothing; who is removed is out at once', async () => {
		assert.equal((await post('people/role', { user: 'mem', role: 'viewer' }, ann)).status, 200);
		assert.equal(await opens(mem), 403);
		assert.equal((await get('relay/status', mem)).json.agents[0].name, 'box');
		assert.equal((await post('people/remove', { user: 'mem' }, ann)).status, 200);
		assert.equal((await get('me', mem)).status, 401);
	});

	test('an API token does what its scopes say, until it is revoked', async () => {
		const made = (await post('tokens/new', { kind: 'api', name: 'ci', scopes: ['read'] }, ann)).json;
		const bearer = { authorization: `Bearer ${made.token}` };
		assert.match(made.token, /^adit_/);
		assert.equal((await get('relay/status', null, bearer)).json.agents.length, 1);
		assert.equal((await request(relay.origin, '/metrics', { headers: bearer })).status, 403);
		assert.equal((await get('people', null, bearer)).status, 403);
		assert.ok(!(await get('tokens', ann)).body.toString().includes(made.token), 'shown once');
		assert.equal((await post('tokens/revoke', { id: made.id }, ann)).status, 200);
		assert.equal((await get('people', null, bearer)).status, 401);
	});

	test('an agent\'s token is for its name, and its end is the agent\'s', async () => {
		const made = (await post('tokens/new', { kind: 'agent', name: 'lab', agent: 'lab' }, ann)).json;
		const other = await startAgent({ relay, apps: `two=127.0.0.1:${app.port}`, agentName: 'other', secrets: { token: made.token }, wait: false });
		assert.equal((await exit(other.proc)), 3);
		const lab = await startAgent({ relay, apps: `two=127.0.0.1:${app.port}`, agentName: 'lab', secrets: { token: made.token } });
		assert.equal((await post('tokens/revoke', { id: made.id }, ann)).status, 200);
		assert.equal((await exit(lab.proc)), 3);
	});
});
