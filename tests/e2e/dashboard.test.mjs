// The dashboard by itself, in Chromium, over a stand-in for the relay: looks,
// accessibility, hostile text, the live connection, QR codes, sizes. What people
// do with it is in people.test.mjs, over the relay.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createRequire } from 'node:module';
import jsqr from 'jsqr';
import { openBrowser, screenshot, watch } from './browser.mjs';
import { HOSTILE, house, startMock } from './dashboard-mock.mjs';
import { NEVER_MS, ROOT, shutDown } from './harness.mjs';

// Node 18 takes it for an older kind of module by its name alone.
const { bch, checkBytes, qr } = await import(
    `data:text/javascript;base64,${readFileSync(join(ROOT, 'web/qr.js')).toString('base64')}`);

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const test = (name, fn) => it(name, { timeout: 2 * NEVER_MS }, fn);
after(shutDown);

const PAGES = {
	overview: '/', agent: '/#agent/studio-mac', people: '/#people', access: '/#access', tokens: '/#tokens',
	channel: '/#channel', audit: '/#audit', settings: '/#settings', you: '/#you', setup: '/setup', invite: '/invite#abc',
};

describe('QR codes', () => {
	test('check bytes, format and version as in the standard\'s own examples', () => {
		// ISO/IEC 18004 annex I: "01234567" as version 1-M.
		assert.deepEqual(checkBytes([0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11], 10),
		    [0xa5, 0x24, 0xd4, 0xc1, 0xed, 0x36, 0xc7, 0x87, 0x2c, 0x55]);
		assert.equal(bch(5, 0x537, 10) ^ 0x5412, 0b100000011001110, 'level M, mask 5');
		assert.equal(bch(7, 0x1f25, 12), 0b000111110010010100, 'version 7');
	});

	test('each length of each version is read by another program', () => {
		const quiet = 4;
		const scale = 3;
		const bounds = [14, 26, 42, 62, 84, 106, 122, 152, 180, 213];
		for (const n of [1, ...bounds.flatMap((b) => [b - 1, b, b + 1])]) {
			const text = `https://relay.example.org/_adit/invite#${'Vb0kq3n1rG0w0lT8yXo2m5Qe7sUj9aCd4fHi6kLmNpO'.repeat(5)}`.slice(0, n);
			const code = qr(text);
			if (n > 213) {
				assert.equal(code, null, 'too long says so');
				continue;
			}
			assert.equal(code.length, 21 + 4 * bounds.findIndex((b) => n <= b));
			const size = (code.length + 2 * quiet) * scale;
			const pixels = new Uint8ClampedArray(size * size * 4).fill(255);
			for (let y = 0; y < size; y++)
				for (let x = 0; x < size; x++)
					if (code[Math.floor(y / scale) - quiet]?.[Math.floor(x / scale) - quiet])
						pixels.fill(0, (y * size + x) * 4, (y * size + x) * 4 + 3);
			assert.equal(jsqr(pixels, size, size)?.data, text, `${n} bytes`);
		}
		assert.notEqual(qr('é€𝄞'), null);
	});
});

test('the files are few and small', () => {
	const raw = readdirSync(join(ROOT, 'web')).map((f) => readFileSync(join(ROOT, 'web', f)).length).reduce((a, b) => a + b);
	assert.ok(raw < 100_000, `${raw} bytes`);
	for (const f of readdirSync(join(ROOT, 'web')))
		assert.doesNotMatch(readFileSync(join(ROOT, 'web', f), 'utf8'), /innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|https?:\/\/(?!www\.w3\.org\/2000\/svg)[a-z0-9]/i, f);
});

describe('in Chromium', () => {
	let browser;
	let page;
	let mock;
	let errors;
	before(async () => {
		mock = await startMock();
		browser = await openBrowser();
		page = await browser.context.newPage();
		errors = watch(page);
		await page.addInitScript(AXE);
	});
	after(async () => {
		assert.deepEqual(browser.foreign, [], 'no request leaves this machine');
		assert.deepEqual(browser.faults, [], 'no page breaks its own policy');
		assert.deepEqual(errors, [], 'no error in the console');
		await browser.context.close();
	});

	async function open(path) {
		await page.goto('about:blank');
		await page.goto(mock.origin + path);
		await page.waitForSelector('main h1');
	}

	// A minute of traffic, without waiting for it.
	async function minute() {
		await page.clock.install();
		await open('/');
		const [agent] = mock.state.status.agents;
		for (let i = 0; i < 62; i++) {
			agent.bytesFromAgent += Math.round(400_000 * (1.2 + Math.sin(i / 7)) + 90_000 * (i * 7919 % 11));
			agent.bytesToAgent += 9000 * (i * 31 % 7);
			mock.tell();
			await page.clock.runFor(1000);
		}
	}

	for (const [name, path] of Object.entries(PAGES))
		test(`${name}: accessible, fits, in both themes`, async () => {
			await page.emulateMedia({ reducedMotion: 'reduce' });
			if (name === 'overview')
				await minute();
			else if (name === 'agent')
				await page.click('.agent h2 a');
			else
				await open(path);
			await page.waitForSelector('main h1');
			for (const colorScheme of ['light', 'dark']) {
				await page.emulateMedia({ colorScheme });
				for (const width of [320, 390, 768, 1440]) {
					await page.setViewportSize({ width, height: width < 500 ? 844 : 900 });
					const wide = await page.evaluate(() => document.documentElement.scrollWidth);
					assert.ok(wide <= width, `${wide} px wide in a window of ${width}`);
					if (width > 320)
						await screenshot(page, `dashboard-${name}-${width}-${colorScheme}`);
				}
				const { violations } = await page.evaluate(() => window.axe.run(document, {
					runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
				assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), []);
			}
		});

	test('hostile text is text, on every page', async () => {
		const gentle = mock.state;
		Object.assign(mock.state, house({ hostile: true }));
		for (const path of Object.values(PAGES)) {
			await open(path);
			const found = await page.evaluate(() => [window.hit, document.querySelectorAll('main script, main img').length]);
			assert.deepEqual(found, [undefined, 0], path);
		}
		await open('/#people');
		assert.ok((await page.textContent('main')).includes(HOSTILE), 'shown as it is');
		await open(`/#agent/${encodeURIComponent(`studio-mac${HOSTILE}`)}`);
		assert.equal(await page.textContent('h1'), `studio-mac${HOSTILE}`);
		mock.refuse.people = [409, { error: HOSTILE }];
		await open('/#people');
		assert.equal(await page.textContent('main [role=alert]'), HOSTILE);
		errors.splice(0, errors.length, ...errors.filter((e) => !/409/.test(e)));
		delete mock.refuse.people;
		Object.assign(gentle, house());
	});

	test('nothing jumps while a page comes up', async () => {
		await page.addInitScript(() => {
			window.shifts = 0;
			new PerformanceObserver((list) => {
				for (const e of list.getEntries())
					window.shifts += e.value;
			}).observe({ type: 'layout-shift', buffered: true });
		});
		for (const width of [390, 1440]) {
			await page.setViewportSize({ width, height: 800 });
			await open('/');
			await page.waitForSelector('.agent');
			mock.tell();
			await page.waitForFunction(() => document.querySelector('.rates').textContent !== '');
			assert.ok(await page.evaluate(() => window.shifts) < 0.02, `${width}: ${await page.evaluate(() => window.shifts)}`);
		}
	});

	test('a lost connection is said, and made again', async () => {
		await open('/');
		await page.waitForSelector('.agent');
		mock.refuse.events = [503, { error: 'draining' }];
		mock.cut();
		await page.waitForFunction(() => /No connection/.test(document.getElementById('stale').textContent));
		await screenshot(page, 'dashboard-stale');
		delete mock.refuse.events;
		mock.state.status.agents[0].streams = 4321;
		await page.waitForFunction(() => document.getElementById('stale').textContent === '' &&
		    /4,321 streams/.test(document.body.textContent));
		errors.length = 0;      // the browser reports the cut and the 503 by itself
	});

	test('the keyboard does all: skip link, menu, dialog and back', async () => {
		await page.setViewportSize({ width: 390, height: 800 });
		await open('/');
		await page.waitForSelector('.agent');
		await page.keyboard.press('Tab');
		assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
		await page.keyboard.press('Enter');
		assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
		await page.focus('#menu');
		await page.keyboard.press('Enter');
		await page.waitForSelector('#nav a >> visible=true');
		await screenshot(page, 'dashboard-menu-390');
		await page.keyboard.press('Tab');
		assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Overview');
		await page.keyboard.press('Escape');
		assert.equal(await page.evaluate(() => document.activeElement.id), 'menu');
		const button = page.getByRole('button', { name: 'QR code of storybook on studio-mac' });
		await button.focus();
		await page.keyboard.press('Enter');
		await page.waitForSelector('dialog[open] svg');
		await screenshot(page, 'dashboard-qr-390');
		const { violations } = await page.evaluate(() => window.axe.run());
		assert.deepEqual(violations.map((v) => v.id), []);
		await page.keyboard.press('Escape');
		await page.waitForSelector('dialog', { state: 'detached' });
		assert.ok(await button.evaluate((b) => b === document.activeElement), 'the focus is where it was');
		await page.setViewportSize({ width: 1440, height: 900 });
	});

	test('each role sees what it may', async () => {
		const { me } = mock.state;
		const seen = async () => (await page.locator('#nav a').allTextContents()).join();
		mock.state.me = { ...me, role: 'viewer' };
		await open('/');
		await page.waitForSelector('.agent');
		assert.equal(await seen(), 'Overview,Channel,You');
		assert.equal(await page.getByText('Open', { exact: true }).count(), 0);
		await open('/#people');
		assert.match(await page.textContent('main'), /Your role does not open this page/);
		mock.state.me = { ...me, role: 'member' };
		await open('/');
		await page.waitForSelector('.agent');
		assert.equal(await seen(), 'Overview,Channel,You');
		assert.equal(await page.getByText('Open', { exact: true }).count(), 4);
		mock.state.me = me;
		mock.state.status.readonly = true;
		await open('/#people');
		assert.match(await page.textContent('main .warn'), /can only be read here/);
		assert.equal(await page.locator('main button >> visible=true').count(), 0);
		assert.equal(await page.locator('main select').count(), 0);
		delete mock.state.status.readonly;
		mock.state.me = { ...me, mode: 'none', user: '' };
		await open('/');
		assert.match(await page.textContent('main .warn'), /asks nobody to log in/);
		assert.equal(await seen(), 'Overview,Channel,Settings');
		assert.equal(await page.locator('#logout').count(), 0);
		mock.state.me = me;
	});

	test('nobody is there yet: the next command', async () => {
		const { status } = mock.state;
		mock.state.status = { ...status, agents: [], away: [] };
		await open('/');
		await page.getByRole('button', { name: 'Make a token' }).click();
		await page.waitForSelector('main .copy pre');
		assert.match(await page.textContent('main .copy pre'),
		    /^RELAY_TOKEN=adit_a\S+ \\\n  adit agent --relay https:\/\/relay\.example\.org --app 3000$/);
		assert.deepEqual(mock.posts.pop(), ['tokens/new', { kind: 'agent', name: 'first agent' }]);
		await screenshot(page, 'dashboard-empty-1440');
		mock.state.status = status;
		mock.tell();
		await page.waitForSelector('.agent');
		assert.equal(await page.getByText('No agent is connected yet').count(), 0);
	});

	test('an invitation\'s secret leaves the address at once and is only posted', async () => {
		mock.posts.length = 0;
		const asked = [];
		const seen = (r) => asked.push(r.url());
		page.on('request', seen);
		await open('/invite#s3cr3t-s3cr3t');
		assert.equal(await page.evaluate(() => location.href), `${mock.origin}/invite`);
		await page.fill('[name=user]', 'lin');
		await page.fill('[name=new]', 'correct horse');
		await page.fill('[name=again]', 'correct house');
		await page.click('[type=submit]');
		await page.getByText('The two passwords differ.').waitFor();
		await page.fill('[name=again]', 'correct horse');
		await page.click('[type=submit]');
		await page.waitForURL(`${mock.origin}/_adit/`);
		page.off('request', seen);
		assert.deepEqual(mock.posts, [['invite/look', { secret: 's3cr3t-s3cr3t' }],
			['invite/accept', { secret: 's3cr3t-s3cr3t', user: 'lin', password: 'correct horse' }]]);
		assert.ok(asked.every((url) => !url.includes('s3cr3t')), asked.join('\n'));
	});

	test('the message console: joins, shows, filters, pauses, sends', async () => {
		await open('/#channel');
		await page.fill('[name=id]', '9aKq-3xYtBz0');
		await page.fill('[name=key]', 'the key of the workstation');
		await page.getByRole('button', { name: 'Connect', exact: true }).click();
		await page.getByRole('status').getByText('connected', { exact: true }).waitFor();
		const [hello] = mock.heard;
		assert.equal(hello.type, 'connect');
		assert.deepEqual([hello.payload.tunnel_id, hello.payload.auth_key], ['9aKq-3xYtBz0', 'the key of the workstation']);
		mock.speak({ type: 'session.output', payload: { text: HOSTILE } });
		mock.speak({ type: 'response', payload: { n: 1 } });
		await page.locator('.log li').nth(2).waitFor();
		assert.ok((await page.textContent('.log')).includes('<img src=x onerror='));
		await page.fill('[type=search]', 'response');
		assert.equal(await page.locator('.log li').count(), 1);
		await page.fill('[type=search]', '');
		await page.getByRole('button', { name: 'Pause' }).click();
		for (let i = 0; i < 600; i++)
			mock.speak({ type: 'tick', i });
		await page.fill('textarea', '{"type":"sync","n":1}');
		await page.getByRole('button', { name: 'Send' }).click();
		await mock.hears('sync');
		assert.equal(await page.locator('.log li').count(), 3, 'nothing moves while it is paused');
		mock.speak({ type: 'last' });
		await page.getByRole('button', { name: 'Go on' }).click();
		await page.locator('.log b', { hasText: /^last$/ }).waitFor();
		assert.equal(await page.locator('.log li').count(), 500, 'the last 500 are kept');
		await screenshot(page, 'dashboard-console-1440');
		await page.fill('textarea', 'not json');
		await page.getByRole('button', { name: 'Send' }).click();
		await page.locator('form .bad').filter({ hasText: /./ }).waitFor();
		await page.click('#nav a:first-child');
		await mock.gone();
	});
});
