// `adit relay --takeover`: another process takes the running relay's place, and
// nobody who uses it notices. And every way in which that fails: then the old one
// goes on.
//
// ADIT_E2E_LOAD=2000       requests of each client after each takeover (100)
// ADIT_E2E_TAKEOVERS=20    takeovers in a row (2)

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import tls from 'node:tls';
import { patternHash } from './app.mjs';
import { ask, deployment, echoing, serves, tunnelId } from './deployment.mjs';
import {
	ADIT, MIB, NEVER_MS, cleanEnv, freePorts, login, needsRelay, newSecrets, onExit, restartRelay, run, shutDown, start, startRelay, tempDir, within,
} from './harness.mjs';
import { Wire, open, rawRequest, request, values } from './http.mjs';
import { newPki } from './pki.mjs';

const LOAD = Number(process.env.ADIT_E2E_LOAD || 100);
const TAKEOVERS = Number(process.env.ADIT_E2E_TAKEOVERS || 2);
const test = (name, fn, skip = needsRelay) => it(name, { skip, timeout: NEVER_MS * 2 }, fn);
const asRoot = needsRelay || (process.getuid() === 0 ? false : 'only root can become somebody else');
const LONG = ['--drain-timeout', '60s'];
after(shutDown);

async function deploy({ args = [], tls: pair, ...more } = {}) {
	const d = await deployment({ args: [...args, ...LONG], agentArgs: LONG, tls: pair, ...more });
	return { ...d, tls: pair !== undefined, takeovers: 0 };
}

const environment = ({ secrets }, more = { RELAY_PASSWORD: secrets.password }) => cleanEnv({ RELAY_TOKEN: secrets.token, ...more });

const successor = (d, args = d.relay.args, listen = `127.0.0.1:${d.relay.port}`) =>
	start(`relay-${++d.takeovers + 1}`, ADIT, ['relay', '--takeover', '--listen', listen,
		'--data', join(d.relay.dir, 'data'), ...args], { cwd: d.relay.dir, env: environment(d.relay, d.tls ? {} : undefined) });

// The next process serves: it is d.relay's from here on.
async function takeOver(d, ...how) {
	const old = d.relay.proc;
	const proc = successor(d, ...how);
	await proc.waitFor(/takeover: done/, 'that it has taken over');
	await old.waitFor(/another process serves/, 'that the old one knows');
	d.relay = { ...d.relay, proc, pid: proc.pid };
	return old;
}

async function secureWire(port) {
	const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
	const wire = new Wire(socket);
	await once(socket, 'secureConnect');
	return wire;
}

// A person's browser: it keeps its connection, and only where a connection that
// was used before ends without a byte of the answer it asks again, on a new one.
class Browser {
	done = 0;
	again = 0;
	longest = 0;            // from the request to the whole answer, ms

	constructor(d) {
		this.d = d;
	}

	async ask(path) {
		for (;;) {
			const used = this.wire !== undefined;
			this.wire ??= await (this.d.tls ? secureWire(this.d.relay.port) : Wire.connect(this.d.relay.origin));
			const wire = this.wire;
			const since = performance.now();
			await wire.write(ask(this.d, path));
			const come = await wire.until((b) => b.length > 0 || undefined);
			if (come === undefined && used) {
				this.forget();
				this.again++;
				continue;
			}
			assert.ok(come, `no answer on a new connection (reset: ${wire.reset})`);
			const res = await wire.response();
			if (values(res.fields, 'connection').join().toLowerCase() === 'close')
				this.forget();
			this.done++;
			this.longest = Math.max(this.longest, performance.now() - since);
			return res;
		}
	}

	forget() {
		this.wire.destroy();
		this.wire = undefined;
	}
}

// Browsers that ask all the time; more(n) is fulfilled when each had n answers more.
function load(d, n) {
	const browsers = Array.from({ length: n }, () => new Browser(d));
	let goes = true;
	const all = Promise.all(browsers.map(async (b, i) => {
		while (goes) {
			const path = `/head?${i}-${b.done}`;
			const res = await b.ask(path);
			assert.equal(res.status, 200, res.body.toString());
			assert.equal(JSON.parse(res.body).url, path);
		}
	}));
	all.catch(() => {});
	return {
		browsers,
		async more(count) {
			const want = browsers.map((b) => b.done + count);
			await Promise.race([all, (async () => {
				while (browsers.some((b, i) => b.done < want[i]))
					await new Promise((go) => setImmediate(go));
			})()]);
		},
		async stop() {
			goes = false;
			await all;
			browsers.forEach((b) => b.wire?.destroy());
			return browsers.reduce((sum, b) => sum + b.done, 0);
		},
	};
}

describe('a takeover', { skip: needsRelay }, () => {
	test(`under load fails no request; ${TAKEOVERS} in a row`, async () => {
		const d = await deploy();
		const id = await tunnelId(d.agent);
		const people = load(d, 8);
		const n = 48 * MIB;
		const hash = createHash('sha256');
		const req = open(d.relay.origin, `/bytes?n=${n}`, { headers: d.headers });
		req.end();
		const [res] = await once(req, 'response');      // not read until later
		const { ws, echo } = await echoing(d);
		await people.more(LOAD);
		const olds = [];
		for (let i = 0; i < TAKEOVERS; i++) {
			const from = d.agent.proc.lines.length;
			olds.push(await takeOver(d));
			await people.more(LOAD);
			await echo(`after ${i}`);
			assert.equal(await tunnelId(d.agent, from), id);
		}
		// All but the first have nothing to wait for but what came before the next.
		for (const old of olds.slice(1))
			assert.deepEqual(await within(old.exited, 'a later one\'s end'), { code: 0, signal: null });
		for await (const part of res)
			hash.update(part);
		assert.equal(hash.digest('hex'), patternHash(n));
		await echo('last');
		assert.equal(olds[0].code, undefined);
		ws.close(1000);
		assert.equal((await ws.closed()).code, 1000);
		assert.deepEqual(await within(olds[0].exited, 'the first\'s end'), { code: 0, signal: null });
		const sum = await people.stop();
		const again = people.browsers.reduce((s, b) => s + b.again, 0);
		console.log(`# ${sum} requests across ${TAKEOVERS} takeovers, 0 failed, ${again} on kept connections asked again,` +
		    ` the longest took ${Math.round(Math.max(...people.browsers.map((b) => b.longest)))} ms`);
		assert.ok(olds.every((o) => o.lines.some((l) => /takeover: frozen/.test(l))));
		assert.deepEqual(await d.relay.proc.stop(), { code: 0, signal: null });
	});

	test('under load over TLS: handshakes too', async () => {
		const d = await deploy({ args: ['--no-login'], tls: await (await newPki()).sign('relay') });
		const people = load(d, 4);
		await people.more(LOAD / 4);
		const old = await takeOver(d);
		await people.more(LOAD / 4);
		await people.stop();
		assert.deepEqual(await within(old.exited, 'its end'), { code: 0, signal: null });
	});

	test('keeps sessions, ports of apps, the audit log, and who was the first app', async () => {
		const [port] = await freePorts(2);
		const d = await deploy({ root: [], args: ['--app-ports', `${port}-${port + 1}`], knownPorts: [port, port + 1] });
		const kept = readFileSync(join(d.relay.dir, 'data/relay/relay.json'), 'utf8');
		const status = async () => (await request(d.relay.origin, '/api/auth/check', { headers: d.headers })).status;
		assert.equal(await status(), 200);
		await takeOver(d);
		assert.equal(await status(), 200);
		assert.equal(readFileSync(join(d.relay.dir, 'data/relay/relay.json'), 'utf8'), kept);
		// The next entry of the log follows the old one's last.
		await login(d.relay.origin, d.relay.secrets.password);
		const entries = readFileSync(join(d.relay.dir, 'data/relay/audit.log'), 'utf8').trim().split('\n')
			.map((line) => JSON.parse(line.slice(0, line.lastIndexOf(' '))));
		assert.ok(entries.length >= 2);
		assert.deepEqual(entries.map((e) => e.n), entries.map((_, i) => i + 1));
		const app = await request(`http://127.0.0.1:${port}`, '/ok');
		assert.equal(app.status, 401);          // the app's site; a session of its own
		const first = await deploy({ root: [] });
		await takeOver(first);
		// Nobody says --root: the app that came first still has the main site.
		await serves(first);
	});

	test('a connection that waits, or has said nothing or half of it, is served', async () => {
		const d = await deploy();
		const [silent, half] = [await Wire.connect(d.relay.origin), await Wire.connect(d.relay.origin)];
		const text = ask(d, '/ok');
		await half.write(text.slice(0, 20));
		await request(d.relay.origin, '/_adit/healthz');        // so they are accepted
		process.kill(d.relay.pid, 'SIGSTOP');
		const waits = [];
		for (let i = 0; i < 10; i++) {
			waits.push(await Wire.connect(d.relay.origin));
			await waits[i].write(text);
		}
		const next = successor(d);
		await silent.write(text);
		await half.write(text.slice(20));
		process.kill(d.relay.pid, 'SIGCONT');
		for (const wire of [silent, half, ...waits]) {
			assert.equal((await wire.response()).status, 200);
			wire.destroy();
		}
		await next.waitFor(/takeover: done/, 'that it has taken over');
		await within(d.relay.proc.exited, 'the old one\'s end');
	});

	test('what the new settings do not name is closed, what they add is opened', async () => {
		const [one, two] = await freePorts(2);
		const d = await deploy({ args: ['--listen', `127.0.0.1:${one}=web`], knownPorts: [one] });
		await Wire.connect(`http://127.0.0.1:${one}`);
		await takeOver(d, ['--root', 'web', '--listen', `127.0.0.1:${two}=web`, ...LONG]);
		await assert.rejects(Wire.connect(`http://127.0.0.1:${one}`), /ECONNREFUSED/);
		await Wire.connect(`http://127.0.0.1:${two}`);
		await serves(d);
	});

	test('one that is killed soon after can be started again, while the first still drains', async () => {
		const d = await deploy();
		const { ws, echo } = await echoing(d);
		const old = await takeOver(d);
		await d.relay.proc.stop('SIGKILL');
		d.relay = await restartRelay(d.relay);
		await echo('in the first');
		assert.equal(old.code, undefined);
		ws.close(1000);
		assert.equal((await ws.closed()).code, 1000);
		assert.deepEqual(await within(old.exited, 'the first\'s end'), { code: 0, signal: null });
	});

	test('--detach returns when it serves, and tells the service manager who does', async () => {
		const dir = tempDir('notify');
		const path = join(dir, 'socket');
		chmodSync(dir, 0o755);          // as /run is: it is not root who sends
		const manager = start('manager', 'python3', ['-c', `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(s.recv(1000).decode().replace('\\n', ' '), flush=True)
`, path]);
		await manager.waitFor(/bound/, 'its socket');
		chmodSync(path, 0o666);
		const d = await deploy({ env: { NOTIFY_SOCKET: path } });
		await manager.waitFor(`READY=1 MAINPID=${d.relay.pid}`, 'that it serves');
		const from = manager.lines.length;
		// Its parent ends; it lives on, with what the parent was given.
		const parent = spawn(ADIT, ['relay', '--takeover', '--detach', '--listen', `127.0.0.1:${d.relay.port}`,
			'--data', join(d.relay.dir, 'data'), ...d.relay.args],
		{ cwd: d.relay.dir, env: { ...environment(d.relay), NOTIFY_SOCKET: path }, stdio: 'ignore' });
		const [code] = await within(once(parent, 'exit'), 'the parent\'s end');
		const [, pid] = await manager.waitFor(/^READY=1 MAINPID=(\d+)$/, 'who serves', from);
		onExit(() => process.kill(Number(pid), 'SIGKILL'));
		assert.equal(code, 0);
		assert.deepEqual(await within(d.relay.proc.exited, 'the old one\'s end'), { code: 0, signal: null });
		await serves(d);
		assert.equal(readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), 'adit');
	});

	test('has the time in its journal already, which no other stream has', async () => {
		const said = async (stream) => {
			const p = start('adit', '/bin/sh', ['-c', `JOURNAL_STREAM=${stream} exec "$0" "$@"`, ADIT, 'relay',
				'--no-login', '--listen', '127.0.0.1:0'], { cwd: tempDir('journal') });
			await p.waitFor(/url=/, 'its address');
			await p.stop('SIGTERM');
			return p.lines;
		};
		const mine = await said('$(stat -Lc %d:%i /proc/self/fd/2)');
		assert.deepEqual(mine.filter((line) => !/^<[46]>(info|warn) [a-z]+: /.test(line)), []);
		const other = await said('$(stat -Lc %d:1%i /proc/self/fd/2)');
		assert.deepEqual(other.filter((line) => !/^\d{4}-\d\d-\d\dT/.test(line)), []);
	});
});

// --- what goes wrong

// By hand: see takeover.py.
class Peer {
	static async connect(d, options = {}) {
		const peer = new Peer();
		// By its text: another account may not read the file.
		peer.child = spawn('python3', ['-c', readFileSync(new URL('takeover.py', import.meta.url), 'utf8')],
		    { stdio: ['pipe', 'pipe', 'inherit'], ...options });
		onExit(() => peer.child.kill('SIGKILL'));
		peer.lines = createInterface({ input: peer.child.stdout })[Symbol.asyncIterator]();
		assert.equal(await peer.do(`connect ${join(d.relay.dir, 'data/relay/takeover')}`), 'ok');
		return peer;
	}

	async do(line) {
		this.child.stdin.write(`${line}\n`);
		return (await within(this.lines.next(), line)).value;
	}

	// Up to and with this message.
	async upTo(step) {
		const steps = [['say ask', /^ok$/], ['hear', /^sockets 2 1 /], ['say ready', /^ok$/], ['hear', /^frozen 1 1 $/]];
		for (const [line, want] of steps.slice(0, step))
			assert.match(await this.do(line), want);
		return this;
	}

	async kill() {
		this.child.kill('SIGKILL');
		await once(this.child, 'exit');
	}
}

// It serves the app, takes logins, and can be taken over.
async function asIfNothing(d) {
	await serves(d);
	await login(d.relay.origin, d.relay.secrets.password);
	assert.equal(d.relay.proc.code, undefined);
	assert.ok(!d.agent.proc.lines.some((l) => /goes away/.test(l)));
	const old = await takeOver(d);
	await serves(d);
	assert.deepEqual(await within(old.exited, 'its end'), { code: 0, signal: null });
}

async function fails(d, args, code, why, env = environment(d.relay)) {
	const res = await run(ADIT, ['relay', '--takeover', '--data', join(d.relay.dir, 'data'), ...args], { cwd: d.relay.dir, env });
	assert.equal(res.code, code, res.stderr);
	assert.match(res.stderr, why);
}

describe('a takeover that fails', { skip: needsRelay }, () => {
	test('for want of a relay: 1, and a line that says what to do', async () => {
		const dir = tempDir('none');
		const secrets = newSecrets();
		const args = ['relay', '--takeover', '--listen', '127.0.0.1:0', '--data', join(dir, 'data')];
		const never = await run(ADIT, args, { cwd: dir, env: environment({ secrets }) });
		assert.equal(never.code, 1);
		assert.match(never.stderr, /takeover: No such file/);
		const relay = await startRelay({ dir, secrets });
		await relay.proc.stop();
		const gone = await run(ADIT, args, { cwd: dir, env: environment({ secrets }) });
		assert.equal(gone.code, 1);
		assert.match(gone.stderr, /no relay runs there that could be taken over: start this one without --takeover/);
		const detach = await run(ADIT, ['relay', '--detach'], { cwd: dir, env: environment({ secrets }) });
		assert.equal(detach.code, 2);
		assert.match(detach.stderr, /--detach: goes with --takeover only/);
	});

	test('by its settings: the old one has not even been asked', async () => {
		const d = await deploy();
		await fails(d, ['--listen', 'nowhere:x'], 2, /nowhere:x/);
		await fails(d, ['--listen', `127.0.0.1:${d.relay.port}`], 2, /RELAY_PASSWORD/, cleanEnv({ RELAY_PASSWORD: 'short' }));
		// An address that somebody else has.
		await fails(d, ['--listen', `127.0.0.1:${d.app.port}`], 2, /cannot listen on 127\.0\.0\.1:\d+: Address/);
		await d.relay.proc.waitFor(/takeover failed; this process goes on.*ended/, 'that it noticed');
		await asIfNothing(d);
	});

	test('at the state: what the new one cannot read leaves the old one as it was', async () => {
		const d = await deploy();
		const file = join(d.relay.dir, 'data/relay/jwt-secret');
		const mode = statSync(file).mode;
		const text = readFileSync(file);
		writeFileSync(file, 'too short');
		chmodSync(file, mode);
		await fails(d, ['--listen', `127.0.0.1:${d.relay.port}`, ...d.relay.args], 2, /jwt-secret/);
		writeFileSync(file, text);
		await d.relay.proc.waitFor(/takeover failed; this process goes on/, 'that it goes on');
		await asIfNothing(d);
	});

	for (const [step, what] of [[0, 'has connected'], [1, 'has asked'], [2, 'has the sockets'], [3, 'is ready'], [4, 'has the lock']])
		test(`when the other one is killed after it ${what}`, async () => {
			const d = await deploy();
			const peer = await (await Peer.connect(d)).upTo(step);
			await peer.kill();
			await d.relay.proc.waitFor(/takeover failed; this process goes on/, 'that it goes on');
			await asIfNothing(d);
		});

	test('while it is frozen: nobody is accepted, nothing is written, what is here goes on', async () => {
		const d = await deploy();
		const kept = await Wire.connect(d.relay.origin);
		await kept.write(ask(d, '/ok'));
		assert.equal((await kept.response()).status, 200);
		const form = await Wire.connect(d.relay.origin);
		await form.write(ask(d, '/_adit/healthz'));
		assert.equal((await form.response()).status, 200);
		const { ws, echo } = await echoing(d);
		const peer = await (await Peer.connect(d)).upTo(4);
		await kept.write(ask(d, '/ok'));
		assert.equal((await kept.response()).status, 200);
		await echo('frozen');
		const body = JSON.stringify({ password: d.relay.secrets.password });
		await form.write(rawRequest(d.relay.origin, 'POST /_adit/api/auth/login',
			['Content-Type: application/json', `Content-Length: ${body.length}`], body));
		const refused = await form.response();
		assert.equal(refused.status, 503);
		assert.deepEqual(values(refused.fields, 'connection'), ['close']);
		await form.rest();
		assert.ok(!form.reset);
		const late = await Wire.connect(d.relay.origin);        // the system's queue
		await late.write(ask(d, '/ok'));
		await echo('still frozen');
		assert.equal(late.bytes.length, 0);
		assert.equal(await peer.do('close'), 'ok');
		assert.equal((await late.response()).status, 200);
		ws.close(1000);
		await asIfNothing(d);
	});

	test('when the other one says nothing more: the old one takes itself back', async () => {
		const d = await deploy();
		const peer = await (await Peer.connect(d)).upTo(4);
		await d.relay.proc.waitFor(/takeover failed; this process goes on.*too long/, 'that it has waited enough');
		await serves(d);
		// Too late: it is told so, and must not serve.
		assert.equal(await peer.do('say done'), 'broken');
		assert.equal(await peer.do('close'), 'ok');
		await asIfNothing(d);
	});

	test('by garbage, another version, a message too early', async () => {
		const d = await deploy();
		for (const said of ['raw 00', 'raw 7469646101000100', `raw ${'ff'.repeat(144)}`, `raw ${'00'.repeat(4000)}`, 'say done', 'say ready']) {
			const peer = await Peer.connect(d);
			assert.equal(await peer.do(said), 'ok');
			assert.equal(await peer.do('hear'), 'end');
			await peer.kill();
		}
		const newer = await Peer.connect(d);
		assert.equal(await newer.do('say ask 2'), 'ok');
		assert.equal(await newer.do('hear'), 'refused 0 1 it is of another version');
		assert.equal(await newer.do('hear'), 'end');
		const early = await (await Peer.connect(d)).upTo(2);
		assert.equal(await early.do('say done'), 'ok');
		assert.equal(await early.do('hear'), 'end');
		await asIfNothing(d);
	});

	test('by another account: only the relay\'s own, and root', async () => {
		const d = await deploy();
		const dir = join(d.relay.dir, 'data/relay');
		assert.equal(statSync(dir).mode & 0o777, 0o700);
		assert.equal(statSync(join(dir, 'takeover')).mode & 0o777, 0o600);
		for (const path of [d.relay.dir, join(d.relay.dir, 'data'), dir, join(dir, 'takeover')])
			chmodSync(path, 0o777);         // what nobody should do
		const peer = await Peer.connect(d, { uid: 12345, gid: 12345 });
		assert.equal(await peer.do('hear'), 'end');
		await d.relay.proc.waitFor(/takeover refused: another account.*uid=12345/, 'that it is refused');
		chmodSync(dir, 0o700);
		await asIfNothing(d);
	}, asRoot);

	test('when the old one is asked to stop: it stops', async () => {
		const d = await deploy();
		const peer = await (await Peer.connect(d)).upTo(4);
		process.kill(d.relay.pid, 'SIGTERM');
		assert.deepEqual(await within(d.relay.proc.exited, 'its end'), { code: 0, signal: null });
		assert.equal(await peer.do('say done'), 'broken');
	});
});
