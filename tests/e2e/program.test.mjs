// The program as its documents describe it: options, secrets, files, signals,
// exit codes. What is refused at the command line is in cli.test.mjs.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, openSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import {
	ADIT, DEPLOY, NEVER_MS, ROOT, cleanEnv, freePorts, needsRelay, newSecrets, run, shutDown, start, startAgent, startRelay, tempDir, within,
} from './harness.mjs';
import { request } from './http.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

const commands = ['relay', 'agent', 'start', 'status', 'init'];
const help = async (command) => (await run(ADIT, [command, '--help'])).stdout.toString();
const sorted = (set) => [...set].sort();
const matches = (text, pattern) => new Set(Array.from(text.matchAll(pattern), (m) => m[1]));

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const security = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
const man = readFileSync(join(DEPLOY, 'adit.1'), 'utf8');

describe('the documents agree', { skip: needsRelay }, () => {
	test('every option, key and variable of the help is in the man page, and no other', async () => {
		const flags = new Set();
		const keys = new Set();
		const variables = new Set();
		for (const command of commands) {
			const text = await help(command);
			for (const flag of matches(text, /^ {2}--([a-z-]+)/gm))
				flags.add(flag);
			for (const key of matches(text, /^ {8}\[key ([a-z_]+)/gm))
				keys.add(key);
			for (const m of text.matchAll(/(?:\[|; )variable ([A-Za-z_]+)(?: or ([A-Za-z_]+))?/g))
				[m[1], m[2]].filter(Boolean).forEach((v) => variables.add(v));
		}
		assert.ok(flags.size > 30 && keys.size > 25 && variables.size > 10);
		assert.deepEqual(sorted(matches(man, /\.It Fl -([a-z-]+)/g)), sorted(flags));
		assert.deepEqual(sorted(matches(man, /\.Li ([a-z]+(?:_[a-z]+)*) [.,]$/gm)), sorted(keys));
		assert.deepEqual(sorted(matches(man, /(?:\.| )Ev ([A-Za-z_]+)/g)), sorted(variables));
	});

	test('the man page has no faults that mandoc knows', async (t) => {
		const got = await run('mandoc', ['-T', 'lint', '-W', 'warning', join(DEPLOY, 'adit.1')]).catch(() => undefined);
		if (got === undefined)
			return t.skip('needs mandoc');
		assert.equal(got.stdout.toString() + got.stderr, '');
		assert.equal(got.code, 0);
	});

	test('README and SECURITY.md name no option that is not there', async () => {
		const all = new Set();
		for (const command of commands)
			for (const flag of matches(await help(command), /--([a-z-]+)/g))
				all.add(flag);
		for (const text of [readme, security])
			for (const flag of matches(text, /--([a-z][a-z-]+)/g))
				assert.ok(all.has(flag), `--${flag}`);
	});

	test('what they show as a secret would be refused', async () => {
		for (const text of [readme, security, man])
			for (const [, name, value] of text.matchAll(/\b(RELAY_PASSWORD|RELAY_TOKEN|JWT_SECRET)=(\S+)/g)) {
				if (value.startsWith('$('))
					continue;
				const env = { RELAY_PASSWORD: newSecrets().password, [name]: value };
				const got = await run(ADIT, ['relay', '--check'], { cwd: tempDir('doc'), env: cleanEnv(env) });
				assert.equal(got.code, 2, `${name}=${value}`);
			}
	});

	test('the limits of SECURITY.md are those of the source', () => {
		const source = (function read(folder) {
			return readdirSync(folder, { withFileTypes: true }).map((f) => (f.isDirectory() ? read(join(folder, f.name)) :
			    f.name.endsWith('.h') ? readFileSync(join(folder, f.name), 'utf8') : '')).join('\n');
		})(join(ROOT, 'src'));
		const valueOf = (name) => {
			const m = source.match(new RegExp(`\\b${name}\\s*=\\s*([0-9 *<]+),`)) ?? source.match(new RegExp(`X\\(${name},\\s*([0-9]+),`));
			assert.ok(m, name);
			return m[1].split('*').map(Number).reduce((a, b) => a * b);
		};
		const table = security.slice(security.indexOf('<!-- table: limits -->')).split('\n\n')[0];
		const rows = [...table.matchAll(/^\| [^|]+ \| (\d+) \| ([^|]+) \|$/gm)];
		assert.ok(rows.length >= 20);
		for (const [, value, where] of rows) {
			const names = [...where.matchAll(/`([A-Z0-9_]+)`/g)].map((m) => m[1]);
			assert.equal(names.map(valueOf).reduce((a, b) => a + b), Number(value), where);
		}
	});
});

describe('secrets', { skip: needsRelay }, () => {
	const seen = (pid) => ['cmdline', 'environ'].map((f) => readFileSync(`/proc/${pid}/${f}`, 'latin1')).join('\n');
	const readable = existsSync('/proc/self/environ') && process.getuid() === 0;

	test('are not in the command line, the environment or the log of a running program', async (t) => {
		if (!readable)
			return t.skip('needs /proc and root');
		const jwt = `${newSecrets().token}${newSecrets().token}`;
		const r = await startRelay({ env: { JWT_SECRET: jwt, LOG_LEVEL: 'trace' } });
		const dir = tempDir('agent');
		const agent = start('agent', ADIT, ['agent', '--relay', r.origin, '--name', 'box', '--data', dir, '--app', '9', '--token', r.secrets.token,
			'--log-level', 'trace'], { cwd: dir });
		await agent.waitFor(/\baccepted\b/, 'accepted');
		await request(r.origin, '/api/auth/login', { method: 'POST', body: JSON.stringify({ password: r.secrets.password }) });
		const parents = new Map(readdirSync('/proc').filter((p) => /^\d+$/.test(p)).map((p) => {
			try {
				return [Number(p), Number(readFileSync(`/proc/${p}/stat`, 'latin1').split(') ').pop().split(' ')[1])];
			} catch {
				return [Number(p), 0];
			}
		}));
		const below = (pid) => [...parents].filter(([, parent]) => parent === pid).flatMap(([p]) => [p, ...below(p)]);
		const kin = below(agent.pid);
		assert.ok(kin.length > 0, 'helpers for names');
		for (const pid of [r.pid, agent.pid, ...kin])
			for (const [name, secret] of Object.entries({ ...r.secrets, jwt }))
				assert.ok(!seen(pid).includes(secret), `${name} in /proc/${pid}`);
		await r.proc.stop();
		await agent.stop();
		for (const line of [...r.proc.lines, ...agent.lines])
			for (const secret of [r.secrets.token, r.secrets.password, jwt])
				assert.ok(!line.includes(secret), line);
	});

	test('a running program leaves no core dump', async (t) => {
		if (!existsSync('/proc/self/limits'))
			return t.skip('needs /proc');
		const r = await startRelay();
		assert.match(readFileSync(`/proc/${r.pid}/limits`, 'latin1'), /^Max core file size\s+0\s+0\s/m);
	});

	test('kept files are private, one line each, and outlive a restart', async () => {
		const cwd = tempDir('kept');
		const env = cleanEnv({ RELAY_PASSWORD: newSecrets().password });
		const once = async () => {
			const proc = start('kept', ADIT, ['relay', '--listen', '127.0.0.1:0'], { cwd, env });
			await proc.waitFor(/http:\/\/127\.0\.0\.1:\d+/, 'its URL');
			assert.deepEqual(await proc.stop(), { code: 0, signal: null });
			return ['jwt-secret', 'relay-token'].map((f) => readFileSync(join(cwd, 'adit-data', 'relay', f), 'utf8'));
		};
		const [jwt, token] = await once();
		assert.match(jwt, /^[A-Za-z0-9_-]{43}\n$/);
		assert.match(token, /^adit_[A-Za-z0-9_-]{43}\n$/);
		assert.equal(statSync(join(cwd, 'adit-data')).mode & 0o777, 0o700);
		assert.equal(statSync(join(cwd, 'adit-data', 'relay')).mode & 0o777, 0o700);
		for (const f of readdirSync(join(cwd, 'adit-data', 'relay')))
			assert.equal(statSync(join(cwd, 'adit-data', 'relay', f)).mode & 0o777, 0o600, f);
		assert.deepEqual(await once(), [jwt, token]);
	});

	for (const [file, damage, line] of [
		['jwt-secret', 'short\n', 1],
		['jwt-secret', 'Zaunkoenig-am-Bach-mit-vielen-Federn\nmore\n', 2],
		['relay-token', '', 1],
		['people.json', '{"version":1,\n"next":2,\n"people":[\n', 4],
		['tokens.json', '{"version":1,"next":16,\n"tokens":[{}]}\n', 2],
		['sessions.json', '{"version":1,\n"gen":"","sessions":[]}\n', 2],
		['audit.log', '{"n":1} 0123456789abcdef\n', 1],
		['relay.json', '{"ports":{},\n"agents":', 2],
	])
		test(`a damaged ${file} stops the start with its name and line ${line}`, async () => {
			const r = await startRelay({ env: { RELAY_TOKEN: undefined } });
			await r.proc.stop();
			const path = join(r.dir, 'data', 'relay', file);
			writeFileSync(path, damage);
			const got = await run(ADIT, ['relay', '--listen', '127.0.0.1:0', '--data', join(r.dir, 'data')],
			    { cwd: r.dir, env: cleanEnv({ RELAY_PASSWORD: r.secrets.password }) });
			assert.equal(got.code, 2);
			assert.ok(got.stderr.includes(`${path}:${line}: `), got.stderr);
			assert.equal(got.stderr.trim().split('\n').length, 1, got.stderr);
			assert.equal(readFileSync(path, 'utf8'), damage, 'it is left as it was');
		});

	test('a file of secrets that others may read is named', async () => {
		const cwd = tempDir('exposed');
		writeFileSync(join(cwd, 'adit.json'), JSON.stringify({ password: newSecrets().password }));
		chmodSync(join(cwd, 'adit.json'), 0o644);
		const proc = start('exposed', ADIT, ['relay', '--listen', '127.0.0.1:0'], { cwd });
		await proc.waitFor(/chmod 600/, 'the warning');
		await proc.stop();
	});

	test('--token-file is read, and must be right', async () => {
		const r = await startRelay();
		const dir = tempDir('token');
		const args = ['agent', '--relay', r.origin, '--data', dir, '--token-file'];
		writeFileSync(join(dir, 'good'), `${r.secrets.token}\n`, { mode: 0o600 });
		writeFileSync(join(dir, 'short'), 'short\n', { mode: 0o600 });
		const agent = start('agent', ADIT, [...args, 'good'], { cwd: dir });
		await agent.waitFor(/\baccepted\b/, 'accepted');
		await agent.stop();
		for (const [name, why] of [['short', 'too short'], ['nowhere', 'no such file'], ['.', 'directory']]) {
			const got = await run(ADIT, [...args, name], { cwd: dir, env: cleanEnv() });
			assert.equal(got.code, 2);
			assert.ok(got.stderr.startsWith(`adit: ${name}: `) && got.stderr.includes(why), got.stderr);
		}
	});
});

describe('exit codes and signals', { skip: needsRelay }, () => {
	test('SIGTERM and SIGINT: 0', async () => {
		for (const signal of ['SIGTERM', 'SIGINT']) {
			const r = await startRelay();
			const a = await startAgent({ relay: r, apps: '9' });
			assert.deepEqual(await a.proc.stop(signal), { code: 0, signal: null });
			assert.deepEqual(await r.proc.stop(signal), { code: 0, signal: null });
		}
	});

	test('a request under way is waited for, but not after a second signal', async () => {
		const silent = createServer();
		await new Promise((go) => silent.listen(0, '127.0.0.1', go));
		const asked = once(silent, 'connection');
		const r = await startRelay({ args: ['--root', 'app', '--no-login'], noPassword: true });
		const a = await startAgent({ relay: r, apps: `127.0.0.1:${silent.address().port}` });
		const never = request(r.origin, '/').catch((error) => error);
		const [socket] = await asked;
		socket.on('error', () => {});
		process.kill(r.pid, 'SIGTERM');
		await r.proc.waitFor(/stopping/, 'stopping');
		assert.equal(r.proc.code, undefined);
		process.kill(r.pid, 'SIGTERM');
		assert.deepEqual(await r.proc.exited, { code: 0, signal: null });
		await never;
		socket.destroy();
		silent.close();
		await a.proc.stop();
	});

	test('SIGHUP and SIGUSR1 end nothing', async () => {
		const r = await startRelay();
		for (const signal of ['SIGHUP', 'SIGUSR1'])
			process.kill(r.pid, signal);
		await r.proc.waitFor(/SIGHUP/, 'a line about it');
		assert.equal((await request(r.origin, '/healthz')).status, 200);
	});

	test('SIGUSR1 lets an agent dial now', async () => {
		const r = await startRelay();
		const a = await startAgent({ relay: r, apps: '9' });
		await r.proc.stop();
		await a.proc.waitFor(/retry/, 'a wait');
		const from = a.proc.lines.length;
		process.kill(a.pid, 'SIGUSR1');
		await a.proc.waitFor(/connecting|retry/, 'another try', from);
		assert.deepEqual(await a.proc.stop(), { code: 0, signal: null });
	});

	test('a wrong token: 3, and one line that says what to do', async () => {
		const r = await startRelay();
		const a = await startAgent({ relay: r, secrets: newSecrets(), apps: '9', wait: false });
		assert.deepEqual(await a.proc.exited, { code: 3, signal: null });
		assert.ok(a.proc.lines.some((l) => /RELAY_TOKEN|token/.test(l) && /error/.test(l)), a.proc.tail());
	});

	test('a newer agent of the same name: 4', async () => {
		const r = await startRelay();
		const first = await startAgent({ relay: r, apps: '9', name: 'first' });
		const second = await startAgent({ relay: r, apps: '9', name: 'second' });
		assert.deepEqual(await first.proc.exited, { code: 4, signal: null });
		assert.deepEqual(await second.proc.stop(), { code: 0, signal: null });
	});

	test('one data directory, one agent of a name', async () => {
		const r = await startRelay();
		const a = await startAgent({ relay: r, apps: '9' });
		const got = await run(ADIT, ['agent', '--relay', r.origin, '--name', 'box', '--data', join(a.dir, 'data'), '--app', '9'],
		    { env: cleanEnv({ RELAY_TOKEN: r.secrets.token }) });
		assert.equal(got.code, 2);
		assert.match(got.stderr, /agent-box: in use/);
	});
});

describe('the log', { skip: needsRelay }, () => {
	test('nobody who does not read it can stop the relay', async () => {
		const cwd = tempDir('log');
		assert.equal((await run('mkfifo', [join(cwd, 'log')])).code, 0);
		const fd = openSync(join(cwd, 'log'), 'r+');
		const [port] = await freePorts();
		const child = spawn(ADIT, ['relay', '--listen', `127.0.0.1:${port}`, '--no-login', '--log-level', 'trace'],
		    { cwd, env: cleanEnv(), stdio: ['ignore', 'ignore', fd] });
		const ended = once(child, 'close');
		try {
			const origin = `http://127.0.0.1:${port}`;
			while (!(await request(origin, '/healthz').then(() => true, () => false)))
				assert.equal(child.exitCode, null);
			for (let i = 0; i < 1000; i++) {        // more lines than a pipe holds
				const socket = connect(port, '127.0.0.1');
				socket.end('not HTTP\r\n\r\n');
				socket.resume();
				await within(once(socket, 'close'), 'an answer');
			}
			assert.equal((await request(origin, '/healthz')).status, 200);
		} finally {
			child.kill('SIGTERM');
			closeSync(fd);
			assert.deepEqual(await ended, [0, null]);
		}
	});
});

describe('listening', { skip: needsRelay }, () => {
	const urls = async (args, n) => {
		const proc = start('listen', ADIT, ['relay', ...args], { cwd: tempDir('listen'), env: cleanEnv({ RELAY_PASSWORD: newSecrets().password }) });
		await proc.waitFor(/an agent joins/, 'the last URL');
		const found = proc.lines.flatMap((l) => [...l.matchAll(/ open url=(http:\S+)/g)]).map((m) => m[1]);
		assert.ok(found.length >= n, proc.tail());
		for (const url of found) {
			const { origin, host, hostname } = new URL(url);
			const got = await request(origin, '/_adit/healthz', { connectTo: hostname.replace(/[[\]]/g, ''), headers: { host } });
			assert.equal(got.status, 200, url);
		}
		await proc.stop();
		return found;
	};

	test('every URL that it prints can be opened', async () => {
		await urls(['--listen', '0'], 1);
		await urls(['--listen', 'localhost:0'], 1);
		await urls(['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0=dashboard', '--listen', '127.0.0.1:0=web'], 3);
		assert.deepEqual((await urls(['--listen', '0.0.0.0:0'], 1)).filter((u) => u.includes('[')), []);
	});

	test('plain http beyond this machine is said at every start', async () => {
		const warns = async (listen) => {
			const proc = start('plain', ADIT, ['relay', '--listen', listen], { cwd: tempDir('plain'), env: cleanEnv({ RELAY_PASSWORD: newSecrets().password }) });
			await proc.waitFor(/an agent joins/, 'its start');
			await proc.stop();
			return proc.lines.some((l) => /plain http/.test(l));
		};
		assert.equal(await warns('0'), true);
		assert.equal(await warns('127.0.0.1:0'), false);
	});
});
