// The dashboard's page of the channel, over a relay, with a workstation that is
// a few lines of ws.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import WebSocket from 'ws';
import { openBrowser, screenshot, watch } from './browser.mjs';
import { NEVER_MS, needsRelay, onExit, shutDown, startRelay, within } from './harness.mjs';

after(shutDown);

const API_KEY = 'the registration key of this test, long enough';
const AUTH_KEY = 'the key of the workstation';

// Registers, answers "ping-me" to the device that asked, and tells all that it did.
async function workstation(origin) {
	const ws = new WebSocket(`${origin.replace('http', 'ws')}/ws`);
	const got = [];
	onExit(() => ws.terminate());
	await within(once(ws, 'open'), 'the workstation\'s socket');
	const registered = new Promise((go) => ws.on('message', (data) => {
		const message = JSON.parse(data);
		if (message.type === 'workstation.registered')
			go(message.payload.tunnel_id);
		got.push(message);
		if (message.type === 'ping-me') {
			ws.send(JSON.stringify({ type: 'forward.to_device', device_id: message.device_id,
				payload: JSON.stringify({ type: 'for-you-alone', n: message.n }) }));
			ws.send(JSON.stringify({ type: 'for-all', n: message.n }));
		}
	}));
	ws.send(JSON.stringify({ type: 'workstation.register', payload: { api_key: API_KEY, name: 'the <b>attic</b>', auth_key: AUTH_KEY } }));
	return { ws, got, id: await within(registered, 'workstation.registered') };
}

describe('the channel in the dashboard', { skip: needsRelay }, () => {
	it('shows a workstation, joins it, shows and sends messages', { timeout: 2 * NEVER_MS }, async () => {
		const relay = await startRelay({ args: ['--root', 'dashboard'], env: { TUNNEL_REGISTRATION_API_KEY: API_KEY } });
		const station = await workstation(relay.origin);
		const browser = await openBrowser();
		const page = await browser.context.newPage();
		const errors = watch(page);
		await page.goto(`${relay.origin}/`);
		await page.fill('#password', relay.secrets.password);
		await page.press('#password', 'Enter');
		await page.click('#nav a[href="#channel"]');
		await page.locator('b', { hasText: 'the <b>attic</b>' }).waitFor();
		await page.getByText(/online · 0 clients/).waitFor();

		const join = async (key) => {
			await page.fill('[name=id]', station.id);
			await page.fill('[name=key]', key);
			await page.getByRole('button', { name: 'Connect', exact: true }).click();
		};
		await join('not the key of the workstation');
		await page.locator('.log pre', { hasText: 'INVALID_AUTH_KEY' }).waitFor();
		await page.getByRole('button', { name: 'Clear' }).click();
		await join(AUTH_KEY);
		await page.getByRole('status').getByText('connected', { exact: true }).waitFor();
		await page.getByText(/online · 1 client ·/).waitFor();
		await page.fill('textarea', '{ "type": "ping-me", "n": 7 }');
		await page.getByRole('button', { name: 'Send' }).click();
		await page.locator('.log b', { hasText: 'for-you-alone' }).waitFor();
		await page.locator('.log b', { hasText: 'for-all' }).waitFor();
		const asked = station.got.find((m) => m.type === 'ping-me');
		assert.match(asked.device_id, /^dashboard-\d+$/);
		assert.equal(asked.n, 7);
		await screenshot(page, 'dashboard-channel-relay');

		station.ws.close();
		await page.locator('.log b', { hasText: 'connection.workstation_offline' }).waitFor();
		await page.getByText(/offline · 1 client ·/).waitFor();
		assert.deepEqual(browser.faults, []);
		assert.deepEqual(errors, []);
		await browser.context.close();
	});
});
