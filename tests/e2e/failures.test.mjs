// What happens when a part is missing, dies or comes back: what a client
// gets, and the agent's exit codes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { App, gate } from './app.mjs';
import { deployment } from './deployment.mjs';
import { NEVER_MS, login, needsRelay, newSecrets, restartRelay, shutDown, startAgent, startRelay, within } from './harness.mjs';
import { Wire, open, rawRequest, request, whole } from './http.mjs';
import { wsClient } from './ws-client.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

const browser = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' };

// Until the answer is the wanted one; each round is a whole request.
async function until(status, ask) {
	for (let i = 0; i < 100_000; i++) {
		const res = await ask().catch(() => ({ status: 0 }));
		if (res.status === status)
			return res;
	}
	throw new Error(`never ${status}`);
}

describe('failures', { skip: needsRelay }, () => {
	test('no tunnel: 502, in JSON for programs, as a page that retries for people', async () => {
		const relay = await startRelay({ args: ['--root', 'web'] });
		const headers = (await login(relay.origin, relay.secrets.password)).headers(relay.origin);
		const json = await request(relay.origin, '/api/x', { headers });
		assert.equal(json.status, 502);
		assert.deepEqual(json.json, { error: 'Tunnel not connected' });
		assert.match(json.headers['content-type'], /^application\/json/);
		const page = await request(relay.origin, '/<script>alert(1)</script>', { headers: { ...headers, ...browser } });
		assert.equal(page.status, 502);
		assert.match(page.headers['content-type'], /^text\/html/);
		assert.ok(page.headers.refresh !== undefined || /http-equiv="?refresh|<script/i.test(page.body.toString()), 'it retries');
		assert.ok(!page.body.toString().includes('<script>alert'));
		assert.match(page.headers['content-security-policy'], /default-src 'none'/);
		assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
		assert.match(page.headers['cache-control'], /no-store/);
		const socket = wsClient(`${relay.origin.replace('http', 'ws')}/ws`, [], { headers });
		await assert.rejects(socket.opened(), /502/);
		const status = await request(relay.origin, '/api/relay/status');
		assert.equal(status.json.tunnelConnected, false);
		// A body that was on its way is no reason for anything else.
		const upload = await request(relay.origin, '/x', { method: 'POST', headers, body: Buffer.alloc(200_000) })
			.catch((e) => ({ status: e.code }));
		assert.ok([502, 'EPIPE', 'ECONNRESET'].includes(upload.status), `${upload.status}`);
	});

	test('the agent is there and the app is not: 502 that says so, and service once it is back', async () => {
		const d = await deployment();
		assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
		await d.app.stop();
		const down = await request(d.relay.origin, '/ok', { headers: d.headers });
		assert.equal(down.status, 502);
		assert.notEqual(down.json.error, 'Tunnel not connected');
		assert.equal(typeof down.json.error, 'string');
		assert.ok(!down.body.toString().includes(String(d.app.port)), 'the app\'s own address is nobody\'s business');
		const again = await App.start({ port: d.app.port });
		assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
		assert.ok(again.saw('/ok'));
	});

	test('an app that does not answer in time: 504, and the others are served', async () => {
		const d = await deployment({ args: ['--first-byte-timeout', '1s'] });
		const path = d.app.on('never', () => {});
		const late = request(d.relay.origin, path, { headers: d.headers });
		assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
		const res = await late;
		assert.equal(res.status, 504);
		assert.equal(typeof res.json.error, 'string');
	});

	test('an app that closes without a word: 502', async () => {
		const d = await deployment();
		const path = d.app.on('mute', (req) => req.socket.destroy());
		const res = await request(d.relay.origin, path, { headers: d.headers });
		assert.equal(res.status, 502);
	});

	test('an app that closed a kept connection meanwhile is asked on a new one', async () => {
		const d = await deployment();
		const wire = await Wire.connect(d.relay.origin);
		const fields = [`Cookie: ${d.headers.cookie}`];
		for (let i = 0; i < 5; i++) {
			await wire.write(rawRequest(d.relay.origin, 'GET /head', fields));
			assert.equal((await wire.response()).status, 200);
			// The app closes it, and the request after that finds it closed.
			const closing = [...d.app.connections].map((s) => once(s, 'close'));
			for (const s of d.app.connections)
				s.end();
			await Promise.all(closing);
			// What comes through the tunnel after it was heard after it.
			assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
		}
		wire.destroy();
	});

	test('an agent that is killed: its streams end, and service is back with it', async () => {
		const d = await deployment();
		const reached = gate();
		const path = d.app.on('held', (req, res) => {
			res.writeHead(200);
			res.write('first');
			reached.open();
		});
		const echo = d.app.onWs('echo', {}, (s) => s.on('message', (m) => s.send(m)));
		const held = open(d.relay.origin, path, { headers: d.headers });
		held.on('error', () => {});
		held.end();
		const [res] = await once(held, 'response');
		await reached.opened;
		const socket = await wsClient(d.relay.origin.replace('http', 'ws') + echo, [], { headers: d.headers }).opened();
		await d.agent.proc.stop('SIGKILL');
		await assert.rejects(whole(res), 'half an answer must not look whole');
		await socket.closed();
		await until(502, () => request(d.relay.origin, '/ok', { headers: d.headers }));
		await startAgent({ relay: d.relay, apps: `web=127.0.0.1:${d.app.port}`, name: 'agent-again' });
		await until(200, () => request(d.relay.origin, '/ok', { headers: d.headers }));
	});

	test('a relay that is killed and comes back: the agent finds it, the session counts', async () => {
		const d = await deployment();
		const seen = d.agent.proc.lines.length;
		await d.relay.proc.stop('SIGKILL');
		const again = await restartRelay(d.relay);
		await d.agent.proc.waitFor(/\baccepted\b/, 'accepted again', seen);
		const res = await until(200, () => request(again.origin, '/ok', { headers: d.headers }));
		assert.equal(res.body.toString(), 'ok\n');
	});

	test('a relay that is asked to stop lets what runs come to its end', async () => {
		const d = await deployment({ args: ['--drain-timeout', '60s'] });
		const held = gate();
		const reached = gate();
		const path = d.app.on('finishing', async (req, res) => {
			reached.open();
			await held.opened;
			res.end('to the end');
		});
		const slow = request(d.relay.origin, path, { headers: d.headers });
		await reached.opened;
		const stopping = d.relay.proc.stop();
		held.open();
		assert.equal((await slow).body.toString(), 'to the end');
		assert.deepEqual(await stopping, { code: 0, signal: null });
	});
});

describe('an agent\'s exit codes', { skip: needsRelay }, () => {
	test('0 when asked to stop, by SIGTERM or SIGINT', async () => {
		const d = await deployment();
		assert.deepEqual(await d.agent.proc.stop('SIGTERM'), { code: 0, signal: null });
		const agent = await startAgent({ relay: d.relay, apps: `web=127.0.0.1:${d.app.port}` });
		assert.deepEqual(await agent.proc.stop('SIGINT'), { code: 0, signal: null });
		assert.deepEqual(await d.relay.proc.stop('SIGINT'), { code: 0, signal: null });
	});

	test('0 also while it is trying to reach a relay that is not there', async () => {
		const relay = await startRelay();
		await relay.proc.stop();
		const agent = await startAgent({ relay, apps: 'web=127.0.0.1:9', wait: false });
		await agent.proc.waitFor(/retry/i, 'that it will retry');
		assert.deepEqual(await agent.proc.stop(), { code: 0, signal: null });
	});

	test('3 for a wrong token, with one line that says what to do', async () => {
		const relay = await startRelay();
		const wrong = newSecrets();
		const agent = await startAgent({ relay, secrets: wrong, apps: 'web=127.0.0.1:9', wait: false });
		const { code } = await within(agent.proc.exited, 'the agent\'s end');
		assert.equal(code, 3);
		assert.ok(agent.proc.lines.some((l) => /RELAY_TOKEN|token/i.test(l)), agent.proc.tail());
		assert.ok(!agent.proc.lines.some((l) => l.includes(wrong.token)), 'the token itself is not shown');
		assert.ok(!relay.proc.lines.some((l) => l.includes(wrong.token)));
	});

	test('4 for the older one when a newer process takes its name, and only for that', async () => {
		const d = await deployment();
		const second = await startAgent({ relay: d.relay, apps: `web=127.0.0.1:${d.app.port}`, name: 'agent-second' });
		const { code } = await within(d.agent.proc.exited, 'the older agent\'s end');
		assert.equal(code, 4);
		assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);
		assert.deepEqual(await second.proc.stop(), { code: 0, signal: null });
	});

	test('a 401 that is not the relay\'s own is retried, not final', async () => {
		const relay = await App.start();        // something else on that address
		relay.upgrades.set('/tunnel', (req, socket) => {
			socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nproxy');
		});
		const agent = await startAgent({ relay: { origin: relay.origin, secrets: newSecrets() }, apps: 'web=127.0.0.1:9', wait: false });
		await agent.proc.waitFor(/retry/i, 'that it will retry');
		assert.deepEqual(await agent.proc.stop(), { code: 0, signal: null });
	});
});
