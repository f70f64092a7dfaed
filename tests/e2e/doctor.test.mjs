// adit doctor: a good way to a relay, and ways with one fault each, made by a
// proxy that does one thing wrong.

import assert from 'node:assert/strict';
import { Agent, createServer, request as ask } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ADIT, cleanEnv, needsRelay, run, shutDown, startRelay, tempDir } from './harness.mjs';

const options = { skip: needsRelay };
after(shutDown);

// Runs the doctor; the rows by name, the last of a name counts.
async function doctor(url, args = []) {
	const got = await run(ADIT, ['doctor', '--relay', url, '--json', ...args], { env: cleanEnv() });
	const rows = JSON.parse(got.stdout);
	const bad = rows.filter((row) => !row.ok).map((row) => row.name);
	assert.equal(got.code, bad.length === 0 ? 0 : 1, got.stdout.toString());
	return { rows, bad, text: (name) => rows.filter((row) => row.name === name).at(-1)?.text };
}

// A proxy to `port`; the hooks change what it passes on.
function proxy(port, { headers = (h) => h, answer = (h) => h, upgrade = false } = {}) {
	const agent = new Agent({ keepAlive: false });
	const server = createServer((req, res) => {
		const { upgrade: dropped, ...passed } = req.headers;
		const on = ask({ port, host: '127.0.0.1', agent, method: req.method, path: req.url, setHost: false,
			headers: headers({ ...passed, connection: 'close' }) }, (back) => {
			res.writeHead(back.statusCode, answer({ ...back.headers }));
			back.pipe(res);
		});
		req.pipe(on);
	});
	if (upgrade)
		server.on('upgrade', (req, socket) => socket.on('error', () => {}).end(
		    'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'));
	after(() => server.close());
	return new Promise((done) => server.listen(0, '127.0.0.1',
	    () => done(`http://127.0.0.1:${server.address().port}`)));
}

describe('adit doctor', options, () => {
	let relay;
	before(async () => { relay = await startRelay(); });

	it('finds nothing wrong where nothing is', async () => {
		const found = await doctor(relay.origin);
		assert.deepEqual(found.bad, []);
		assert.deepEqual(found.rows.map((row) => row.name),
		    ['name', 'address', 'relay', 'clock', 'host', 'proxy', 'websocket']);
	});

	it('finds the relay behind the app that has its main site, and before there is an account', async () => {
		for (const noPassword of [false, true]) {
			const rooted = await startRelay({ args: ['--root', 'web'], noPassword });
			assert.deepEqual((await doctor(rooted.origin)).bad, []);
			const status = await run(ADIT, ['status', '--relay', rooted.origin], { env: cleanEnv() });
			assert.match(status.stdout.toString(), /^connected {2}no$/m, status.stderr);
			await rooted.proc.stop();
		}
	});

	it('prints one line for each check to people', async () => {
		const got = await run(ADIT, ['doctor', '--relay', relay.origin], { env: cleanEnv() });
		assert.equal(got.code, 0);
		assert.equal(got.stdout.toString().trim().split('\n').length, 7);
		assert.match(got.stdout.toString(), /^ok {4}name +127\.0\.0\.1 is 127\.0\.0\.1$/m);
	});

	it('names a name that is not known, and an address that does not answer', async () => {
		assert.deepEqual((await doctor('http://no-such-host.invalid')).bad, ['name']);
		const found = await doctor('http://127.0.0.1:1');
		assert.deepEqual(found.bad, ['address']);
		assert.match(found.text('address'), /127\.0\.0\.1:1: cannot connect/);
	});

	it('names a proxy that changes Host and drops the upgrade', async () => {
		const url = await proxy(relay.port, { headers: (h) => ({ ...h, host: `localhost:${relay.port}` }) });
		const found = await doctor(url);
		assert.deepEqual(found.bad, ['host', 'websocket']);
		assert.match(found.text('host'), new RegExp(`sees localhost:${relay.port}`));
		assert.match(found.text('websocket'), /drops the headers/);
	});

	it('names a proxy that answers upgrades itself', async () => {
		const found = await doctor(await proxy(relay.port, { upgrade: true }));
		assert.deepEqual(found.bad, ['websocket']);
		assert.match(found.text('websocket'), /status 404/);
	});

	it('names forwarded headers that nobody believes', async () => {
		const found = await doctor(await proxy(relay.port,
		    { headers: (h) => ({ ...h, 'x-forwarded-for': '192.0.2.7' }) }));
		assert.match(found.text('proxy'), /TRUST_PROXY does not name/);
	});

	it('names clocks that differ', async () => {
		const late = new Date(Date.now() - 3_600_000).toUTCString();
		const found = await doctor(await proxy(relay.port, { answer: (h) => ({ ...h, date: late }) }));
		assert.ok(found.bad.includes('clock'));
		assert.match(found.text('clock'), /36\d\d s apart|359\d s apart/);
	});

	it('names something that is not a relay', async () => {
		const server = createServer((req, res) => res.end('<h1>It works</h1>'));
		await new Promise((done) => server.listen(0, '127.0.0.1', done));
		after(() => server.close());
		const found = await doctor(`http://127.0.0.1:${server.address().port}`);
		assert.deepEqual(found.bad, ['relay']);
	});

	it('checks TLS as an agent would', async () => {
		const data = tempDir('doctor');
		const made = await run(ADIT, ['init', '--self-signed', '--name', '127.0.0.1', '--data', data]);
		const pin = made.stdout.toString().match(/--pin (sha256:\S{44})/)[1];
		const file = (name) => join(data, 'relay', name);
		const secure = await startRelay({ args: ['--tls-cert', file('tls-cert.pem'), '--tls-key', file('tls-key.pem')] });
		const url = `https://127.0.0.1:${secure.port}`;
		const good = await doctor(url, ['--pin', pin]);
		assert.deepEqual(good.bad, []);
		assert.match(good.text('certificate'), /good for 36\d\d days/);
		const other = await doctor(url, ['--pin', `sha256:${Buffer.alloc(32).toString('base64')}`]);
		assert.deepEqual(other.bad, ['tls']);
	});
});
