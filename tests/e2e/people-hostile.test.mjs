// A hostile page in a real browser, while its visitor is logged in: of another
// site, of a sibling app, of an app that shares the main site. SECURITY.md has
// the rules; here each attack is made as its author would.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { App } from './app.mjs';
import { openBrowser } from './browser.mjs';
import { Jar, NEVER_MS, freePorts, login, needsRelay, shutDown, startAgent, startRelay } from './harness.mjs';
import { request } from './http.mjs';

const test = (name, fn) => it(name, { timeout: 2 * NEVER_MS }, fn);
after(shutDown);

// A site whose owner means harm: what it serves is up to each test.
async function evilSite() {
	const app = await App.start();
	app.page = (html) => app.handlers.set('/', (req, res) => {
		res.setHeader('Content-Type', 'text/html; charset=utf-8');
		res.end(`<!doctype html><title>evil</title><link rel="icon" href="data:,">${html}`);
	});
	app.page('');
	return app;
}

async function logIn(page, password) {
	await page.fill('input[type=password]', password);
	await Promise.all([page.waitForURL((url) => !url.pathname.includes('/login')), page.press('input[type=password]', 'Enter')]);
}

describe('a hostile page', { skip: needsRelay }, () => {
	let relay;
	let main;
	let evil;               // elsewhere on the internet
	let good;               // an app
	let sibling;            // another app, that means harm
	let browser;
	let page;
	let appOf;
	before(async () => {
		[evil, good, sibling] = await Promise.all([evilSite(), evilSite(), evilSite()]);
		good.page('<h1>good</h1>');
		good.touched = [];
		good.handlers.set('/act', (req, res) => {
			good.touched.push(`${req.method} ${req.headers.origin}`);
			req.resume();
			res.end('the answer');
		});
		good.upgrades.set('/ws', (req, socket) => {
			good.touched.push(`UPGRADE ${req.headers.origin}`);
			socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
		});
		relay = await startRelay({ args: ['--domain', 'adit.localhost', '--app-domain', 'apps.adit.localhost'] });
		main = `http://adit.localhost:${relay.port}`;
		appOf = (name) => `http://${name}.apps.adit.localhost:${relay.port}`;
		await startAgent({ relay, url: main, apps: [`good=127.0.0.1:${good.port}`, `sibling=127.0.0.1:${sibling.port}`] });
		browser = await openBrowser();
		page = await browser.context.newPage();
		await page.goto(main);
		await logIn(page, relay.secrets.password);
		for (const name of ['good', 'sibling']) {
			await page.goto(appOf(name));
			assert.equal(new URL(page.url()).origin, appOf(name), 'the login is carried over');
		}
	});
	after(() => browser.context.close());

	// As this browser's cookies are: is somebody logged in?
	async function isIn(context) {
		const tab = await context.newPage();
		await tab.goto(`${main}/_adit/api/auth/check`);
		const where = new URL(tab.url()).pathname;
		await tab.close();
		return where === '/_adit/api/auth/check';
	}
	const stillIn = async () => assert.ok(await isIn(page.context()), 'the visitor is still logged in');

	const attack = (target, tab = page) => tab.evaluate(async (url) => {
		const out = {};
		const send = async (name, path, init) => {
			out[name] = await fetch(url + path, { credentials: 'include', ...init })
				.then(async (r) => r.type === 'opaque' ? 'opaque' : `${r.status} ${await r.text()}`, () => 'refused');
		};
		await send('read', '/act', {});
		await send('blind get', '/_adit/api/relay/status', { mode: 'no-cors' });
		await send('post', '/act', { method: 'POST', body: 'x', mode: 'no-cors' });
		await send('json', '/act', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
		await send('put', '/act', { method: 'PUT', body: 'x' });
		await send('logout', '/_adit/api/auth/logout', { method: 'POST', mode: 'no-cors' });
		await send('token', '/_adit/api/tokens/new', { method: 'POST', mode: 'no-cors',
			body: '{"kind":"agent","name":"x"}' });
		out.beacon = navigator.sendBeacon(`${url}/act`, 'x');
		out.socket = await new Promise((go) => {
			const ws = new WebSocket(`${url.replace('http', 'ws')}/ws`);
			ws.onopen = () => go('open');
			ws.onerror = () => go('refused');
		});
		return out;
	}, target);

	// A form that sends itself into a frame of its own page, and into the whole page.
	async function formPost(from, target) {
		await page.goto(from);
		const answered = page.waitForNavigation();
		await page.evaluate((url) => {
			const form = document.createElement('form');
			form.method = 'post';
			form.action = url;
			form.enctype = 'text/plain';
			const field = document.createElement('input');
			field.name = '{"kind":"agent","name":"';
			field.value = '"}';
			form.append(field);
			document.body.append(form);
			setTimeout(() => form.submit());
		}, target);
		const answer = await answered;
		assert.equal(answer.request().method(), 'POST');
		return answer.status();
	}

	for (const [who, from, sameSite] of [['of another site', () => evil.origin, false], ['of a sibling app', () => appOf('sibling'), true]]) {
		test(`${who}: fetch, beacon, WebSocket against an app`, async () => {
			await page.goto(from());
			good.touched.length = 0;
			const got = await attack(appOf('good'));
			assert.equal(got.read, 'refused', 'no answer can be read');
			assert.equal(got.json, 'refused');
			assert.equal(got.put, 'refused');
			assert.equal(got.socket, 'refused');
			await stillIn();
			// A GET of a page in the same site may arrive, as a link would.
			const foreign = good.touched.filter((t) => !t.startsWith('GET '));
			assert.deepEqual(foreign, [], 'nothing but GET reaches the app');
			if (!sameSite)
				assert.deepEqual(good.touched, [], 'and from another site not even that: no cookie comes with it');
		});

		test(`${who}: the same against the dashboard`, async () => {
			await page.goto(from());
			const got = await attack(main);
			assert.equal(got.read, 'refused');
			assert.equal(got.socket, 'refused');
			await stillIn();
		});

		test(`${who}: a form that posts itself`, async () => {
			for (const path of ['/_adit/api/auth/logout', '/_adit/logout', '/_adit/api/tokens/new', '/_adit/api/people/role'])
				assert.ok([401, 403, 404].includes(await formPost(from(), main + path)), path);
			good.touched.length = 0;
			assert.ok([401, 403].includes(await formPost(from(), `${appOf('good')}/act`)));
			assert.deepEqual(good.touched, []);
			await stillIn();
		});

		test(`${who}: a login form posts nobody into another account`, async () => {
			const before_ = await page.context().cookies(main);
			assert.equal(await formPost(from(), `${main}/_adit/login`), 403);
			assert.deepEqual(await page.context().cookies(main), before_);
		});

		test(`${who}: framing shows nothing`, async () => {
			await page.goto(from());
			for (const url of [main, `${main}/_adit/login`, `${main}/_adit/invite`, `${main}/_adit/setup`]) {
				await page.evaluate((src) => new Promise((go) => {
					const frame = document.createElement('iframe');
					frame.onload = go;
					frame.src = src;
					document.body.append(frame);
				}), url);
				assert.doesNotMatch(page.frames().at(-1).url(), /^http/, url);
			}
		});
	}

	test('an app on another port of the same address: the browser sends it all cookies, and it does not help', async () => {
		const ports = await freePorts(2);
		const own = await startRelay({ args: ['--app-ports', `${ports[0]}-${ports[1]}`], knownPorts: ports, name: 'relay-ports' });
		await startAgent({ relay: own, apps: [`good=127.0.0.1:${good.port}`, `sibling=127.0.0.1:${sibling.port}`], name: 'agent-ports' });
		const other = await openBrowser();
		const tab = await other.context.newPage();
		await tab.goto(own.origin);
		await logIn(tab, own.secrets.password);
		const at = {};
		for (const name of ['good', 'sibling']) {
			await tab.goto(own.origin);
			await tab.getByRole('link', { name: `Open ${name} on box`, exact: true }).click();
			await tab.waitForFunction(() => document.title === 'evil');
			at[name] = new URL(tab.url()).origin;
		}
		good.touched.length = 0;
		for (const target of [at.good, own.origin]) {
			const got = await attack(target, tab);
			assert.deepEqual([got.read, got.json, got.put, got.socket], ['refused', 'refused', 'refused', 'refused'], target);
		}
		assert.deepEqual(good.touched.filter((t) => !t.startsWith('GET ')), []);
		assert.equal((await tab.goto(`${own.origin}/_adit/api/auth/check`)).status(), 200);
		assert.equal(new URL(tab.url()).pathname, '/_adit/api/auth/check', 'still logged in');
		await other.context.close();
	});

	test('cookies tossed from an app\'s site log out at most, and log nobody in', async () => {
		const other = await openBrowser();
		const thief = await other.context.newPage();
		await thief.goto(main);
		await logIn(thief, relay.secrets.password);
		const stolen = (await other.context.cookies(main)).find((c) => c.name === 'adit').value;
		const victim = await openBrowser();
		const tab = await victim.context.newPage();
		await tab.goto(appOf('sibling'));
		await logIn(tab, relay.secrets.password);
		// The thief's own good session, set for all sites below the domain, with
		// the longer path first in the header.
		await tab.evaluate((value) => {
			for (const path of ['/', '/_adit', '/_adit/api'])
				document.cookie = `adit=${value}; Domain=adit.localhost; Path=${path}`;
		}, stolen);
		assert.equal(await isIn(victim.context), false, 'two cookies of the name count as none');
		await victim.context.clearCookies();
		await tab.goto(main);
		await logIn(tab, relay.secrets.password);
		assert.equal(await isIn(victim.context), true);
		await other.context.close();
		await victim.context.close();
	});

	test('links for others are made of the domain, however the relay is reached', async () => {
		const address = `http://127.0.0.1:${relay.port}`;
		const jar = await login(address, relay.secrets.password);
		const res = await request(address, '/api/relay/status', { headers: jar.headers(address) });
		assert.equal(res.json.base, main);
	});

	test('open redirects through next', async () => {
		const nexts = ['//evil.example/', '/\\evil.example/', '\\\\evil.example', 'https://evil.example/', 'https:evil.example',
			'javascript:alert(1)', '/\t/evil.example', '/%0a/evil.example\n', ' //evil.example', '///evil.example',
			`http://good.apps.adit.localhost:${relay.port}@evil.example/`, `http://good.apps.adit.localhost.evil.example:${relay.port}/`,
			`http://none.apps.adit.localhost:${relay.port}.evil.example/`, evil.origin, `//127.0.0.1:${evil.port}/`];
		await page.goto(main);
		for (const next of nexts) {
			await page.goto(`${main}/_adit/login?next=${encodeURIComponent(next)}`);
			assert.equal(new URL(page.url()).origin, main, `logged in already: ${next}`);
		}
		// With the login itself in between, at a relay of its own: logins have a rate.
		const own = await startRelay({ args: ['--root', 'dashboard'], name: 'relay-redirects' });
		const fresh = await openBrowser();
		const tab = await fresh.context.newPage();
		for (const next of nexts.slice(0, 9)) {
			await fresh.context.clearCookies();
			await tab.goto(`${own.origin}/_adit/login?next=${encodeURIComponent(next)}`);
			await logIn(tab, own.secrets.password);
			assert.equal(new URL(tab.url()).origin, own.origin, next);
		}
		assert.deepEqual(fresh.foreign, []);
		await fresh.context.close();
	});

	test('a handover code that was stolen, used twice, or forced on somebody', async () => {
		const victim = await openBrowser();
		const tab = await victim.context.newPage();
		const link = tab.waitForRequest((r) => r.url().includes('/_adit/handover?code='));
		await tab.goto(appOf('good'));
		await logIn(tab, relay.secrets.password);
		const url = (await link).url();
		assert.equal(await tab.textContent('h1'), 'good');
		// The thief has the whole link, and comes first or later: no matter.
		const thief = await openBrowser();
		const theirs = await thief.context.newPage();
		await theirs.goto(url);
		await theirs.waitForSelector('input[type=password]');
		assert.ok(!(await thief.context.cookies()).some((c) => c.name === 'adit'), 'no session');
		// Even with a nonce cookie of their own.
		await theirs.goto(appOf('good'));
		await theirs.goto(url);
		await theirs.waitForSelector('input[type=password]');

		// The other way round: a fresh code of the thief's own, given to a victim.
		const jar = new Jar();
		const ask = async (to, extra = {}) => {
			const at = new URL(to);
			const res = await request(at.origin, at.pathname + at.search, { connectTo: '127.0.0.1', ...extra,
				headers: { accept: 'text/html', ...jar.headers(at.origin), ...extra.headers } });
			jar.take(at.origin, res);
			return res;
		};
		await ask(`${main}/_adit/api/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ password: relay.secrets.password }) });
		const toLogin = await ask(`${appOf('good')}/`);
		const mine = (await ask(toLogin.headers.location)).headers.location;
		assert.match(mine, /\/_adit\/handover\?code=/);
		const innocent = await openBrowser();
		const third = await innocent.context.newPage();
		await third.goto(mine);
		await third.waitForSelector('input[type=password]');
		assert.ok(!(await innocent.context.cookies()).some((c) => c.name === 'adit'), 'nobody is logged in as the thief');
		for (const b of [victim, thief, innocent])
			await b.context.close();
	});
});

describe('an app that shares the main site', { skip: needsRelay }, () => {
	test('gets no service worker there', async () => {
		const app = await evilSite();
		app.handlers.set('/sw.js', (req, res) => {
			res.setHeader('Content-Type', 'text/javascript');
			res.setHeader('Service-Worker-Allowed', '/');
			res.end('self.addEventListener("fetch", (e) => e.respondWith(new Response("mine")));');
		});
		const relay = await startRelay({ args: ['--root', 'web'] });
		await startAgent({ relay, apps: `web=127.0.0.1:${app.port}` });
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		await page.goto(relay.origin);
		await logIn(page, relay.secrets.password);
		const register = () => page.evaluate(() => navigator.serviceWorker.register('/sw.js').then(() => 'registered', (e) => e.name));
		assert.notEqual(await register(), 'registered');
		assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 0);
		assert.ok(!app.saw('/sw.js'), 'it was not even asked for');
		await browser.context.close();
	});

	test('cannot change people, tokens or access for its visitors; the dashboard says so', async () => {
		const app = await evilSite();
		const relay = await startRelay({ args: ['--root', 'web'], name: 'relay-shared' });
		await startAgent({ relay, apps: `web=127.0.0.1:${app.port}`, name: 'agent-shared' });
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		await page.goto(relay.origin);
		await logIn(page, relay.secrets.password);
		assert.equal(await page.title(), 'evil');
		const got = await page.evaluate(async () => {
			const out = {};
			for (const [op, body] of [['people/role', { user: 'a', role: 'admin' }], ['people/remove', { user: 'a' }], ['people/reset', { user: 'a' }],
				['invites/new', { role: 'admin' }], ['tokens/new', { kind: 'api', name: 'x', scopes: ['admin'] }], ['tokens/revoke', { id: 'x' }],
				['access/set', { app: 'box/web', people: null }]]) {
				const res = await fetch(`/_adit/api/${op}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
				out[op] = [res.status, (await res.json()).error];
			}
			return out;
		});
		for (const [op, [status, error]] of Object.entries(got)) {
			assert.equal(status, 403, op);
			assert.match(error, /command line|site of its own/, op);
		}
		await page.goto(`${relay.origin}/_adit/#tokens`);
		await page.locator('main .warn', { hasText: 'can only be read here' }).waitFor();
		assert.equal(await page.locator('main form').count(), 0);
		await browser.context.close();
	});
});
