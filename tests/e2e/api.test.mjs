// The relay's HTTP API as PROTOCOL.md section 17 has it: every path that is
// documented exists, every one that exists is documented; live events; metrics.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { App } from './app.mjs';
import { NEVER_MS, ROOT, login, needsRelay, shutDown, startAgent, startRelay, within } from './harness.mjs';
import { open, request } from './http.mjs';

const test = (name, fn) => it(name, { skip: needsRelay, timeout: NEVER_MS }, fn);
after(shutDown);

const chapter = readFileSync(join(ROOT, 'PROTOCOL.md'), 'utf8').split('## 17. The relay')[1].split('\n## ')[0];
const documented = [...chapter.matchAll(/^\| (GET|POST) `([^`]+)`( ‡)? \|/gm)].map(([, method, path, app]) => ({ method, path, app }));

// What the source says that there is.
function served() {
	const own = readFileSync(join(ROOT, 'src/relay/own.c'), 'utf8');
	const api = readFileSync(join(ROOT, 'src/relay/api.c'), 'utf8');
	const pages = ['/', '/setup', '/invite', '/login', '/logout', '/handover', '/tunnel'];
	return [...own.matchAll(/\{ SL_INIT\("(\/[^"]*)"\)/g)].map((m) => m[1]).filter((p) => !pages.includes(p))
		.concat([...api.matchAll(/\{ SL_INIT\("([a-z.]+)"\)/g)].map((m) => `/api/${m[1].replace(/\.list$/, '').replace('.', '/')}`));
}

// Server-sent events, as they come.
function events(res) {
	const list = [];
	let rest = '';
	let wake = () => {};
	const state = { ended: false };
	res.setEncoding('utf8');
	res.on('data', (text) => {
		const parts = (rest + text).split('\n\n');
		rest = parts.pop();
		for (const part of parts) {
			const [, event, data] = part.match(/^event: (\w+)\ndata: (.*)$/) ?? [];
			if (event)
				list.push({ event, data: JSON.parse(data) });
		}
		wake();
	});
	res.on('close', () => {
		state.ended = true;
		wake();
	});
	return {
		list, state,
		async until(what, done) {
			await within((async () => {
				while (!done(list))
					await new Promise((go) => { wake = go; });
			})(), what);
		},
	};
}

describe('the HTTP API', { skip: needsRelay }, () => {
	let relay;
	let jar;
	let headers;
	before(async () => {
		relay = await startRelay({ args: ['--root', 'dashboard', '--app-domain', 'apps.localhost'] });
		jar = await login(relay.origin, relay.secrets.password);
		headers = jar.headers(relay.origin);
	});
	const ask = ({ method, path }, more = {}, origin = relay.origin) => request(origin, path, { method,
		headers: { ...more, ...(method === 'POST' ? { 'content-type': 'application/json' } : {}) },
		body: method === 'POST' ? '{}' : undefined });

	test('every path is in PROTOCOL.md, and only those', () => {
		assert.ok(documented.length > 30);
		assert.deepEqual([...new Set(documented.map((d) => d.path))].sort(), [...new Set(served())].sort());
	});

	test('every documented path is there, under both its names, and asks who it is', async () => {
		const open_ = /^\/(health|healthz|readyz)$|^\/api\/(relay\/status|auth\/|invite\/|setup)/;
		for (const row of documented.filter((d) => d.path !== '/api/events' && !d.path.includes('/auth/')))
			for (const path of [row.path, `/_adit${row.path}`]) {
				const res = await ask({ ...row, path });
				assert.notEqual(res.status, 404, path);
				assert.notEqual(res.status, 405, path);
				if (!open_.test(row.path))
					assert.equal(res.status, 401, path);
				const wrong = await ask({ method: 'DELETE', path });
				assert.equal(wrong.status, 405, path);
			}
	});

	test('an app\'s own site has those with ‡ and no others', async () => {
		const host = `web.apps.localhost:${relay.port}`;
		for (const { method, path, app } of documented.filter((d) => !d.path.includes('logout'))) {
			const res = await ask({ method, path: `/_adit${path}` }, { host });
			assert.equal(res.status === 404, !app, path);
		}
	});

	test('settings have where they come from, and no secret', async () => {
		const res = await request(relay.origin, '/api/settings', { headers });
		assert.equal(res.status, 200);
		const row = (name) => res.json.rows.find((r) => r.name === name);
		assert.deepEqual(row('root'), { name: 'root', value: 'dashboard', from: 'flag' });
		assert.deepEqual(row('password'), { name: 'password', value: '(set)', from: 'environment' });
		assert.equal(row('trust-proxy').from, 'default');
		for (const secret of Object.values(relay.secrets))
			assert.ok(!res.body.toString().includes(secret));
		assert.deepEqual(res.json.checks.map((c) => c.name), ['https', 'proxy', 'websocket', 'clock']);
		const proxied = await request(relay.origin, '/api/settings', { headers: { ...headers, 'x-forwarded-for': '192.0.2.9' } });
		assert.equal(proxied.json.checks[1].ok, false);
		assert.match(proxied.json.checks[1].text, /--trust-proxy/);
	});

	test('live events: at once, at every change, until the session ends', async () => {
		const own = (await login(relay.origin, relay.secrets.password)).headers(relay.origin);
		const req = open(relay.origin, '/api/events', { headers: own });
		req.end();
		const [res] = await once(req, 'response');
		assert.equal(res.statusCode, 200);
		assert.equal(res.headers['content-type'], 'text/event-stream');
		const live = events(res);
		await live.until('the first frame', (list) => list.length > 0);
		assert.equal(live.list[0].event, 'status');
		assert.deepEqual(live.list[0].data.agents, []);
		const app = await App.start();
		const agent = await startAgent({ relay, apps: `web=127.0.0.1:${app.port}`, agentName: 'lab' });
		const last = (list) => list[list.length - 1].data;
		await live.until('the agent', (list) => last(list).agents.length === 1);
		assert.equal(last(live.list).agents[0].name, 'lab');
		assert.equal(last(live.list).agents[0].apps[0].url, `http://web.apps.localhost:${relay.port}/`);
		assert.equal(last(live.list).agents[0].log[0].what, 'connected');
		await agent.proc.stop();
		await live.until('its end', (list) => last(list).away?.some((a) => a.name === 'lab'));
		assert.equal((await request(relay.origin, '/api/auth/logout', { method: 'POST', headers: own })).status, 200);
		await live.until('the end', () => live.state.ended);
		assert.equal(live.list[live.list.length - 1].event, 'end');
	});

	test('metrics are text 0.0.4', async () => {
		const res = await request(relay.origin, '/metrics', { headers });
		assert.equal(res.status, 200);
		assert.match(res.headers['content-type'], /^text\/plain; version=0\.0\.4/);
		let name = '';
		const found = new Set();
		for (const line of res.body.toString().trimEnd().split('\n')) {
			const head = line.match(/^# (?:HELP ([a-z_]+) [^\\]+|TYPE ([a-z_]+) (?:counter|gauge))$/);
			const sample = line.match(/^([a-z_]+)(?:\{[a-z]+="[^"\\]*"\})? (\d+)$/);
			assert.ok(head || sample, line);
			if (head?.[1]) {
				assert.ok(!found.has(head[1]), `${head[1]} twice`);
				found.add(name = head[1]);
			} else {
				assert.equal(head?.[2] ?? sample[1], name);
			}
		}
		const text = readFileSync(join(ROOT, 'PROTOCOL.md'), 'utf8');
		const rows = [...text.matchAll(/^\| (`(?:adit|process)_.*?) \| (?:gauge|counter) \|/gm)].map((m) => m[1]);
		const names = (list) => list.flatMap((row) => [...row.matchAll(/`([a-z_]+)[{`]/g)].map((m) => m[1]));
		const always = names(rows.filter((row) => !row.endsWith('?')));
		assert.ok(always.length > 15);
		assert.deepEqual(always.filter((n) => !found.has(n)), [], 'documented, and not there');
		assert.deepEqual([...found].filter((n) => !names(rows).includes(n)), [], 'there, and not documented');
		if (process.platform === 'linux') {
			const value = (n) => Number(res.body.toString().match(new RegExp(`^${n} (\\d+)$`, 'm'))[1]);
			assert.ok(value('process_resident_memory_bytes') > 1e5);
			assert.ok(Math.abs(value('process_start_time_seconds') + value('adit_uptime_seconds') - Date.now() / 1000) < 60);
		}
	});
});
