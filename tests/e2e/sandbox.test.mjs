// What each process may do: tried from inside, by a build whose processes try
// what is forbidden (tests/probe); and whose they are. Run as root, which is
// what leaving root needs; without it those tests are skipped, and counted.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import {
	ADIT, BUILD, NEVER_MS, ROOT, cleanEnv, needsRelay, newSecrets, onExit, run, shutDown, start, startAgent, startRelay, tempDir, within,
} from './harness.mjs';
import { request } from './http.mjs';

const PROBE = join(BUILD, 'adit-probe');
const isRoot = process.getuid() === 0;
const asRoot = { skip: needsRelay || (isRoot ? false : 'only root can leave root'), timeout: NEVER_MS };
const options = { skip: needsRelay, timeout: NEVER_MS };
const SIGSYS = 'SIGSYS';
const EACCES = 'refused 13';
const NOT_SOCKET = 'refused 88';
const NOBODY = 65534;
after(shutDown);

const secrets = newSecrets();
const jwt = 'the-key-that-signs-7c1e0d55b2f94a';
const env = {
	RELAY_PASSWORD: secrets.password, RELAY_TOKEN: secrets.token, JWT_SECRET: jwt,
};

// Landlock of this kernel, by what the program itself says.
async function landlock() {
	const { code } = await run(PROBE, ['relay', '--check'], { env: cleanEnv(env) });
	return code === 0;
}

const world = {};

before(async () => {
	if (needsRelay)
		return;
	world.dir = tempDir('sandbox');
	chmodSync(world.dir, 0o755);
	world.file = join(world.dir, 'foreign');
	writeFileSync(world.file, 'somebody else\'s\n', { mode: 0o644 });
	world.other = createServer((s) => s.destroy());
	await new Promise((done) => world.other.listen(0, '127.0.0.1', done));
	onExit(() => world.other.close());
	world.port = world.other.address().port;
	world.sleeper = spawn('sleep', ['1000'], { stdio: 'ignore', uid: isRoot ? NOBODY : undefined });
	onExit(() => world.sleeper.kill('SIGKILL'));
	if (existsSync(PROBE))
		world.landlock = await landlock();
	if (world.landlock === false)
		console.log('# SKIPPED here: this kernel has no Landlock');
});

const commandOf = (role) => ({
	relay: 'relay', keeper: 'relay', hasher: 'relay', agent: 'agent', names: 'agent', lookup: 'agent', start: 'start',
})[role];

// Starts a program whose process of this role tries an action. What came of it:
// SIGSYS, the words after "probe: role action", or undefined if neither came.
async function attempt(role, action, arg = '', args = []) {
	const command = commandOf(role);
	const dir = tempDir(`probe-${role}`);
	chmodSync(dir, 0o755);
	const url = command === 'agent' ? { RELAY_URL: 'http://127.0.0.1:9' } : {};
	const vars = { ...env, ...url, ADIT_PROBE: `${role} ${action} ${arg}` };
	if (command === 'agent')
		delete vars.RELAY_PASSWORD, delete vars.JWT_SECRET;
	if (role === 'hasher')
		delete vars.RELAY_PASSWORD;
	const where = command === 'agent' ? ['--name', 'box'] : ['--listen', '127.0.0.1:0'];
	const proc = start(`probe-${role}-${action}`, PROBE,
	    [command, ...where, '--data', join(dir, 'data'), ...args], { cwd: dir, env: cleanEnv(vars) });
	const prefix = `probe: ${role} ${action} `;
	const result = (line) => line.startsWith(prefix) && !line.endsWith('begins') && line.slice(prefix.length);
	await proc.waitFor((line) => line === `${prefix}begins`, 'the attempt');
	let begun = 0;
	let found;
	try {
		// A helper that was killed is replaced, and the next one tries again:
		// there are four.
		found = await proc.waitFor((line) =>
			result(line) || (line === `${prefix}begins` && role === 'lookup' && ++begun > 4 && SIGSYS),
		'what came of it');
	} catch (error) {
		const { code, signal } = await proc.exited;
		const said = proc.lines.join('\n');
		if (signal === SIGSYS || /killed by its sandbox \(signal 31\)/.test(said) ||
		    (role === 'hasher' && code === 1 && /stretches passwords has ended/.test(said)) ||
		    (role === 'names' && code === 1 && /helpers for names have ended/.test(said)))
			found = SIGSYS;
		else
			throw error;
	}
	await proc.stop('SIGKILL');
	return found;
}

// What each process may not do, and how that ends. "refused" is Landlock's.
const everywhere = [
	['exec', '/bin/true', SIGSYS],
	['ptrace', 'PID', SIGSYS],
	['kill', 'PID', SIGSYS],
	['memory', 'PID', SIGSYS],
	['netlink', '', SIGSYS],
	['other-mode', '', SIGSYS],
];
const forbidden = {
	relay: [
		['open', 'FILE', SIGSYS], ['write', 'FILE', SIGSYS], ['fork', '', SIGSYS],
		['connect', 'PORT', SIGSYS], ['bind', '0', SIGSYS], ['unix', 'FILE', SIGSYS],
		['mmap-exec', '', SIGSYS], ['number', '319', SIGSYS], ['number', '425', SIGSYS],
		['pass', '0', SIGSYS], ['pass', '4', SIGSYS],
		['pass', '3', NOT_SOCKET],      // while no other process takes over
	],
	agent: [
		['open', 'FILE', EACCES], ['write', 'FILE', EACCES], ['fork', '', SIGSYS],
		['connect', 'PORT', EACCES], ['bind', '0', SIGSYS], ['unix', 'FILE', SIGSYS],
		['mmap-exec', '', SIGSYS],
	],
	start: [
		['open', 'FILE', EACCES], ['open', 'data/relay/lock', EACCES], ['fork', '', SIGSYS],
		['connect', 'PORT', EACCES], ['bind', '0', SIGSYS], ['pass', '3', SIGSYS],
	],
	hasher: [
		['open', 'FILE', SIGSYS], ['write', 'FILE', SIGSYS], ['fork', '', SIGSYS],
		['connect', 'PORT', SIGSYS], ['bind', '0', SIGSYS], ['unix', 'FILE', SIGSYS],
		['mmap-exec', '', SIGSYS], ['pass', '3', SIGSYS],
	],
	keeper: [
		['open', 'FILE', EACCES], ['write', 'FILE', EACCES], ['fork', '', SIGSYS],
		['connect', 'PORT', SIGSYS], ['bind', '0', SIGSYS], ['unix', 'FILE', SIGSYS],
		['mmap-exec', '', SIGSYS],
	],
	names: [
		['open', 'FILE', EACCES], ['write', 'FILE', EACCES], ['connect', 'PORT', EACCES],
		['mmap-exec', '', SIGSYS],
	],
	lookup: [
		['open', 'FILE', EACCES], ['write', 'FILE', EACCES], ['fork', '', SIGSYS],
		['connect', 'PORT', EACCES], ['unix', 'FILE', SIGSYS], ['mmap-exec', '', SIGSYS],
	],
};

describe('somebody who has taken a process over', { skip: needsRelay }, () => {
	const real = (arg) => arg.replace('PID', () => world.sleeper.pid)
	    .replace('FILE', () => world.file).replace('PORT', () => world.port);

	for (const [role, rows] of Object.entries(forbidden))
		it(`in the process "${role}" can do nothing of a long list`, { timeout: 4 * NEVER_MS }, async (t) => {
			let skipped = 0;
			for (const [action, arg, end] of [...rows, ...everywhere]) {
				if (end === EACCES && !world.landlock) {
					skipped++;
					continue;
				}
				assert.equal(await attempt(role, action, real(arg)), end, `${role}: ${action} ${arg}`);
			}
			if (skipped > 0)
				t.diagnostic(`SKIPPED ${skipped} attempts: no Landlock here`);
		});

	it('could do it without the sandbox: the attempts are real ones', { timeout: NEVER_MS }, async () => {
		for (const [action, arg] of [['open', 'FILE'], ['fork', ''], ['connect', 'PORT'], ['bind', '0'],
			['netlink', ''], ['kill', 'PID'], ['mmap-exec', ''], ['other-mode', '']])
			assert.equal(await attempt('relay', action, real(arg), ['--sandbox=off']), 'did it', action);
	});

	it('without Landlock is still killed at other system calls', options, async () => {
		assert.equal(await attempt('relay', 'open', world.file, ['--sandbox=seccomp']), SIGSYS);
		assert.equal(await attempt('agent', 'fork', '', ['--sandbox=seccomp']), SIGSYS);
		assert.equal(await attempt('agent', 'open', world.file, ['--sandbox=seccomp']), 'did it');
	});
});

// --- the processes of a running program

const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
	.trim().split(/\s+/).filter(Boolean).map(Number);
const family = (pid) => [pid, ...childrenOf(pid).flatMap(family)];
const status = (pid) => Object.fromEntries(readFileSync(`/proc/${pid}/status`, 'latin1')
	.split('\n').map((l) => l.split(/:\s*/)).filter((p) => p.length === 2));

// It is in its sandbox when it answers.
const settled = (relay) => request(relay.origin, '/_adit/login');

function assertNobody(pid) {
	const s = status(pid);
	const ids = Array(4).fill(NOBODY).join('\t');
	assert.equal(s.Uid, ids, `uid of ${pid}`);
	assert.equal(s.Gid, ids, `gid of ${pid}`);
	assert.equal(s.Groups.trim(), '', `groups of ${pid}`);
	assert.equal(s.NoNewPrivs, '1');
	assert.equal(s.Seccomp, '2');
	assert.match(readFileSync(`/proc/${pid}/limits`, 'latin1'), /Max core file size +0 +0/);
	return s;
}

const noCaps = (s) => assert.deepEqual([s.CapEff, s.CapPrm, s.CapAmb], Array(3).fill('0'.repeat(16)));

// The bytes of a process's writable memory, in parts that overlap.
function inMemory(pid, needles) {
	const mem = openSync(`/proc/${pid}/mem`, 'r');
	const found = new Set();
	const part = Buffer.alloc(1 << 20);
	for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
		const m = line.match(/^([0-9a-f]+)-([0-9a-f]+) r/);
		if (m === null || /\[v(var|dso|syscall)/.test(line))
			continue;
		const [from, to] = [parseInt(m[1], 16), parseInt(m[2], 16)];
		for (let at = from; at < to; at += part.length - 512) {
			let n = 0;
			try {
				n = readSync(mem, part, 0, Math.min(part.length, to - at), at);
			} catch {
				break;
			}
			for (const needle of needles)
				if (part.subarray(0, n).includes(needle))
					found.add(needle);
		}
	}
	closeSync(mem);
	return [...found];
}

describe('root', asRoot, () => {
	it('is left by all processes of a relay, whose data directory is the account\'s', asRoot, async () => {
		const relay = await startRelay({ secrets });
		await settled(relay);
		const all = family(relay.pid);
		assert.equal(all.length, 2);
		all.map(assertNobody).forEach(noCaps);
		for (const name of ['data', 'data/relay', 'data/relay/lock', 'data/relay/jwt-secret']) {
			const st = statSync(join(relay.dir, name));
			assert.deepEqual([st.uid, st.gid, st.mode & 0o77], [NOBODY, NOBODY, 0], name);
		}
		await relay.proc.stop('SIGTERM');
	});

	it('is left by all processes of an agent', asRoot, async () => {
		const relay = await startRelay({ secrets });
		const agent = await startAgent({ relay, apps: [`${world.port}`] });
		const all = family(agent.pid);
		assert.equal(all.length, 6);
		all.map(assertNobody).forEach(noCaps);
	});

	it('does not open a directory with somebody else\'s state', asRoot, async () => {
		const dir = tempDir('theirs');
		const role = join(dir, 'data', 'relay');
		mkdirSync(role, { recursive: true });
		writeFileSync(join(role, 'relay-token'), 'x\n');
		for (const uid of [0, 12345]) {
			chownSync(role, uid, uid);
			const { code, stderr } = await run(ADIT, ['relay', '--listen', '127.0.0.1:0', '--data', join(dir, 'data')],
			    { env: cleanEnv(env) });
			assert.equal(code, 2);
			assert.match(stderr, /data\/relay: it belongs to another account .*--user NAME/);
			assert.equal(statSync(role).uid, uid);
		}
	});

	it('takes an empty directory of its own, and no link to another', asRoot, async () => {
		const dir = tempDir('links');
		const data = join(dir, 'data');
		mkdirSync(join(data, 'relay'), { recursive: true });
		const relay = await startRelay({ secrets, dir });
		assert.equal(statSync(join(data, 'relay')).uid, NOBODY);
		assert.equal(statSync(data).uid, 0);
		await relay.proc.stop('SIGTERM');
	});

	it('becomes the account that --user names, and no other than that', asRoot, async () => {
		const relay = await startRelay({ secrets, args: ['--user', 'daemon'] });
		assert.match(status(relay.pid).Uid, /^1\t1\t1\t1$/);
		await relay.proc.stop('SIGTERM');
		for (const [name, why] of [['root', /root is never kept/], ['no-such-account', /no such account/]]) {
			const { code, stderr } = await run(ADIT, ['relay', '--user', name], { env: cleanEnv(env) });
			assert.equal(code, 2);
			assert.match(stderr, why);
		}
	});
});

describe('names', { skip: needsRelay }, () => {
	const hosts = readFileSync('/etc/hosts', 'latin1').split('\n').map((l) => l.replace(/#.*/, '').trim().split(/\s+/));
	const [, name] = hosts.find(([ip, host]) => host && /^[0-9.]+$/.test(ip) && !/localhost/.test(host)) ?? [];

	it('are looked up within the sandbox', { ...options, skip: needsRelay || (name ? false : 'no other name than localhost in /etc/hosts') }, async () => {
		const agent = start('agent', ADIT, ['agent', '--relay', `http://${name}:9`, '--name', 'box', '--data', join(tempDir('names'), 'data')],
		    { env: cleanEnv({ RELAY_TOKEN: secrets.token }) });
		await agent.waitFor(/connecting address=[0-9.]+:9/, 'an address');
		await agent.stop('SIGTERM');
	});
});

describe('secrets', { skip: needsRelay }, () => {
	it('are in no memory but the keeper\'s', asRoot, async () => {
		const relay = await startRelay({ secrets, env: { JWT_SECRET: jwt } });
		const [net, keeper] = family(relay.pid);
		assert.equal((await settled(relay)).status, 200);
		const needles = [jwt, secrets.password, secrets.token];
		assert.deepEqual(inMemory(net, needles), []);
		// The search would find them: the keeper signs with this one.
		assert.deepEqual(inMemory(keeper, [jwt]), [jwt]);
		for (const pid of [net, keeper])
			for (const part of ['environ', 'cmdline'])
				for (const needle of needles)
					assert.ok(!readFileSync(`/proc/${pid}/${part}`).includes(needle), `${part} of ${pid}`);
	});

	it('of TLS are the keeper\'s too, which reads root\'s own files again', asRoot, async () => {
		const dir = tempDir('keys');
		const [cert, key] = ['cert.pem', 'key.pem'].map((f) => join(dir, f));
		const make = (days) => {
			execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
				'-nodes', '-keyout', key, '-out', cert, '-days', days, '-subj', '/CN=localhost'], { stdio: 'ignore' });
			chmodSync(key, 0o600);
			// SEC1: the number stands behind seven bytes.
			return execFileSync('openssl', ['ec', '-in', key, '-outform', 'DER'],
			    { stdio: ['ignore', 'pipe', 'ignore'] }).subarray(7, 39);
		};
		const keys = [make('30')];
		const relay = await startRelay({ secrets, args: ['--tls-cert', cert, '--tls-key', key] });
		const handshake = () => new Promise((done, fail) => {
			const s = tls.connect({ port: relay.port, host: '127.0.0.1', rejectUnauthorized: false });
			s.once('secureConnect', () => {
				done(s.getPeerCertificate().fingerprint256);
				s.destroy();
			});
			s.once('error', fail);
		});
		const before = await handshake();
		keys.push(make('31'));
		process.kill(relay.pid, 'SIGHUP');
		await relay.proc.waitFor(/read again/, 'the new pair');
		await relay.proc.waitFor(/days=31|days=30.*days=31|chain=1 days=3[01]/, 'its days');
		let after = before;
		for (let i = 0; i < 50 && after === before; i++)
			after = await handshake();
		assert.notEqual(after, before);
		const [net, keeper] = family(relay.pid);
		assert.deepEqual(inMemory(net, keys), []);
		assert.deepEqual(inMemory(keeper, keys), keys);
		// One thing is left to it, and only in the folder of the key.
		assert.equal(status(keeper).CapEff, '0000000000000004');
		noCaps(status(net));
		await relay.proc.stop('SIGTERM');
	});

	it('end the relay when their keeper ends', options, async () => {
		const relay = await startRelay({ secrets });
		process.kill(family(relay.pid)[1], 'SIGKILL');
		const { code } = await relay.proc.exited;
		assert.equal(code, 1);
		assert.ok(relay.proc.lines.some((l) => /fatal .*keeps the secrets has ended/.test(l)));
	});

	it('are let go of when the relay is killed: the next start gets the directory', options, async () => {
		const relay = await startRelay({ secrets });
		const [, keeper] = family(relay.pid);
		relay.proc.child.kill('SIGKILL');
		await relay.proc.exited;
		const next = await startRelay({ secrets, dir: relay.dir });
		assert.ok(!existsSync(`/proc/${keeper}`) || status(keeper).State.startsWith('Z'));
		await next.proc.stop('SIGTERM');
	});
});

describe('--print-policy', { skip: needsRelay }, () => {
	const policy = async (args, more = {}) => {
		const { code, stdout } = await run(ADIT, [...args, '--print-policy'], { env: cleanEnv({ ...env, ...more }) });
		assert.equal(code, 0);
		return stdout.toString();
	};
	const calls = (text, process) => text.match(new RegExp(`^${process}:\\n  system calls: (.*)$`, 'm'))[1].split(' ');

	it('names what each process may do, as SECURITY.md counts it', options, async () => {
		const relay = await policy(['relay']);
		const accounts = await policy(['relay'], { RELAY_PASSWORD: '' });
		assert.ok(!relay.includes('stretches passwords'));
		const agent = await policy(['agent', '--app', '3000', '--app', 'b=10.0.0.9:81'],
		    { RELAY_URL: 'http://127.0.0.1:4000', RELAY_PASSWORD: '', JWT_SECRET: '' });
		assert.match(relay, /^reads the network:\n.*\n  files: none\n  connects to TCP ports: none$/m);
		assert.match(agent, /connects to TCP ports: 4000 3000 81$/m);
		assert.match(agent, /^ {2}files: write DATA\/agent-NAME$/m);
		const file = join(ROOT, 'tests/vectors/tls/ca.pem');
		const trusting = await policy(['agent', '--ca', file], { RELAY_URL: 'https://localhost', RELAY_PASSWORD: '', JWT_SECRET: '' });
		assert.ok(trusting.includes(`\n  files: write DATA/agent-NAME read ${file}\n`), trusting);
		for (const name of ['execve', 'fork', 'clone', 'ptrace', 'kill', 'open', 'openat', 'socket', 'connect', 'bind', 'mmap', 'mprotect'])
			assert.ok(!calls(relay, 'reads the network').includes(name), name);
		if (process.arch !== 'x64')
			return;
		const security = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
		for (const [text, what, row] of [[relay, 'reads the network', 'relay'], [relay, 'keeps secrets and files', 'keeper'],
			[accounts, 'stretches passwords', 'hasher'],
			[agent, 'reads the network', 'agent'], [agent, 'looks after the next', 'names'], [agent, 'looks up names', 'lookup']])
			assert.ok(security.includes(`| \`${row}\` | ${calls(text, what).length} |`), `${row}: ${calls(text, what).length}`);
	});
});
