// browser.mjs: Debian's Chromium, with an empty profile and no way off this machine.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { BUILD, cleanEnv, onExit, tempDir } from './harness.mjs';

const LOCAL = /^(127\.0\.0\.1|localhost|.*\.localhost|\[::1\])$/;

export async function openBrowser(options = {}) {
	const home = tempDir('chromium');
	const context = await chromium.launchPersistentContext(join(home, 'profile'), {
		executablePath: '/usr/bin/chromium',
		headless: true,
		env: cleanEnv({ HOME: home }),
		acceptDownloads: true,
		args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync', '--no-proxy-server',
			'--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost'],
		...options,
	});
	onExit(() => context.close());
	const browser = { context, foreign: [], faults: [] };
	context.on('request', (request) => {
		const { protocol, hostname } = new URL(request.url());
		if (/^(http|ws)s?:$/.test(protocol) && !LOCAL.test(hostname))
			browser.foreign.push(request.url());
	});
	context.on('weberror', (e) => browser.faults.push(String(e.error())));
	context.on('console', (m) => {
		// What a page must not do: break its own Content-Security-Policy, or
		// name a file that is not what it says.
		if (/Content.Security.Policy|MIME type/i.test(m.text()))
			browser.faults.push(m.text());
	});
	context.on('response', (response) => {
		if (response.status() >= 400 && response.url().includes('/_adit/assets/'))
			browser.faults.push(`${response.status()} ${response.url()}`);
	});
	return browser;
}

// What a page complains about. The browser also reports each answer of 400 and
// more as an error: those that a test asks for, it removes.
export function watch(page) {
	const errors = [];
	page.on('pageerror', (error) => errors.push(error.message));
	page.on('console', (message) => {
		if (['error', 'warning'].includes(message.type()))
			errors.push(message.text());
	});
	return errors;
}

export async function screenshot(page, name) {
	const folder = join(BUILD, 'screenshots');
	mkdirSync(folder, { recursive: true });
	await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
