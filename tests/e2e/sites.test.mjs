// Sites: where a request goes. README.md, "Where apps appear".

import { gunzipSync } from 'node:zlib';
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { App } from './app.mjs';
import {
	Jar, NEVER_MS, freePorts, login, needsRelay, restartRelay, shutDown, startAgent, startRelay,
} from './harness.mjs';
import { request } from './http.mjs';
import { wsClient } from './ws-client.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

// An app that says its own name.
async function named(name) {
	const app = await App.start();
	app.handlers.set('/name', (req, res) => res.end(name));
	app.handlers.set('/', (req, res) => res.end(`the root of ${name}`));
	return app;
}

const navigate = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' };

// One hop of a navigation, cookies kept.
async function hop(jar, url) {
	const at = new URL(url);
	const res = await request(at.origin, at.pathname + at.search, {
		headers: { ...navigate, ...jar.headers(at.origin) },
		connectTo: at.hostname.endsWith('.localhost') ? '127.0.0.1' : undefined,
	});
	jar.take(at.origin, res);
	return res;
}

// All hops, with every URL on the way.
async function walk(jar, url) {
	const way = [];
	for (let at = url; ;) {
		way.push(at);
		const res = await hop(jar, at);
		if (res.status !== 303 || way.length > 10)
			return { res, way };
		at = new URL(res.headers.location, at).href;
	}
}

describe('the main site as a dashboard', { skip: needsRelay }, () => {
	let relay;
	let app;
	before(async () => {
		// With sites for the apps, so that the main site is the dashboard's.
		relay = await startRelay({ args: ['--app-domain', 'apps.localhost'] });
		app = await named('web');
		await startAgent({ relay, apps: [`web=127.0.0.1:${app.port}`, `second=127.0.0.1:${app.port}`] });
	});

	test('lists agents and apps for who is logged in', async () => {
		const jar = await login(relay.origin, relay.secrets.password);
		const page = await request(relay.origin, '/', { headers: jar.headers(relay.origin) });
		assert.equal(page.status, 200);
		assert.match(page.headers['content-security-policy'], /default-src 'none'/);
		assert.match(gunzipSync(page.body).toString(), /<title>adit/);
		const { agents } = (await request(relay.origin, '/api/relay/status', { headers: jar.headers(relay.origin) })).json;
		assert.equal(agents[0].name, 'box');
		assert.deepEqual(agents[0].apps.map((a) => a.name), ['web', 'second']);
	});

	test('the status has names only with a session', async () => {
		const open = await request(relay.origin, '/api/relay/status');
		assert.equal(open.status, 200);
		assert.equal(open.json.tunnelConnected, true);
		assert.equal(typeof open.json.uptime, 'number');
		assert.ok(!/box|web|second/.test(open.body.toString()), open.body.toString());
		const jar = await login(relay.origin, relay.secrets.password);
		const full = await request(relay.origin, '/api/relay/status', { headers: jar.headers(relay.origin) });
		assert.ok(/box/.test(full.body.toString()) && /second/.test(full.body.toString()));
	});

	test('health, liveness and readiness need no login', async () => {
		for (const path of ['/health', '/healthz', '/readyz', '/_adit/health', '/_adit/healthz', '/_adit/readyz']) {
			const res = await request(relay.origin, path);
			assert.equal(res.status, 200, path);
			assert.ok(!/box|web|second/.test(res.body.toString()), 'no names');
			assert.equal((await request(relay.origin, path, { method: 'HEAD' })).body.length, 0);
		}
	});

	test('a path that is not there is 404, a method that is not meant 405', async () => {
		const { headers } = { headers: (await login(relay.origin, relay.secrets.password)).headers(relay.origin) };
		for (const path of ['/nothing', '/_adit/nothing', '/_adit/api/nothing', '/web', '/_adit/../etc/passwd',
			'/_adit/assets/..%2f..%2fetc%2fpasswd', '/_adit/assets/../../etc/passwd'])
			assert.equal((await request(relay.origin, path, { headers })).status, 404, path);
		for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
			const res = await request(relay.origin, '/healthz', { method, headers });
			assert.equal(res.status, 405);
			assert.match(res.headers.allow, /GET/);
		}
	});

	test('/tunnel without the upgrade is 426 and names the two headers', async () => {
		for (const path of ['/tunnel', '/_adit/tunnel']) {
			const res = await request(relay.origin, path, { headers: { authorization: `Bearer ${relay.secrets.token}` } });
			assert.equal(res.status, 426);
			assert.match(res.headers.upgrade, /websocket/i);
			assert.match(res.body.toString(), /upgrade/i);
			assert.match(res.body.toString(), /connection/i);
		}
	});
});

describe('the main site as an app (root)', { skip: needsRelay }, () => {
	let relay;
	let app;
	let headers;
	before(async () => {
		relay = await startRelay({ args: ['--root', 'web', '--reserve', '/api/auth/'] });
		app = await named('web');
		await startAgent({ relay, apps: `web=127.0.0.1:${app.port}` });
		headers = (await login(relay.origin, relay.secrets.password)).headers(relay.origin);
	});

	test('short names are the app\'s, long ones the relay\'s', async () => {
		for (const path of ['/health', '/healthz', '/readyz', '/login', '/logout', '/ws', '/metrics', '/api/v1/watch/x', '/adit']) {
			const earlier = app.seen.length;
			await request(relay.origin, path, { headers });
			assert.equal(app.seen[earlier], `GET ${path}`, path);
		}
		for (const path of ['/_adit/healthz', '/_adit/login', '/_adit/api/auth/check', '/_adit/nothing', '/tunnel', '/api/relay/status']) {
			await request(relay.origin, path, { headers });
			assert.ok(!app.saw(path), path);
		}
		assert.equal((await request(relay.origin, '/', { headers })).body.toString(), 'the root of web');
	});

	test('what is reserved is the relay\'s again', async () => {
		const res = await request(relay.origin, '/api/auth/login', {
			method: 'POST', body: JSON.stringify({ password: relay.secrets.password }),
		});
		assert.equal(res.status, 200);
		assert.equal((await request(relay.origin, '/api/auth/check', { headers })).status, 200);
		assert.ok(!app.saw('/api/auth/'));
		await request(relay.origin, '/api/author', { headers });
		assert.ok(app.saw('/api/author'), 'a prefix ends where it was said to');
	});

	test('nothing reaches the app without a session, whatever the spelling', async () => {
		const count = app.seen.length;
		for (const path of ['/', '/name', '/_adit', '//name', '/./name', '/_adit/../name', '/%5fadit/x', '/_ADIT/x', '/name?_adit/'])
			for (const method of ['GET', 'POST', 'OPTIONS', 'HEAD']) {
				const res = await request(relay.origin, path, { method });
				assert.notEqual(res.body.toString(), 'web');
				assert.ok(res.status >= 300, `${method} ${path}: ${res.status}`);
			}
		assert.equal(app.seen.length, count);
	});

	test('a WebSocket without a session does not open', async () => {
		const client = wsClient(`${relay.origin.replace('http', 'ws')}/ws`, [], {});
		await assert.rejects(client.opened(), /401/);
	});

	test('a shared site keeps service workers and wide headers from the app', async () => {
		app.handlers.set('/wide', (req, res) => {
			res.writeHead(200, {
				'Alt-Svc': 'h3=":443"', 'Clear-Site-Data': '"*"', 'Strict-Transport-Security': 'max-age=1',
				'Service-Worker-Allowed': '/', 'Reporting-Endpoints': 'x="https://e.example"', NEL: '{}', 'X-Kept': '1',
			});
			res.end();
		});
		const res = await request(relay.origin, '/wide', { headers });
		assert.equal(res.headers['x-kept'], '1');
		for (const name of ['alt-svc', 'clear-site-data', 'strict-transport-security', 'service-worker-allowed', 'reporting-endpoints', 'nel'])
			assert.equal(res.headers[name], undefined, name);
		const count = app.seen.length;
		const worker = await request(relay.origin, '/sw.js', { headers: { ...headers, 'Service-Worker': 'script' } });
		assert.equal(worker.status, 403);
		assert.equal(app.seen.length, count);
	});
});

describe('app ports', { skip: needsRelay }, () => {
	let relay;
	let ports;
	let agent;
	let one;
	let two;
	const at = (port) => `http://127.0.0.1:${port}`;
	before(async () => {
		ports = await freePorts(3);
		relay = await startRelay({ args: ['--app-ports', `${ports[0]}-${ports[2]}`], knownPorts: ports });
		one = await named('one');
		two = await named('two');
		agent = await startAgent({ relay, apps: [`one=127.0.0.1:${one.port}`, `two=127.0.0.1:${two.port}`] });
	});

	// Which port is whose, asked as a person who is logged in.
	async function owners(jar) {
		const found = {};
		for (const port of ports) {
			const { res } = await walk(jar, `${at(port)}/name`).catch(() => ({ res: { status: 0 } }));
			if (res.status === 200 && ['one', 'two'].includes(res.body.toString()))
				found[res.body.toString()] = port;
		}
		return found;
	}

	test('each app has one of its own, and a third none', async () => {
		const jar = await login(relay.origin, relay.secrets.password);
		const found = await owners(jar);
		assert.deepEqual(Object.keys(found).sort(), ['one', 'two']);
		assert.notEqual(found.one, found.two);
		const third = ports.find((p) => p !== found.one && p !== found.two);
		const nobody = await request(at(third), '/name', { headers: jar.headers(relay.origin) }).catch(() => ({ status: 0 }));
		assert.notEqual(nobody.status, 200);
	});

	test('without a session: to the main site\'s login for people, 401 for programs', async () => {
		const found = await owners(await login(relay.origin, relay.secrets.password));
		const res = await hop(new Jar(), `${at(found.one)}/name?x=1`);
		assert.equal(res.status, 303);
		const to = new URL(res.headers.location);
		assert.equal(to.origin, relay.origin);
		assert.equal(to.pathname, '/_adit/login');
		assert.equal(to.searchParams.get('next'), `${at(found.one)}/name?x=1`);
		const count = one.seen.length;
		assert.equal((await request(at(found.one), '/name')).status, 401);
		assert.equal(one.seen.length, count);
	});

	test('the handover leads back to the page, and both sessions live side by side', async () => {
		const jar = await login(relay.origin, relay.secrets.password);
		const found = await owners(jar);
		for (const name of ['one', 'two']) {
			const { res } = await walk(jar, `${at(found[name])}/name?deep=1`);
			assert.equal(res.body.toString(), name);
		}
		const main = await request(relay.origin, '/api/auth/check', { headers: jar.headers(relay.origin) });
		assert.equal(main.status, 200, 'the dashboard\'s session is untouched');
	});

	test('a handover\'s code works once, and only for the browser that began it', async () => {
		const found = await owners(await login(relay.origin, relay.secrets.password));
		const jar = await login(relay.origin, relay.secrets.password);
		const { way } = await walk(jar, `${at(found.one)}/name`);
		const codes = way.filter((url) => url.startsWith(at(found.one)) && url.includes('/_adit/'));
		assert.equal(codes.length, 1, way.join(' '));
		// Used already, by anybody.
		for (const who of [new Jar(), jarWithout(jar, relay.origin)]) {
			await hop(who, codes[0]);
			const res = await request(at(found.one), '/name', { headers: who.headers(at(found.one)) });
			assert.equal(res.status, 401);
		}
		// Not used yet, but another browser's: stop before the last hop.
		const victim = new Jar();
		const attacker = await login(relay.origin, relay.secrets.password);
		const begun = await hop(attacker, `${at(found.one)}/name`);
		const code = (await hop(attacker, begun.headers.location)).headers.location;
		assert.match(code, /\/_adit\//);
		await hop(victim, code);
		assert.equal((await request(at(found.one), '/name', { headers: victim.headers(at(found.one)) })).status, 401);
	});

	test('one site\'s session is worth nothing on another', async () => {
		const jar = await login(relay.origin, relay.secrets.password);
		const found = await owners(jar);
		const cookies = jar.header(relay.origin).split('; ').map((c) => c.split('='))
			.filter(([name, value]) => name.startsWith('adit') && value.split('.').length === 3);
		const tokens = cookies.map(([, value]) => value);
		assert.ok(tokens.length >= 3, 'main, one and two');
		const works = async (origin, path) => {
			const good = [];
			for (const [name] of cookies)
				for (const token of tokens) {
					const res = await request(origin, path, { headers: { cookie: `${name}=${token}` } });
					if (res.status === 200)
						good.push(`${name}=${token}`);
				}
			return good;
		};
		const main = await works(relay.origin, '/api/auth/check');
		const first = await works(at(found.one), '/name');
		const second = await works(at(found.two), '/name');
		for (const list of [main, first, second])
			assert.equal(list.length, 1);
		const used = [main, first, second].map(([c]) => c.split('=')[1]);
		assert.equal(new Set(used).size, 3, 'three sites, three tokens');
	});

	test('an app\'s own site has no dashboard and no API but logout and health', async () => {
		const jar = await login(relay.origin, relay.secrets.password);
		const found = await owners(jar);
		const headers = jar.headers(relay.origin);
		for (const path of ['/_adit/', '/_adit/api/relay/status', '/_adit/tunnel'])
			assert.equal((await request(at(found.one), path, { headers })).status, 404, path);
		assert.equal((await request(at(found.one), '/_adit/healthz')).status, 200);
		await request(at(found.one), '/tunnel', { headers });
		assert.ok(one.saw('/tunnel'), 'the short name is the app\'s');
	});

	test('an app on its own site may send any header but Alt-Svc', async () => {
		const jar = await login(relay.origin, relay.secrets.password);
		const found = await owners(jar);
		one.handlers.set('/wide', (req, res) => {
			res.writeHead(200, { 'Alt-Svc': 'h3=":443"', 'Clear-Site-Data': '"cache"', 'Service-Worker-Allowed': '/' });
			res.end();
		});
		const headers = jar.headers(relay.origin);
		const res = await request(at(found.one), '/wide', { headers });
		assert.equal(res.headers['alt-svc'], undefined);
		assert.equal(res.headers['clear-site-data'], '"cache"');
		assert.equal(res.headers['service-worker-allowed'], '/');
		const worker = await request(at(found.one), '/name', { headers: { ...headers, 'Service-Worker': 'script' } });
		assert.equal(worker.status, 200);
	});

	test('a port is kept: over a restart of the agent and of the relay', async () => {
		const earlier = await owners(await login(relay.origin, relay.secrets.password));
		await agent.proc.stop();
		await relay.proc.stop();
		relay = await restartRelay(relay);
		agent = await startAgent({ relay, apps: [`two=127.0.0.1:${two.port}`, `one=127.0.0.1:${one.port}`] });
		assert.deepEqual(await owners(await login(relay.origin, relay.secrets.password)), earlier);
	});
});

// The same browser without its cookies for one host's main site session.
function jarWithout(jar, origin) {
	const copy = new Jar();
	const host = new URL(origin).hostname;
	copy.hosts.set(host, new Map([...jar.hosts.get(host)].filter(([, v]) => v.split('.').length !== 3)));
	return copy;
}

describe('an app domain', { skip: needsRelay }, () => {
	let relay;
	let app;
	let other;
	const at = (name) => `http://${name}.apps.localhost:${relay.port}`;
	const get = (jar, name, path) => request(at(name), path,
	    { connectTo: '127.0.0.1', headers: jar.headers(at(name)) });
	before(async () => {
		relay = await startRelay({ args: ['--app-domain', 'apps.localhost'] });
		app = await named('web');
		other = await named('other');
		await startAgent({ relay, apps: [`web=127.0.0.1:${app.port}`, `other=127.0.0.1:${other.port}`] });
	});

	test('NAME.APPDOMAIN and NAME--AGENT.APPDOMAIN, each after its own handover', async () => {
		const main = `http://localhost:${relay.port}`;
		for (const [name, says] of [['web', 'web'], ['other', 'other'], ['web--box', 'web']]) {
			const jar = await login(relay.origin, relay.secrets.password);
			// The login lives where the relay sends people to log in.
			const first = await hop(new Jar(), `${at(name)}/name`);
			const loginAt = new URL(first.headers.location).origin;
			if (loginAt !== relay.origin)
				jar.hosts.set(new URL(loginAt).hostname, new Map(jar.hosts.get('127.0.0.1')));
			assert.ok([relay.origin, main, `http://apps.localhost:${relay.port}`].includes(loginAt), loginAt);
			const { res } = await walk(jar, `${at(name)}/name`);
			assert.equal(res.body.toString(), says);
			assert.equal((await get(jar, name, '/name')).body.toString(), says);
			const stranger = name === 'web' ? 'other' : 'web';
			assert.equal((await request(at(stranger), '/name', { connectTo: '127.0.0.1',
				headers: { cookie: jar.header(at(name)) } })).status, 401, 'not on another app\'s site');
		}
	});

	test('names that are nobody\'s are nobody\'s', async () => {
		const count = app.seen.length;
		for (const name of ['nobody', 'web--nobody', 'WEB', 'web.web', '-', 'web--', '--box', 'xn--web']) {
			const res = await request(relay.origin, '/name', { headers: { host: `${name}.apps.localhost:${relay.port}` } });
			assert.notEqual(res.status, 200);
		}
		assert.equal(app.seen.length, count);
	});
});

describe('a site fixed by --listen', { skip: needsRelay }, () => {
	test('an app and a dashboard of their own, beside a root', async () => {
		const [appPort, dashPort] = await freePorts(2);
		const relay = await startRelay({
			args: ['--listen', `127.0.0.1:${appPort}=second`, '--listen', `127.0.0.1:${dashPort}=dashboard`, '--root', 'web'],
			knownPorts: [appPort, dashPort],
		});
		const web = await named('web');
		const second = await named('second');
		await startAgent({ relay, apps: [`web=127.0.0.1:${web.port}`, `second=127.0.0.1:${second.port}`] });
		const jar = await login(relay.origin, relay.secrets.password);
		assert.equal((await jar.open(`${relay.origin}/name`)).body.toString(), 'web');
		assert.equal((await jar.open(`http://127.0.0.1:${appPort}/name`)).body.toString(), 'second');
		const dash = `http://127.0.0.1:${dashPort}`;
		const own = await login(dash, relay.secrets.password);
		const page = await request(dash, '/', { headers: own.headers(dash) });
		assert.equal(page.status, 200);
		assert.match(gunzipSync(page.body).toString(), /<title>adit/);
		const status = await request(dash, '/api/relay/status', { headers: own.headers(dash) });
		assert.match(status.body.toString(), /second/);
		assert.ok(!web.saw('/_adit'));
	});
});

describe('agents of one credential', { skip: needsRelay }, () => {
	test('the newest has the bare name; NAME--AGENT means that one; who leaves gives it back', async () => {
		const relay = await startRelay({ args: ['--app-domain', 'apps.localhost', '--root', 'web'] });
		const [old, young] = [await named('old'), await named('young')];
		await startAgent({ relay, apps: `web=127.0.0.1:${old.port}`, agentName: 'old', name: 'agent-old' });
		const headers = (await login(relay.origin, relay.secrets.password)).headers(relay.origin);
		const root = async () => (await request(relay.origin, '/name', { headers })).body.toString();
		assert.equal(await root(), 'old');
		const second = await startAgent({ relay, apps: `web=127.0.0.1:${young.port}`, agentName: 'young', name: 'agent-young' });
		assert.equal(await root(), 'young', 'a new machine takes over');
		await second.proc.stop();
		assert.equal(await root(), 'old');
	});
});

describe('known hosts', { skip: needsRelay }, () => {
	test('with a domain set, another Host is 421', async () => {
		const relay = await startRelay({ args: ['--domain', 'relay.example'] });
		for (const [host, status] of [['relay.example', 200], [`relay.example:${relay.port}`, 200], ['localhost', 200],
			[`127.0.0.1:${relay.port}`, 200], ['evil.example', 421], ['relay.example.evil.example', 421],
			['xrelay.example', 421], ['192.0.2.1', 421]]) {
			const res = await request(relay.origin, '/healthz', { headers: { host } });
			assert.equal(res.status, status, host);
		}
	});

	test('with none set, any Host is served', async () => {
		const relay = await startRelay();
		assert.equal((await request(relay.origin, '/healthz', { headers: { host: 'whatever.example' } })).status, 200);
	});
});
