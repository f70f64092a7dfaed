// Accounts from the command line: each command with a relay that runs and on
// its files, the control socket and who may speak there, and what the process
// for passwords may cost.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ADIT, NEVER_MS, ROOT, cleanEnv, needsRelay, newSecrets, onExit, run, shutDown, startRelay, stopCleanly, tempDir, within } from './harness.mjs';
import { request } from './http.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const isRoot = process.getuid() === 0;
const asRoot = { ...options, skip: needsRelay || (isRoot ? false : 'only root can be somebody else') };
const CONTROL = join(ROOT, 'tests', 'e2e', 'control.py');
const PASSWORD = 'Zaunkoenig am Bach';
const BYSTANDER = 12345;
after(shutDown);

const folder = (name) => {
	const dir = tempDir(name);
	chmodSync(dir, 0o755);
	return dir;
};

// A command on DIR/data; a password goes through standard input.
async function adit(dir, args, { input, fails = false, env = {} } = {}) {
	const { code, stdout, stderr } = await run(ADIT, [...args, '--data', join(dir, 'data')],
	    { cwd: dir, env: cleanEnv(env), input });
	assert.equal(code !== 0, fails, `${args.join(' ')}: ${stderr}`);
	return { code, out: stdout.toString().trimEnd(), err: stderr.trimEnd() };
}
const list = async (dir, ...args) => JSON.parse((await adit(dir, [...args, '--json'])).out);
const init = (dir, user = 'anna', more = {}) =>
	adit(dir, ['init', '--user', user, '--password-file', '-'], { input: `${PASSWORD}\n`, ...more });
const relayOf = (dir, more = {}) => startRelay({ dir, noPassword: true, secrets: newSecrets(), env: { RELAY_TOKEN: undefined }, ...more });
const login = (relay, user, password = PASSWORD) =>
	request(relay.origin, '/_adit/api/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user, password }) });
const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
const hasherOf = (relay) => childrenOf(childrenOf(relay.pid)[0])[0];
function bad(action, dir, more = {}) {
	const child = spawn('python3', ['-c', readFileSync(CONTROL, 'utf8'), action, join(dir, 'data', 'relay', 'control')], { stdio: ['pipe', 'pipe', 'inherit'], ...more });
	onExit(() => child.kill('SIGKILL'));
	child.said = [];
	child.stdout.on('data', (b) => child.said.push(b));
	child.ended = within(once(child, 'close'), `${action}'s end`).then(() => Buffer.concat(child.said).toString().trim());
	return child;
}

// A backup with good sums, of whatever files: [name, text, size if it is another].
function archive(files) {
	const sum = (bytes) => createHash('sha256').update(bytes).digest('hex');
	let all = 'adit-backup 1\n';
	for (const [name, text, size = text.length] of files)
		all += `${name} ${size} ${sum(text)}\n${text}\n`;
	return `${all}end ${sum(all)}\n`;
}

describe('adit init', { skip: needsRelay }, () => {
	it('makes secrets and the first account, once', options, async () => {
		const dir = folder('init');
		const { out } = await init(dir);
		assert.match(out, /the admin anna\n[^]*adit relay --data[^]*adit agent --relay[^]*adit invite$/);
		const relay = join(dir, 'data', 'relay');
		for (const name of readdirSync(relay))
			assert.equal(statSync(join(relay, name)).mode & 0o777, 0o600, name);
		assert.equal(statSync(relay).mode & 0o777, 0o700);
		assert.ok(!readFileSync(join(relay, 'people.json'), 'utf8').includes(PASSWORD));
		assert.deepEqual((await list(dir, 'user', 'list')).map((r) => [r.user, r.role]), [['anna', 'admin']]);
		const again = await init(dir, 'ben', { fails: true });
		assert.equal(again.code, 1);
		assert.match(again.err, /There is an account already/);
	});

	it('lets one of two win', options, async () => {
		const files = folder('racers');
		const live = folder('racers-live');
		const relay = await relayOf(live);
		for (const dir of [files, live]) {
			const both = await Promise.all(['anna', 'ben'].map((user) => run(ADIT,
			    ['init', '--user', user, '--password-file', '-', '--data', join(dir, 'data')],
			    { cwd: dir, env: cleanEnv(), input: `${PASSWORD}\n` })));
			assert.deepEqual(both.map((r) => r.code).sort(), [0, 1], both.map((r) => r.stderr).join());
			assert.equal((await list(dir, 'user', 'list')).length, 1);
		}
		await stopCleanly(relay);
	});

	it('refuses a weak password, and one that nobody can type', options, async () => {
		const dir = folder('weak');
		const args = ['init', '--user', 'anna', '--password-file'];
		assert.match((await adit(dir, [...args, '-'], { input: 'short\n', fails: true })).err, /too short/);
		assert.match((await adit(dir, [...args, 'none'], { fails: true })).err, /no such file/);
		const { code, stderr } = await run('setsid', ['-w', ADIT, 'init', '--data', join(dir, 'data')], { cwd: dir, env: cleanEnv() });
		assert.equal(code, 2);
		assert.match(stderr, /no terminal to ask on; say --password-file/);
		assert.ok(!existsSync(join(dir, 'data')));
	});
});

describe('without an account', { skip: needsRelay }, () => {
	it('a relay writes a setup code, and says where but not which', options, async () => {
		const dir = folder('setup');
		const relay = await relayOf(dir);
		await relay.proc.waitFor(/no account yet.*setup-code/, 'the hint');
		const file = join(dir, 'data', 'relay', 'setup-code');
		const code = readFileSync(file, 'utf8').trim();
		assert.match(code, /^([A-Z2-7]{4}-){3}[A-Z2-7]{4}$/);
		assert.equal(statSync(file).mode & 0o777, 0o600);
		assert.ok(!relay.proc.lines.join('\n').includes(code));
		await init(dir);
		assert.ok(!existsSync(file));
		assert.equal((await login(relay, 'anna')).status, 200);
		assert.equal((await login(relay, 'anna', 'another one')).status, 401);
		await stopCleanly(relay);
	});

	it('RELAY_PASSWORD works, and is refused once there is one', options, async () => {
		const dir = folder('shared');
		const relay = await startRelay({ dir });
		assert.equal(childrenOf(childrenOf(relay.pid)[0]).length, 0, 'no process for passwords');
		assert.match((await init(dir, 'anna', { fails: true })).err, /RELAY_PASSWORD/);
		await stopCleanly(relay);
		await init(dir);
		const { code, stderr } = await run(ADIT, ['relay', '--listen', '127.0.0.1:0', '--data', join(dir, 'data')],
		    { cwd: dir, env: cleanEnv({ RELAY_PASSWORD: newSecrets().password }) });
		assert.equal(code, 2);
		assert.match(stderr, /there are accounts, so RELAY_PASSWORD must not be set/);
	});
});

// The same on files and through a relay that runs.
for (const live of [false, true])
	describe(live ? 'commands to a relay that runs' : 'commands on the files', { skip: needsRelay }, () => {
		const dir = folder(live ? 'live' : 'files');
		const made = {};
		let relay;

		it('people', options, async () => {
			await init(dir);
			if (live)
				relay = await relayOf(dir, { env: { RELAY_TOKEN: undefined, PUBLIC_BASE_URL: 'https://relay.example.org' } });
			await adit(dir, ['user', 'add', 'ben', '--role', 'viewer', '--password-file', '-'], { input: PASSWORD });
			await adit(dir, ['user', 'role', 'ben', 'member']);
			await adit(dir, ['user', 'passwd', 'ben', '--password-file', '-'], { input: `${PASSWORD}!` });
			assert.deepEqual((await list(dir, 'user', 'list')).map((r) => [r.user, r.role]), [['anna', 'admin'], ['ben', 'member']]);
			const { out } = await adit(dir, ['user', 'list']);
			assert.match(out, /^user +role +created +seen +sessions\nanna +admin +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ /);
			const columns = out.split('\n').map((l) => l.search(/\b(role|admin|member)\b/));
			assert.equal(new Set(columns).size, 1, out);
			for (const [args, code, why] of [
				[['user', 'role', 'ben', 'root'], 2, /role/], [['user', 'role', 'nobody', 'admin'], 1, /No such account/],
				[['user', 'remove', 'anna'], 1, /admin/], [['user', 'add', 'B en', '--password-file', '-'], 2, /user/],
				[['user', 'role', 'ben'], 2, /role: is missing/], [['user', 'list', 'x'], 2, /unexpected argument x/],
				[['user', 'list', '--replace'], 2, /unknown option/], [['user'], 2, /--help/],
			]) {
				const failed = await adit(dir, args, { fails: true, input: PASSWORD });
				assert.equal(failed.code, code, args.join(' '));
				assert.match(failed.err, why);
			}
			if (live) {
				assert.equal((await login(relay, 'ben', `${PASSWORD}!`)).status, 200);
				assert.equal((await login(relay, 'ben')).status, 401);
			}
		});

		it('invitations', options, async () => {
			const { out, err } = await adit(dir, ['invite', '--role', 'viewer', '--days', '2']);
			assert.match(out, live ? /^https:\/\/relay\.example\.org\/_adit\/invite#[\w-]{43}$/ : /^\/_adit\/invite#[\w-]{43}$/);
			assert.match(err, live ? /^Good once, until 2\S+Z$/ : /public_url or domain/);
			const reset = await adit(dir, ['user', 'reset', 'ben'], live ? {} : { env: { RELAY_DOMAIN: 'r.example.org' } });
			assert.match(reset.out, live ? /^https:\/\/relay/ : /^http:\/\/r\.example\.org:4000\/_adit\/invite#/);
			const rows = await list(dir, 'invite', 'list');
			assert.deepEqual(rows.map((r) => r.kind).sort(), ['invite', 'reset']);
			for (const { id } of rows)
				await adit(dir, ['invite', 'revoke', id]);
			assert.deepEqual(await list(dir, 'invite', 'list'), []);
			assert.match((await adit(dir, ['invite', 'revoke', 'AAAAAAAA'], { fails: true })).err, /^adit: /);
		});

		it('tokens', options, async () => {
			for (const [args, first] of [[['--agent', 'box', '--days', '3'], 'a'], [['--shared', '--name', 'all <b>"\u00e9'], 'a'],
				[['--api', '--scope', 'read,metrics'], 's'], [['--channel', 'desk'], 'c']]) {
				const { out, err } = await adit(dir, ['token', 'add', ...args]);
				assert.match(out, /^adit_[a-z][\w-]{43}$/, first);
				assert.match(err, /Shown this once/);
				assert.ok(!readFileSync(join(dir, 'data', 'relay', 'tokens.json'), 'utf8').includes(out));
				made[args[0]] = out;
			}
			const rows = await list(dir, 'token', 'list');
			assert.deepEqual(rows.map((r) => [r.kind, r.agent ?? '']), [['agent', 'box'], ['agent', ''], ['api', ''], ['channel', '']]);
			const table = (await adit(dir, ['token', 'list'])).out;
			assert.ok(table.includes('all <b>\\x22\\xc3\\xa9'), 'escaped');
			await adit(dir, ['token', 'revoke', rows[1].id]);
			assert.equal((await list(dir, 'token', 'list')).length, 3);
			for (const args of [[], ['--api', '--shared'], ['--agent', 'box', '--channel', 'x']])
				assert.match((await adit(dir, ['token', 'add', ...args], { fails: true })).err, /one of --agent/);
		});

		it('access', options, async () => {
			await adit(dir, ['access', 'box/web', '--people', 'anna,ben']);
			assert.deepEqual((await list(dir, 'access', 'list')).map((r) => [r.app, r.people]), [['box/web', ['anna', 'ben']]]);
			await adit(dir, ['access', 'box/web', '--everyone']);
			assert.deepEqual(await list(dir, 'access', 'list'), []);
			assert.match((await adit(dir, ['access', 'box/web'], { fails: true })).err, /--people NAME,\.\.\. or --everyone/);
		});

		it('rotate, audit and sessions', options, async () => {
			const file = join(dir, 'data', 'relay', 'jwt-secret');
			const before = readFileSync(file, 'utf8').trim();
			await adit(dir, ['rotate']);
			assert.ok(readFileSync(file, 'utf8').split('\n')[1].startsWith(before));
			const rows = await list(dir, 'audit', '-n', '3');
			assert.deepEqual(rows.map((r) => r.what), ['rotate', 'access.set', 'access.set']);
			assert.ok(rows.every((r) => r.who === 'console' && r.from === 'console'));
			const all = await list(dir, 'audit', '-n', '1000');
			assert.ok(all.length > 12 && all.at(-1).what === 'setup', 'more than a page');
			assert.ok(!JSON.stringify(all).includes(PASSWORD) && !Object.values(made).some((t) => JSON.stringify(all).includes(t)));
			const sessions = await list(dir, 'session', 'list');
			assert.equal(sessions.length, live ? 1 : 0);
			for (const { id } of sessions)
				await adit(dir, ['session', 'revoke', id]);
			assert.deepEqual(await list(dir, 'session', 'list'), []);
		});

		it('backup and restore', options, async () => {
			const file = join(dir, 'backup');
			const people = await list(dir, 'user', 'list');
			await adit(dir, ['backup', file]);
			assert.equal(statSync(file).mode & 0o777, 0o600);
			assert.match((await adit(dir, ['backup', file], { fails: true })).err, /File exists/);
			const text = readFileSync(file, 'utf8');
			assert.equal((await adit(dir, ['backup', '-'])).out, text.trimEnd());
			for (const name of ['people.json', 'tokens.json', 'jwt-secret', 'audit.log'])
				assert.ok(text.includes(`\n${name} `), name);
			if (live) {
				assert.match((await adit(dir, ['restore', file, '--replace'], { fails: true })).err, /its relay runs/);
				await stopCleanly(relay);
			}
			assert.match((await adit(dir, ['restore', file], { fails: true })).err, /--replace/);
			// Damaged or cut anywhere: nothing is touched.
			const other = folder('restored');
			const wrong = join(dir, 'wrong');
			for (const [broken, why] of [
				[text.slice(0, -1), /cut off/], [text.slice(0, 400), /cut off/], [text.replace('"anna"', '"adam"'), /sum is another/],
				[text.replace('people.json', 'people.jsom'), /not a line/], ['', /not a backup/], [text + 'x', /sum of all/],
				[text.replace('adit-backup 1', 'adit-backup 2'), /not a backup/],
				// Made by somebody who can compute sums.
				...['../x', '/etc/x', 'people.json/../x', '..', 'lock', 'control', 'people.json\0'].map((name) => [archive([[name, '{}']]), /not a line/]),
				[archive([['relay-token', 'a'], ['relay-token', 'b']]), /not a line/],
				[archive([['people.json', '{}'], ['jwt-secret', 'a']]), /not a line/],
				[archive([['people.json', '{}', '18446744073709551615']]), /not a line/],
				[archive([['people.json', ' '.repeat(512 * 1024 + 1)]]), /not a line/],
				[archive([['people.json', '{"version":1,"next":1,"people":[\n],"invites":[\n],"access":[\n],"x":1}\n']]), /people\.json:1/],
			]) {
				writeFileSync(wrong, broken);
				assert.match((await adit(other, ['restore', wrong], { fails: true })).err, why);
				assert.ok(!existsSync(join(other, 'data')), String(why));
			}
			await adit(other, ['restore', file]);
			assert.deepEqual(await list(other, 'user', 'list'), people);
			assert.deepEqual(readdirSync(join(other, 'data')), ['relay']);
			await adit(other, ['user', 'remove', 'ben']);
			assert.match((await adit(other, ['restore', file, '--replace'])).err, /is now .*relay\.before-2/);
			assert.deepEqual(await list(other, 'user', 'list'), people);
			assert.equal(readdirSync(join(other, 'data')).length, 2);
			const again = await relayOf(other);
			assert.equal((await login(again, 'ben', `${PASSWORD}!`)).status, 200);
			await stopCleanly(again);
		});
	});

describe('commands', { skip: needsRelay }, () => {
	it('say what they can do', options, async () => {
		for (const command of ['user', 'invite', 'token', 'session', 'access', 'rotate', 'audit', 'backup', 'restore']) {
			const { code, stdout } = await run(ADIT, [command, '--help'], { env: cleanEnv() });
			assert.equal(code, 0, command);
			assert.match(stdout.toString(), new RegExp(`^Usage:\n  adit ${command}\\b[^]*--data DIR`));
			assert.ok(stdout.toString().split('\n').every((l) => l.length <= 80), command);
		}
	});

	it('make nothing where there is no relay', options, async () => {
		const dir = folder('nothing');
		for (const args of [['user', 'list'], ['rotate'], ['invite'], ['backup', join(dir, 'b')]])
			assert.match((await adit(dir, args, { fails: true })).err, /there is no relay's data; adit init makes it/);
		assert.deepEqual(readdirSync(dir), []);
	});

	it('on the files end no sessions, whatever secret signed them', options, async () => {
		const dir = folder('foreign');
		await init(dir);
		const env = { RELAY_TOKEN: undefined, JWT_SECRET: 'the-key-that-signs-7c1e0d55b2f94a' };
		const relay = await relayOf(dir, { env });
		assert.equal((await login(relay, 'anna')).status, 200);
		await stopCleanly(relay);
		await adit(dir, ['invite']);
		const again = await relayOf(dir, { env });
		assert.deepEqual((await list(dir, 'session', 'list')).map((r) => r.user), ['anna']);
		await stopCleanly(again);
	});

	it('of root leave the files to the account that has them', asRoot, async () => {
		const dir = folder('owner');
		await init(dir);
		const relay = join(dir, 'data', 'relay');
		for (const name of ['..', '.', ...readdirSync(relay)])
			chownSync(join(relay, name), BYSTANDER, BYSTANDER);
		await adit(dir, ['invite']);
		for (const name of readdirSync(relay))
			assert.equal(statSync(join(relay, name)).uid, BYSTANDER, name);
		// A folder of root's, in which that account can make nothing.
		await adit(dir, ['backup', join(dir, 'file')]);
		mkdirSync(join(dir, 'roots'));
		mkdirSync(join(dir, 'roots', 'data'));
		assert.match((await adit(join(dir, 'roots'), ['restore', join(dir, 'file')], { fails: true })).err, /chown/);
	});
});

describe('the control socket', { skip: needsRelay }, () => {
	it('answers garbage, and goes on', options, async () => {
		const dir = folder('garbage');
		await init(dir);
		const relay = await relayOf(dir);
		assert.equal((await list(dir, 'user', 'list')).length, 1);
		assert.equal(statSync(join(dir, 'data', 'relay', 'control')).mode & 0o777, 0o600);
		const lines = ['{', '[]', 'x', '{"op":1}', '{"op":"no such"}', '{"op":"backup","op":"backup"}', '{"op":"people.list","x":1}',
			'L', '\xff\xfe\x00', '{"op":"people.list"}'];
		const { stdout } = await run('python3', [CONTROL, 'ask', join(dir, 'data', 'relay', 'control')], { input: `${lines.join('\n')}\n` });
		const answers = stdout.toString().trimEnd().split('\n');
		assert.equal(answers.length, lines.length);
		assert.equal(answers[7], 'closed', 'longer than a question can be');
		answers.splice(7, 1);
		assert.equal(JSON.parse(answers.pop()).status, 200);
		for (const a of answers) {
			assert.ok([400, 404].includes(JSON.parse(a).status), a);
			assert.ok(JSON.parse(a).body.error.length > 0);
		}
		await stopCleanly(relay);
	});

	it('is not held by those who are silent or go away', options, async () => {
		const dir = folder('silent');
		await init(dir);
		const relay = await relayOf(dir);
		assert.equal((await list(dir, 'user', 'list')).length, 1);
		const silent = bad('silent', dir);
		await within(once(silent.stdout, 'data'), 'silence');
		// Its turn comes when one of them has been silent for too long.
		assert.equal((await list(dir, 'user', 'list')).length, 1);
		silent.stdin.end();
		await silent.ended;
		await bad('leave', dir).ended;
		await adit(dir, ['user', 'add', 'ben', '--password-file', '-'], { input: PASSWORD });
		assert.deepEqual((await list(dir, 'user', 'list')).map((r) => r.user).sort(), ['anna', 'ben', 'gone']);
		await stopCleanly(relay);
	});

	it('is not for other accounts, whatever its mode', asRoot, async () => {
		const dir = folder('other');
		await init(dir);
		const relay = await relayOf(dir);
		const paths = ['data', 'data/relay', 'data/relay/control'].map((p) => join(dir, p));
		const as = (uid) => bad('connect', dir, { uid, gid: uid }).ended;
		await list(dir, 'user', 'list');        // it is there
		assert.equal(await as(BYSTANDER), 'EACCES');
		for (const p of [dir, ...paths])
			chmodSync(p, 0o777);
		assert.equal(await as(BYSTANDER), 'closed');
		assert.equal(JSON.parse(await as(0)).status, 200);
		assert.equal(JSON.parse(await as(statSync(paths[2]).uid)).status, 200);
		await stopCleanly(relay);
	});

	it('left by a relay that was killed is no hindrance', options, async () => {
		const dir = folder('stale');
		await init(dir);
		const killed = await relayOf(dir);
		assert.equal((await list(dir, 'user', 'list')).length, 1);
		killed.proc.child.kill('SIGKILL');
		await killed.proc.exited;
		assert.ok(existsSync(join(dir, 'data', 'relay', 'control')));
		assert.equal((await list(dir, 'user', 'list')).length, 1);
		const next = await relayOf(dir);
		await adit(dir, ['invite']);
		await stopCleanly(next);
	});
});

describe('passwords', { skip: needsRelay }, () => {
	it('are stretched by a process that gives its memory back', options, async () => {
		const dir = folder('memory');
		await init(dir);
		const relay = await relayOf(dir);
		const at = hasherOf(relay);
		const kib = (what) => Number(readFileSync(`/proc/${at}/status`, 'latin1').match(new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm'))[1]);
		assert.equal((await login(relay, 'anna')).status, 200);
		assert.ok(kib('VmHWM') > 32 * 1024 && kib('VmHWM') < 34 * 1024, `${kib('VmHWM')} KiB at most`);
		assert.ok(kib('VmRSS') < 2 * 1024, `${kib('VmRSS')} KiB afterwards`);
		await stopCleanly(relay);
	});

	it('wait in a short line; who finds it full comes again', options, async () => {
		const dir = folder('line');
		await init(dir);
		const relay = await relayOf(dir);
		// On a busy machine the last of the line may come to their deadline.
		const all = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => login(relay, `user${i}`)));
		const count = (status) => all.filter((r) => r.value?.status === status).length;
		assert.equal(count(401) + count(429) + all.filter((r) => r.status === 'rejected').length, 20);
		assert.ok(count(401) >= 1 && count(429) >= 11 - 1, `${count(401)} looked at, ${count(429)} sent away`);
		assert.equal((await login(relay, 'anna')).status, 200);
		await stopCleanly(relay);
	});

	it('end the relay with a clear line when their process ends', options, async () => {
		const dir = folder('killed');
		await init(dir);
		const relay = await relayOf(dir);
		process.kill(hasherOf(relay), 'SIGKILL');
		const { code } = await relay.proc.exited;
		assert.equal(code, 1);
		for (const line of [/fatal .*stretches passwords has ended/, /fatal .*keeps the secrets has ended/])
			assert.ok(relay.proc.lines.some((l) => line.test(l)), String(line));
	});

	it('take memory that the plan leaves to them', options, async () => {
		const dir = folder('plan');
		const { code, stderr } = await run(ADIT, ['relay', '--check', '--memory', '34m'], { cwd: dir, env: cleanEnv() });
		assert.equal(code, 2);
		assert.match(stderr, /memory: too little for the limits of the relay; they take (3[5-9]|4\d)MiB/);
		assert.equal((await run(ADIT, ['relay', '--check'], { cwd: dir, env: cleanEnv() })).code, 0);
		assert.equal((await run(ADIT, ['relay', '--check', '--password-cost', '16'], { cwd: dir, env: cleanEnv() })).code, 2);
		assert.equal((await run(ADIT, ['relay', '--check', '--password-cost', '16', '--memory', '96m'], { cwd: dir, env: cleanEnv() })).code, 0);
	});
});
