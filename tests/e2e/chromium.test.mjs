// In Chromium: login, the dashboard, the demo app and a hard app, as a person
// would see them. Screenshots go to build/screenshots.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { App, patternHash } from './app.mjs';
import { openBrowser, screenshot } from './browser.mjs';
import { startFront } from './fronts.mjs';
import {
	DIRECT, MIB, NEVER_MS, ROOT, cleanEnv, freePorts, needsRelay, newSecrets, shutDown, start, startAgent, startRelay,
} from './harness.mjs';

const test = (name, fn, skip = false) => it(name, { skip, timeout: 2 * NEVER_MS }, fn);
after(shutDown);

async function startDemo() {
	const proc = start('demo', process.execPath, [join(ROOT, 'tests', 'demo', 'app.mjs'), '0'], { env: cleanEnv() });
	const [, port] = await proc.waitFor(/^demo: http:\/\/127\.0\.0\.1:(\d+)\/$/, 'its URL');
	return Number(port);
}

// Types the password and leaves the login page.
async function logIn(page, password) {
	await page.waitForSelector('input[type=password]');
	await page.fill('input[type=password]', password);
	await Promise.all([
		page.waitForURL((url) => !url.pathname.includes('/login')),
		page.press('input[type=password]', 'Enter'),
	]);
}

const text = (page, selector) => page.textContent(selector);
const settled = (page, selector, pattern_) => page.waitForFunction(
    ([s, p]) => new RegExp(p).test(document.querySelector(s)?.textContent ?? ''), [selector, pattern_.source]);

// Everything that the demo page can do.
async function useDemo(page, name) {
	assert.equal(await page.title(), 'adit demo');
	await page.waitForSelector('#state[data-state=open]');
	await settled(page, '#ticks', /^([2-9]|\d\d+)$/);
	await page.fill('#text', `hello from ${name}`);
	await page.press('#text', 'Enter');
	await settled(page, '#log', new RegExp(`guest \\d+: hello from ${name}`));
	await settled(page, '#ping', /there and back/);
	const bytes = randomBytes(3 * MIB);
	await page.setInputFiles('#file', { name: 'upload.bin', mimeType: 'application/octet-stream', buffer: bytes });
	await page.click('#send button');
	await settled(page, '#result', /arrived in/);
	assert.equal(await page.getAttribute('#result', 'data-sha256'), createHash('sha256').update(bytes).digest('hex'));
	await page.click('#verify');
	await settled(page, '#verified', /SHA-256 equal|NOT|failed/);
	assert.match(await text(page, '#verified'), /8\.0 MiB in .* SHA-256 equal/);
	const [download] = await Promise.all([page.waitForEvent('download'), page.click('a[download]')]);
	assert.equal(download.suggestedFilename(), 'adit-demo-8-MiB.bin');
	assert.equal(readFileSync(await download.path()).length, 8 * MIB);
	assert.equal(await text(page, '#reconnects'), '0', 'the clock was never cut');
}

// Nothing sticks out to the side, at the width of a small telephone.
async function fits(page, name) {
	for (const colorScheme of ['light', 'dark']) {
		await page.emulateMedia({ colorScheme });
		for (const width of [320, 1024]) {
			await page.setViewportSize({ width, height: 700 });
			const wide = await page.evaluate(() => document.documentElement.scrollWidth);
			assert.ok(wide <= width, `${name}: ${wide} px wide in a window of ${width}`);
			await screenshot(page, `${name}-${width}-${colorScheme}`);
		}
	}
	await page.emulateMedia({ colorScheme: 'light' });
	await page.setViewportSize({ width: 1024, height: 700 });
}

function clean(browser) {
	assert.deepEqual(browser.foreign, [], 'no request leaves this machine');
	assert.deepEqual(browser.faults, [], 'no error in a page');
}

describe('the demo by itself', () => {
	test('page, clock, chat, upload, download', async () => {
		const port = await startDemo();
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		await page.goto(`http://127.0.0.1:${port}/`);
		await useDemo(page, 'nobody');
		assert.match(await text(page, '#user'), /no relay/);
		await fits(page, 'demo-alone');
		clean(browser);
		await browser.context.close();
	});
});

describe('the demo through the relay', { skip: needsRelay }, () => {
	test('as the main site: log in, use it, log out', async () => {
		const demo = await startDemo();
		const relay = await startRelay({ args: ['--root', 'demo'] });
		await startAgent({ relay, apps: `demo=127.0.0.1:${demo}` });
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		await page.goto(`${relay.origin}/?deep=link`);
		assert.equal(new URL(page.url()).pathname, '/_adit/login');
		await fits(page, 'login');
		await page.fill('input[type=password]', 'not the password');
		await page.press('input[type=password]', 'Enter');
		await page.waitForLoadState();
		await page.waitForFunction(() => /wrong|incorrect|not/i.test(document.body.textContent));
		await screenshot(page, 'login-wrong');
		await logIn(page, relay.secrets.password);
		assert.equal(page.url(), `${relay.origin}/?deep=link`, 'back where the person wanted to go');
		await useDemo(page, 'root');
		assert.equal(await text(page, '#user'), 'shared');
		await fits(page, 'demo-root');

		// A page script cannot read the session.
		assert.ok(!(await page.evaluate(() => document.cookie)).includes('adit='));

		// The session ends, and with it the page's WebSocket.
		const status = await page.evaluate(async () =>
			(await fetch('/_adit/api/auth/logout', { method: 'POST' })).status);
		assert.equal(status, 200);
		await page.waitForSelector('#state[data-state=closed]');
		await page.goto(`${relay.origin}/`);
		assert.equal(new URL(page.url()).pathname, '/_adit/login');
		clean(browser);
		await browser.context.close();
	});

	test('from the dashboard: Open, on a port of its own; log out there', async () => {
		const demo = await startDemo();
		const ports = await freePorts(2);
		const relay = await startRelay({ args: ['--app-ports', `${ports[0]}-${ports[1]}`], knownPorts: ports });
		await startAgent({ relay, apps: `demo=127.0.0.1:${demo}`, agentName: 'laptop' });
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		await page.goto(relay.origin);
		await logIn(page, relay.secrets.password);
		await page.waitForSelector('.agent');
		const body = await text(page, 'body');
		assert.match(body, /laptop/);
		assert.match(body, /demo/);
		await fits(page, 'dashboard');

		const opens = page.locator('a, button').filter({ hasText: /open/i }).first();
		await opens.waitFor();
		const other = browser.context.waitForEvent('page', { timeout: 5000 }).catch(() => null);
		await opens.click();
		// In a new tab or in this one: wherever the demo comes up.
		const found = await Promise.race([
			page.waitForFunction(() => document.title === 'adit demo').then(() => page).catch(() => new Promise(() => {})),
			other.then((p) => p ?? new Promise(() => {})),
		]);
		await found.waitForFunction(() => document.title === 'adit demo');
		const origin = new URL(found.url()).origin;
		assert.ok(ports.map((p) => `http://127.0.0.1:${p}`).includes(origin), origin);
		await useDemo(found, 'port');
		await screenshot(found, 'demo-port');

		// The dashboard is still logged in; its button ends both.
		const dash = await browser.context.newPage();
		await dash.goto(relay.origin);
		await settled(dash, '.agent', /laptop/);
		await dash.locator('a, button').filter({ hasText: /log ?out|sign ?out/i }).first().click();
		await dash.waitForSelector('input[type=password]');
		await screenshot(dash, 'logged-out');
		await found.waitForSelector('#state[data-state=closed]');
		clean(browser);
		await browser.context.close();
	});

	test('a login link with a foreign `next` stays here', async () => {
		const relay = await startRelay();
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		for (const next of ['//evil.example/', '/\\evil.example/', 'https://evil.example/']) {
			await browser.context.clearCookies();
			await page.goto(`${relay.origin}/_adit/login?next=${encodeURIComponent(next)}`);
			await logIn(page, relay.secrets.password);
			assert.equal(new URL(page.url()).origin, relay.origin);
		}
		clean(browser);
		await browser.context.close();
	});

	test('the tunnel goes away and comes back: the page says so and recovers by itself', async () => {
		const demo = await startDemo();
		const relay = await startRelay({ args: ['--root', 'demo'] });
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		await page.goto(relay.origin);
		await logIn(page, relay.secrets.password);
		await page.waitForFunction(() => document.title !== 'adit demo' && document.body.textContent.trim() !== '');
		await fits(page, 'no-tunnel');
		await startAgent({ relay, apps: `demo=127.0.0.1:${demo}` });
		await page.waitForFunction(() => document.title === 'adit demo');
		await page.waitForSelector('#state[data-state=open]');
		clean(browser);
		await browser.context.close();
	});

	for (const [kind, args] of [['nginx', () => ['--trust-proxy', 'true']], ['caddy', () => ['--trust-proxy', 'true']],
		['nginx-plain', (port) => ['--public-url', `http://127.0.0.1:${port}`]]])
		test(`behind ${kind}: log in and use it`, async () => {
			const demo = await startDemo();
			const secrets = newSecrets();
			let relay;
			const front = await startFront(kind, async (port) => {
				await relay?.proc.stop();
				relay = await startRelay({ secrets, args: ['--root', 'demo', ...args(port)], knownPorts: [port] });
				return `127.0.0.1:${relay.port}`;
			});
			await startAgent({ relay, url: front.origin, apps: `demo=127.0.0.1:${demo}` });
			const browser = await openBrowser();
			const page = await browser.context.newPage();
			await page.goto(front.origin);
			await logIn(page, secrets.password);
			assert.equal(new URL(page.url()).origin, front.origin, 'never to the relay\'s own address');
			if (kind === 'nginx-plain') {
				// Its body limit is nginx's; everything else must do.
				await page.waitForSelector('#state[data-state=open]');
				await settled(page, '#ticks', /^([2-9]|\d\d+)$/);
				await page.fill('#text', 'hello from plain');
				await page.press('#text', 'Enter');
				await settled(page, '#log', /guest \d+: hello from plain/);
			} else {
				await useDemo(page, kind);
			}
			clean(browser);
			await browser.context.close();
		});
});

// What a hard app does in a browser: Chromium's own WebSocket, EventSource,
// fetch, and the socket.io client that browsers get.
describe('a hard app', () => {
	let app;
	let origin;
	let browser;
	let page;
	before(async () => {
		app = await App.start({ socketIo: true });
		origin = app.origin;
		app.handlers.set('/', (req, res) => {
			res.setHeader('Content-Type', 'text/html; charset=utf-8');
			res.end('<!doctype html><title>hard app</title><link rel="icon" href="data:,"><script src="/socket.io.js"></script>');
		});
		app.handlers.set('/socket.io.js', (req, res) => {
			res.setHeader('Content-Type', 'text/javascript');
			res.end(readFileSync(join(ROOT, 'tests', 'node_modules', 'socket.io-client', 'dist', 'socket.io.js')));
		});
		browser = await openBrowser();
		page = await browser.context.newPage();
		if (DIRECT) {
			await page.goto(origin);
			return;
		}
		const relay = await startRelay({ args: ['--root', 'hard'] });
		await startAgent({ relay, apps: `hard=127.0.0.1:${app.port}` });
		origin = relay.origin;
		await page.goto(origin);
		await logIn(page, relay.secrets.password);
		await page.waitForFunction(() => document.title === 'hard app');
	});
	after(async () => {
		clean(browser);
		await browser.context.close();
	});

	for (const transports of [['polling'], ['polling', 'websocket'], ['websocket']])
		test(`Socket.IO in the browser: ${transports}`, async () => {
			app.io.removeAllListeners('connection');
			app.io.on('connection', (s) => {
				s.on('echo', (...args) => args.pop()(...args));
				s.on('join', (room, done) => {
					s.join(room);
					done();
				});
				s.on('say', (room, what) => s.to(room).emit('said', what));
			});
			const got = await page.evaluate(async (chosen) => {
				const make = () => new Promise((go, fail) => {
					const s = window.io({ transports: chosen, forceNew: true, reconnection: false });
					s.once('connect', () => go(s));
					s.once('connect_error', fail);
				});
				const [a, b] = await Promise.all([make(), make()]);
				if (chosen.length === 2 && a.io.engine.transport.name !== 'websocket')
					await new Promise((go) => a.io.engine.once('upgrade', go));
				const bytes = new Uint8Array(300_000).map((_, i) => i * 7);
				const [words, back] = await new Promise((go) => a.emit('echo', 'é€𝄞', bytes.buffer, (...x) => go(x)));
				await b.emitWithAck('join', 'room');
				const heard = new Promise((go) => b.once('said', go));
				a.emit('say', 'room', bytes.buffer);
				const room = new Uint8Array(await heard);
				const transport = a.io.engine.transport.name;
				a.disconnect();
				b.disconnect();
				const same = (x) => x.length === bytes.length && x.every((v, i) => v === bytes[i]);
				return { words, echoed: same(new Uint8Array(back)), room: same(room), transport };
			}, transports);
			assert.deepEqual(got, { words: 'é€𝄞', echoed: true, room: true, transport: transports.at(-1) });
		});

	test('WebSocket: text, binary, 16 MiB, subprotocol, deflate, close', async () => {
		let extensions;
		const path = app.onWs('ws', {
			perMessageDeflate: { threshold: 0 }, handleProtocols: () => 'second',
		}, (s) => {
			extensions = s.extensions;
			s.on('message', (m, binary) => m.toString() === 'bye' ? s.close(4567, 'farewell é') : s.send(m, { binary }));
		});
		const got = await page.evaluate(async (p) => {
			const ws = new WebSocket(p, ['first', 'second']);
			ws.binaryType = 'arraybuffer';
			await new Promise((go, fail) => {
				ws.onopen = go;
				ws.onerror = fail;
			});
			const ask = (m) => new Promise((go) => {
				ws.onmessage = (e) => go(e.data);
				ws.send(m);
			});
			const words = await ask('é€𝄞'.repeat(1000));
			const big = new Uint8Array(16 << 20).map((_, i) => (i * 2654435761) >>> 24);
			const back = new Uint8Array(await ask(big));
			let same = back.length === big.length;
			for (let i = 0; same && i < big.length; i++)
				same = big[i] === back[i];
			const closed = new Promise((go) => {
				ws.onclose = (e) => go([e.code, e.reason, e.wasClean]);
			});
			ws.send('bye');
			return { words: words.length, same, protocol: ws.protocol, extensions: ws.extensions, closed: await closed };
		}, origin.replace('http', 'ws') + path);
		assert.deepEqual(got.closed, [4567, 'farewell é', true]);
		assert.equal(got.same, true);
		assert.equal(got.words, 4000);
		assert.equal(got.protocol, 'second');
		assert.match(got.extensions, /permessage-deflate/);
		assert.match(extensions, /permessage-deflate/);
	});

	test('EventSource: each event as it is written, and the last id after a cut', async () => {
		const ids = [];
		const path = app.on('events', (req, res) => {
			ids.push(req.headers['last-event-id'] ?? null);
			res.writeHead(200, { 'Content-Type': 'text/event-stream' });
			const from = Number(req.headers['last-event-id'] ?? 0);
			res.write(`retry: 10\nid: ${from + 1}\ndata: ${from + 1}\n\n`);
			app.events = res;
		});
		app.handlers.set('/next', (req, res) => {
			const n = new URL(req.url, 'http://x').searchParams.get('n');
			if (n === 'cut')
				app.events.destroy();
			else
				app.events.write(`id: ${n}\ndata: ${n}\n\n`);
			res.end();
		});
		const got = await page.evaluate(async (p) => {
			const seen = [];
			const source = new EventSource(p);
			let wake;
			source.onmessage = (e) => {
				seen.push(e.data);
				wake?.();
			};
			const until = async (n) => {
				while (seen.length < n)
					await new Promise((go) => {
						wake = go;
					});
			};
			await until(1);
			for (let i = 2; i <= 20; i++) {
				await fetch(`/next?n=${i}`);    // written only after the last one was seen
				await until(i);
			}
			await fetch('/next?n=cut');
			await until(21);
			source.close();
			return seen;
		}, path);
		assert.deepEqual(got, Array.from({ length: 21 }, (_, i) => String(i + 1)));
		assert.deepEqual(ids, [null, '20']);
	});

	test('fetch: 8 MiB down and up, streamed reading, abort', async () => {
		const got = await page.evaluate(async (n) => {
			const hex = async (b) => Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', b)),
				(x) => x.toString(16).padStart(2, '0')).join('');
			const down = await (await fetch(`/bytes?n=${n}`)).arrayBuffer();
			const up = await (await fetch('/hash', { method: 'POST', body: down })).json();
			const reader = (await fetch(`/bytes?n=${n}`)).body.getReader();
			let streamed = 0;
			for (let r = await reader.read(); !r.done; r = await reader.read())
				streamed += r.value.length;
			const control = new AbortController();
			const broken = await fetch('/bytes?n=1000000000', { signal: control.signal });
			await broken.body.getReader().read();
			control.abort();
			return { down: await hex(down), up, streamed };
		}, 8 * MIB);
		assert.equal(got.down, patternHash(8 * MIB));
		assert.deepEqual(got.up, { bytes: 8 * MIB, sha256: patternHash(8 * MIB) });
		assert.equal(got.streamed, 8 * MIB);
	});
});
