// People, in Chromium, over a relay: from the first run to a teammate who uses
// an app, and everything that an admin can take away again. The tests of this
// file are one story and run in this order.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { App } from './app.mjs';
import { openBrowser, screenshot, watch } from './browser.mjs';
import { NEVER_MS, freePorts, needsRelay, shutDown, startAgent, startRelay } from './harness.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// After the first that fails the story makes no sense.
let broken = null;
const test = (name, fn) => it(name, { timeout: 2 * NEVER_MS }, async () => {
	assert.equal(broken, null, 'an earlier part of the story failed');
	broken = name;
	await fn();
	broken = null;
});
after(shutDown);

const PASSWORD = { ada: 'a mine has an adit', grace: 'a ship in port is safe', vic: 'looking is free here' };

// An app with a page whose WebSocket says whether it is open.
async function liveApp(name) {
	const app = await App.start();
	const ws = app.onWs('live', {}, () => {});
	app.handlers.set('/', (req, res) => {
		res.setHeader('Content-Type', 'text/html; charset=utf-8');
		res.end(`<!doctype html><title>${name}</title><link rel="icon" href="data:,"><h1>${name}</h1><p id="ws">closed</p>
<p id="who">${req.headers['x-forwarded-user']} ${req.headers['x-forwarded-groups']}</p><script>
const ws = new WebSocket(location.origin.replace('http', 'ws') + '${ws}');
ws.onopen = () => { document.getElementById('ws').textContent = 'open'; };
ws.onclose = () => { document.getElementById('ws').textContent = 'closed'; };</script>`);
	});
	return app;
}

describe('people', { skip: needsRelay }, () => {
	let relay;
	let ports;
	let agent;
	let token;
	let apps;
	let ada;                // the admin's page
	let grace;              // a member's
	let vic;                // a viewer's
	const tabs = [];

	// A person: a browser of their own, with one page.
	async function person() {
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		await page.emulateMedia({ reducedMotion: 'reduce' });
		page.setDefaultTimeout(20_000);
		const errors = watch(page);
		tabs.push({ browser, errors });
		return Object.assign(page, { errors, browser });
	}

	before(async () => {
		ports = await freePorts(2);
		apps = await Promise.all([liveApp('notes'), liveApp('board')]);
		relay = await startRelay({ noPassword: true, env: { RELAY_TOKEN: undefined },
			args: ['--app-ports', `${ports[0]}-${ports[1]}`], knownPorts: ports });
		[ada, grace, vic] = await Promise.all([person(), person(), person()]);
	});
	after(async () => {
		for (const { browser, errors } of tabs) {
			assert.deepEqual(browser.foreign, [], 'no request leaves this machine');
			assert.deepEqual(browser.faults, [], 'no page breaks its policy');
			// Of refusals that a test asks for, the browser itself says this.
			assert.deepEqual(errors.filter((e) => !/Failed to load resource|WebSocket connection to/.test(e)), []);
		}
	});

	const heading = (page, text) => page.locator('h1', { hasText: text }).waitFor();
	const go = async (page, name, text) => {
		await page.click(`#nav a[href="#${name}"]`);
		await heading(page, text);
	};
	const startBox = () => startAgent({ relay, secrets: { token }, agentName: 'box',
		apps: apps.map((app, i) => `${['notes', 'board'][i]}=127.0.0.1:${app.port}`) });
	const said = (page, pattern) => page.waitForFunction((p) => new RegExp(p).test(document.getElementById('said').textContent), pattern.source);

	async function logIn(page, user, password = PASSWORD[user]) {
		await page.fill('#user', user);
		await page.fill('#password', password);
		await page.press('#password', 'Enter');
	}

	async function accessible(page, name) {
		await page.evaluate(AXE);
		for (const colorScheme of ['light', 'dark']) {
			await page.emulateMedia({ colorScheme });
			const { violations } = await page.evaluate(() => window.axe.run());
			assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), [], name);
			for (const width of [390, 768, 1440]) {
				await page.setViewportSize({ width, height: 900 });
				const wide = await page.evaluate(() => document.documentElement.scrollWidth);
				assert.ok(wide <= width, `${name}: ${wide} px wide in a window of ${width}`);
				await screenshot(page, `people-${name}-${width}-${colorScheme}`);
			}
		}
	}

	test('first run: everything leads to the setup; a wrong code does not do', async () => {
		await ada.goto(relay.origin);
		await heading(ada, 'First run');
		assert.equal(new URL(ada.url()).pathname, '/_adit/setup');
		const code = readFileSync(join(relay.dir, 'data', 'relay', 'setup-code'), 'utf8').trim();
		await ada.fill('[name=code]', 'AAAA-BBBB-CCCC-DDDD');
		await ada.fill('[name=user]', 'ada');
		await ada.fill('[name=new]', PASSWORD.ada);
		await ada.fill('[name=again]', PASSWORD.ada);
		await ada.click('[type=submit]');
		await ada.locator('form .bad', { hasText: /code/i }).waitFor();
		await ada.fill('[name=code]', code);
		await ada.click('[type=submit]');
		await heading(ada, 'Overview');
		assert.match(await ada.textContent('#who'), /ada.*admin/s);
		await ada.getByText('No agent is connected yet').waitFor();
	});

	test('a token and its command; the agent comes, without a reload', async () => {
		await ada.getByRole('button', { name: 'Make a token' }).click();
		const command = await ada.locator('main .copy pre').textContent();
		token = command.match(/RELAY_TOKEN=(adit_a\S+)/)[1];
		assert.ok(command.includes(`--relay ${relay.origin}`) || command.includes('--relay http://'), command);
		agent = await startBox();
		await ada.locator('.agent h2', { hasText: 'box' }).waitFor();
		assert.deepEqual(await ada.locator('.agent .name').allTextContents(), ['notes', 'board']);
		await ada.waitForFunction(() => !/No agent/.test(document.body.textContent));
	});

	test('two apps on one bare address, each on a port of its own', async () => {
		const origins = [];
		for (const name of ['notes', 'board']) {
			await ada.getByRole('link', { name: `Open ${name} on box`, exact: true }).click();
			await heading(ada, name);
			await ada.locator('#ws', { hasText: 'open' }).waitFor();
			assert.equal(await ada.textContent('#who'), 'ada admin');
			origins.push(new URL(ada.url()).origin);
			await ada.goto(relay.origin);
			await ada.locator('.agent').waitFor();
		}
		assert.deepEqual(origins.sort(), ports.map((p) => `http://127.0.0.1:${p}`).sort());
		const [tab] = await Promise.all([ada.context().waitForEvent('page'),
			ada.getByRole('link', { name: 'Open notes on box in a new tab' }).click()]);
		await heading(tab, 'notes');
		await tab.close();
	});

	test('an agent goes and comes back: seen live', async () => {
		await agent.proc.stop();
		await ada.waitForFunction(() => !document.querySelector('.agent .list'));
		agent = await startBox();
		await ada.locator('.agent .list').waitFor();
		await ada.click('.agent h2 a');
		await heading(ada, 'box');
		await ada.locator('dd code').waitFor();
	});

	async function invite(role) {
		await go(ada, 'people', 'People');
		const link = () => document.querySelector('main .copy pre')?.textContent;
		const earlier = await ada.evaluate(link);
		await ada.selectOption('main form [name=role]', role);
		await ada.getByRole('button', { name: 'Make a link' }).click();
		await ada.waitForFunction((text) => (document.querySelector('main .copy pre')?.textContent ?? text) !== text, earlier);
		return ada.evaluate(link);
	}

	async function accept(page, link, user) {
		await page.goto(link);
		await heading(page, 'You are invited');
		assert.equal(new URL(page.url()).hash, '', 'the secret is gone from the address');
		await page.fill('[name=user]', user);
		await page.fill('[name=new]', PASSWORD[user]);
		await page.fill('[name=again]', PASSWORD[user]);
		await page.click('[type=submit]');
		await heading(page, 'Overview');
	}

	test('an invitation makes a member, once', async () => {
		const link = await invite('member');
		assert.match(link, /\/_adit\/invite#[\w-]{43}$/);
		await accept(grace, link, 'grace');
		assert.match(await grace.textContent('#who'), /grace.*member/s);
		assert.deepEqual(await grace.locator('#nav a').allTextContents(), ['Overview', 'Channel', 'You']);
		await vic.goto(link);
		await heading(vic, 'This link does not work');
		await grace.getByRole('link', { name: 'Open notes on box', exact: true }).click();
		await heading(grace, 'notes');
		assert.equal(await grace.textContent('#who'), 'grace member');
	});

	test('an invitation can be taken back', async () => {
		const link = await invite('admin');
		await ada.getByRole('button', { name: /^Revoke/ }).click();
		await ada.getByRole('button', { name: /^Really revoke/ }).click();
		await ada.getByText('No invitation is open.').waitFor();
		await vic.goto('about:blank');
		await vic.goto(link);
		await heading(vic, 'This link does not work');
	});

	test('a viewer looks, and opens nothing', async () => {
		await vic.goto('about:blank');
		await accept(vic, await invite('viewer'), 'vic');
		await vic.locator('.agent').waitFor();
		assert.equal(await vic.getByText('Open', { exact: true }).count(), 0);
		for (const port of ports) {
			const res = await vic.goto(`http://127.0.0.1:${port}/`);
			assert.equal(res.status(), 403);
		}
		await accessible(vic, 'error-403');
		const status = await vic.evaluate(async () => (await fetch('/_adit/api/people')).status);
		assert.ok([401, 403, 404].includes(status), `an app's site has no API: ${status}`);
		await vic.goto(`${relay.origin}/`);
		await heading(vic, 'Overview');
		assert.equal(await vic.evaluate(async () => (await fetch('/_adit/api/people')).status), 403);
		assert.equal(await vic.evaluate(async () => (await fetch('/_adit/api/tokens/new', { method: 'POST',
			headers: { 'Content-Type': 'application/json' }, body: '{"kind":"agent","name":"x"}' })).status), 403);
	});

	test('named people mean those and nobody else', async () => {
		await go(ada, 'access', 'Access');
		const form = ada.locator('form', { hasText: 'box/board' });
		await form.getByText('Only these people').click();
		await form.getByText('ada', { exact: true }).click();
		await form.getByRole('button', { name: 'Save' }).click();
		await said(ada, /box\/board is for ada/);
		await grace.goto(relay.origin);
		await grace.locator('.agent').waitFor();
		await grace.getByRole('link', { name: 'Open board on box', exact: true }).click();
		await grace.waitForLoadState();
		assert.equal(await grace.evaluate(() => performance.getEntriesByType('navigation')[0].responseStatus), 403);
		await grace.goto(relay.origin);
		await form.getByText('Everyone').click();
		await form.getByRole('button', { name: 'Save' }).click();
		await said(ada, /box\/board is for everyone/);
		await grace.getByRole('link', { name: 'Open board on box', exact: true }).click();
		await heading(grace, 'board');
	});

	test('log out; a wrong password; the right one', async () => {
		await grace.goto(relay.origin);
		await heading(grace, 'Overview');
		await grace.click('#logout');
		await grace.waitForSelector('#password');
		await logIn(grace, 'grace', 'not the password');
		await grace.locator('#error').waitFor();
		await accessible(grace, 'login');
		await grace.goto(`${relay.origin}/_adit/login`);
		await logIn(grace, 'grace');
		await heading(grace, 'Overview');
	});

	test('a session that is ended closes its pages at once', async () => {
		const app = await grace.context().newPage();
		await app.goto(`${relay.origin}/`);
		await app.getByRole('link', { name: 'Open notes on box', exact: true }).click();
		await app.locator('#ws', { hasText: 'open' }).waitFor();
		await go(ada, 'you', 'You');
		await ada.getByText('this device').waitFor();
		await ada.getByText('of everybody').click();
		const row = ada.locator('tr', { hasText: 'grace' });
		await row.first().waitFor();
		while (await row.count() > 0) {
			const before_ = await row.count();
			await row.first().getByRole('button', { name: /^End/ }).click();
			await row.first().getByRole('button', { name: /^Really end/ }).click();
			await ada.waitForFunction((n) => [...document.querySelectorAll('tr')].filter((r) => /grace/.test(r.textContent)).length < n, before_);
		}
		await grace.waitForURL(/\/_adit\/login/);
		await app.locator('#ws', { hasText: 'closed' }).waitFor();
		await app.close();
		await logIn(grace, 'grace');
		await heading(grace, 'Overview');
	});

	test('a new password by a link from an admin', async () => {
		await go(ada, 'people', 'People');
		await ada.getByRole('button', { name: 'Reset password of grace' }).click();
		const link = await ada.locator('dialog .copy pre').textContent();
		await ada.getByRole('button', { name: 'Close' }).click();
		await grace.goto(link);
		await heading(grace, 'A new password');
		PASSWORD.grace = 'another ship in another port';
		await grace.fill('[name=new]', PASSWORD.grace);
		await grace.fill('[name=again]', PASSWORD.grace);
		await grace.click('[type=submit]');
		await heading(grace, 'Overview');
		assert.match(await grace.textContent('#who'), /grace/);
	});

	test('one\'s own password', async () => {
		await go(grace, 'you', 'You');
		await grace.fill('[name=old]', 'wrong wrong wrong');
		await grace.fill('[name=new]', 'a third ship');
		await grace.fill('[name=again]', 'a third ship');
		await grace.getByRole('button', { name: 'Change it' }).click();
		await grace.locator('form .bad', { hasText: /./ }).waitFor();
		await grace.fill('[name=old]', PASSWORD.grace);
		await grace.getByRole('button', { name: 'Change it' }).click();
		await said(grace, /Changed/);
		PASSWORD.grace = 'a third ship';
	});

	test('a role that is changed is in force at once', async () => {
		const app = await grace.context().newPage();
		await app.goto(`${relay.origin}/`);
		await app.getByRole('link', { name: 'Open notes on box', exact: true }).click();
		await app.locator('#ws', { hasText: 'open' }).waitFor();
		await go(ada, 'people', 'People');
		await ada.getByLabel('Role of grace').selectOption('viewer');
		await said(ada, /grace is now viewer/);
		await app.locator('#ws', { hasText: 'closed' }).waitFor();
		assert.equal((await app.reload()).status(), 403);
		await app.close();
		await ada.getByLabel('Role of ada').selectOption('member');
		await said(ada, /admin/);
	});

	test('a token that is revoked ends its agent', async () => {
		await go(ada, 'tokens', 'Tokens');
		await ada.getByRole('button', { name: 'Revoke first agent' }).click();
		await ada.getByRole('button', { name: 'Really revoke' }).click();
		await said(ada, /Revoked/);
		await agent.proc.exited;
		assert.equal(agent.proc.code, 3);
		await ada.fill('[name=name]', 'box');
		await ada.fill('[name=agent]', 'box');
		await ada.getByRole('button', { name: 'Make a token' }).click();
		await ada.getByText('This is shown only now').waitFor();
		token = (await ada.locator('main pre').first().textContent()).trim();
		agent = await startBox();
		await go(ada, '', 'Overview');
		await ada.locator('.agent .list').waitFor();
	});

	test('who is removed is out at once', async () => {
		await go(ada, 'people', 'People');
		await ada.getByRole('button', { name: 'Remove vic' }).click();
		await ada.getByRole('button', { name: 'Really remove? vic' }).click();
		await said(ada, /vic is removed/);
		await vic.waitForURL(/\/_adit\/login/);
	});

	test('the audit log tells the story, without a secret', async () => {
		await go(ada, 'audit', 'Audit log');
		const text = await ada.textContent('main table');
		for (const word of ['ada', 'grace', 'vic', 'invite', 'token'])
			assert.ok(text.includes(word), `${word} in ${text}`);
		for (const secret of [...Object.values(PASSWORD), token])
			assert.ok(!text.includes(secret));
	});

	test('the settings in force', async () => {
		await go(ada, 'settings', 'Settings');
		assert.match(await ada.textContent('main'), new RegExp(`${ports[0]}-${ports[1]}`));
	});

	test('every page is accessible with what a relay gives', async () => {
		await ada.addInitScript(AXE);
		for (const [name, text] of [['', 'Overview'], ['people', 'People'], ['access', 'Access'], ['tokens', 'Tokens'], ['audit', 'Audit log'],
			['settings', 'Settings'], ['you', 'You'], ['channel', 'Channel']]) {
			await ada.goto('about:blank');
			await ada.goto(`${relay.origin}/#${name}`);
			await heading(ada, text);
			const { violations } = await ada.evaluate(() => window.axe.run());
			assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), [], text);
		}
	});

	test('error pages: not there, and an app that is not there', async () => {
		const page = await ada.context().newPage();
		assert.equal((await page.goto(`${relay.origin}/nothing`)).status(), 404);
		await accessible(page, 'error-404');
		await page.goto(relay.origin);
		const href = await page.getByRole('link', { name: 'Open notes on box', exact: true }).getAttribute('href');
		await apps[0].stop();
		assert.equal((await page.goto(href)).status(), 502);
		await screenshot(page, 'people-error-502');
		await agent.proc.stop();
		assert.equal((await page.goto(href)).status(), 502);
		await screenshot(page, 'people-error-no-tunnel');
		await page.close();
	});

	test('the relay goes: the page says so; it comes back: the page goes on', async () => {
		await ada.goto(`${relay.origin}/`);
		await heading(ada, 'Overview');
		await relay.proc.stop();
		await ada.waitForFunction(() => /No connection/.test(document.getElementById('stale').textContent));
		relay = await startRelay({ noPassword: true, dir: relay.dir, env: { RELAY_TOKEN: undefined }, listen: `127.0.0.1:${relay.port}`,
			args: relay.args, name: 'relay-again' });
		await ada.waitForFunction(() => document.getElementById('stale').textContent === '');
		assert.match(await ada.textContent('#who'), /ada/, 'still logged in');
	});
});
