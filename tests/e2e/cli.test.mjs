// The command line: what stops with one clear line, and with which code.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { App } from './app.mjs';
import {
	ADIT, NEVER_MS, cleanEnv, needsRelay, newSecrets, restartRelay, run, shutDown, start, startAgent, startRelay, tempDir, within,
} from './harness.mjs';
import { request } from './http.mjs';

const options = { skip: needsRelay, timeout: NEVER_MS };
const test = (name, fn) => it(name, options, fn);
after(shutDown);

const { token, password } = newSecrets();
const env = (more = {}) => cleanEnv({ RELAY_TOKEN: token, RELAY_PASSWORD: password, ...more });

async function adit(args, { more = {}, cwd = tempDir('cli') } = {}) {
	const vars = env(more);
	for (const key of Object.keys(vars))
		if (vars[key] === undefined)
			delete vars[key];
	return run(ADIT, args, { env: vars, cwd });
}

// Exit code 2, nothing on standard output, and what the line has to name.
async function refused(args, words, more) {
	const got = await adit(args, more);
	const what = `adit ${args.join(' ')}: code ${got.code}, said ${JSON.stringify(got.stderr)}`;
	assert.equal(got.code, 2, what);
	assert.equal(got.stdout.length, 0, what);
	assert.ok(got.stderr.length > 0, what);
	assert.ok(got.stderr.trim().split('\n').length <= 3, `one clear line: ${what}`);
	for (const word of words)
		assert.ok(got.stderr.includes(word), `${word}: ${what}`);
	assert.ok(!got.stderr.includes(token) && !got.stderr.includes(password), 'no secret is shown');
	return got;
}

const relay = ['relay', '--listen', '127.0.0.1:0'];
const agent = ['agent', '--relay', 'http://127.0.0.1:9', '--app', 'web=127.0.0.1:9'];

describe('help and version', { skip: needsRelay }, () => {
	test('version prints the version and touches no file', async () => {
		const cwd = tempDir('version');
		for (const args of [['version'], ['--version']]) {
			const got = await adit(args, { cwd });
			assert.equal(got.code, 0);
			assert.match(got.stdout.toString(), /\d+\.\d+/);
			assert.ok(!existsSync(join(cwd, 'adit-data')));
		}
	});

	test('every role documents itself', async () => {
		const cwd = tempDir('help');
		for (const args of [['--help'], ['relay', '--help'], ['agent', '--help'], ['start', '--help'], ['status', '--help']]) {
			const got = await adit(args, { cwd });
			assert.equal(got.code, 0, args.join(' '));
			assert.ok(got.stdout.length > 100, args.join(' '));
		}
		assert.ok(!existsSync(join(cwd, 'adit-data')));
		const help = (await adit(['relay', '--help'])).stdout.toString();
		for (const flag of ['--listen', '--data', '--config', '--root', '--reserve', '--domain', '--app-domain', '--app-ports', '--public-url',
			'--trust-proxy', '--no-login', '--memory', '--max-connections', '--max-per-address', '--log-format', 'RELAY_PASSWORD', 'JWT_SECRET'])
			assert.ok(help.includes(flag), flag);
	});
});

describe('usage', { skip: needsRelay }, () => {
	test('no command, an unknown command, an unknown flag', async () => {
		await refused([], []);
		await refused(['rely'], ['rely', 'relay']);
		await refused([...relay, '--lisen', 'x'], ['lisen', 'listen']);
		await refused([...agent, '--nme', 'x'], ['nme', 'name']);
		await refused([...relay, 'stray'], ['stray']);
		await refused(['relay', '--listen'], ['listen']);
	});

	test('values out of range or of another kind', async () => {
		await refused(['relay', '--listen', '127.0.0.1:70000'], ['listen']);
		await refused(['relay', '--listen', '127.0.0.1:x'], ['listen']);
		await refused(['relay', '--listen', 'not an address'], ['listen']);
		await refused([...relay, '--app-ports', '200-100'], ['app-ports']);
		await refused([...relay, '--memory', 'much'], ['memory']);
		await refused([...relay, '--log-format', 'xml'], ['log-format']);
		await refused([...relay, '--trust-proxy', 'everybody'], ['trust-proxy']);
		await refused([...relay, '--public-url', 'ftp://x'], ['public-url']);
		await refused([...relay, '--root', 'No_Name'], ['root']);
		await refused([...agent, '--name', 'UPPER'], ['name']);
		await refused([...agent, '--name', 'a--b'], ['name']);
		await refused([...agent, '--app', 'x=127.0.0.1:0'], ['app']);
		await refused([...agent, '--app', 'x=127.0.0.1:80,sideways'], ['sideways']);
		await refused([...agent, '--app', `${'n'.repeat(31)}=127.0.0.1:80`], ['app']);
		await refused(['agent', '--relay', 'gopher://x', '--app', '80'], ['relay']);
		await refused(['agent', '--app', '80'], ['relay']);
	});

	test('secrets that are too short, from documentation, or contradictory', async () => {
		await refused(relay, ['RELAY_PASSWORD', '8'], { more: { RELAY_PASSWORD: 'short' } });
		await refused(relay, ['RELAY_TOKEN', '16'], { more: { RELAY_TOKEN: 'too-short' } });
		await refused(relay, ['JWT_SECRET', '32'], { more: { JWT_SECRET: 'too-short' } });
		await refused(relay, ['TUNNEL_REGISTRATION_API_KEY', '32'], { more: { TUNNEL_REGISTRATION_API_KEY: 'a-key-of-31-characters-is-short' } });
		await refused(relay, ['JWT_SECRET'], { more: { JWT_SECRET: 'change-me-change-me-change-me-change-me' } });
		await refused(agent, ['RELAY_TOKEN'], { more: { RELAY_TOKEN: undefined } });
	});

	test('what belongs to another version is refused, not ignored', async () => {
		await refused(['agent', '--relay', 'http://127.0.0.1:9', '--app', 'ssh=tcp://127.0.0.1:22'], ['tcp']);
		await refused(relay, ['WEB_CLIENT_PATH', '--root'], { more: { WEB_CLIENT_PATH: '/srv/web' } });
	});

	test('an empty variable counts as not set', async () => {
		const got = await adit([...relay, '--check'], { more: { JWT_SECRET: '', RELAY_DOMAIN: '', TRUST_PROXY: '', LOG_LEVEL: '', HOST: '' } });
		assert.equal(got.code, 0, got.stderr);
	});

	test('a flag beats the environment, the environment beats the file', async () => {
		const cwd = tempDir('order');
		writeFileSync(join(cwd, 'adit.json'), '{"log_level":"nonsense"}');
		await refused([...relay, '--check'], ['adit.json', 'log_level'], { cwd });
		writeFileSync(join(cwd, 'adit.json'), '{"log_format":"json"}');
		const begin = async (args, more) => {
			const r = await startRelay({ dir: cwd, secrets: { token, password }, args, env: more });
			await r.proc.stop();
			return r.proc.lines.filter((l) => l.trim() !== '').some((l) => l.trim().startsWith('{'));
		};
		assert.equal(await begin([], {}), true, 'the file counts');
		assert.equal(await begin(['--log-format', 'text'], {}), false, 'the flag beats it');
	});
});

describe('adit.json', { skip: needsRelay }, () => {
	const file = (text) => {
		const cwd = tempDir('json');
		writeFileSync(join(cwd, 'adit.json'), text);
		return { cwd };
	};

	test('an unknown key: file, line, key and the nearest name', async () => {
		const got = await refused([...relay, '--check'], ['adit.json', 'lisen', 'listen'], file('{\n  "root": "web",\n  "lisen": "x"\n}\n'));
		assert.match(got.stderr, /adit\.json:3\b|line 3\b/);
	});

	test('what is not JSON, or of the wrong kind', async () => {
		await refused([...relay, '--check'], ['adit.json'], file('{"root": "web",}'));
		await refused([...relay, '--check'], ['adit.json'], file('[]'));
		await refused([...relay, '--check'], ['adit.json', 'root'], file('{"root": 5}'));
		await refused([...relay, '--check'], ['adit.json', 'root'], file('{"root": "a", "root": "b"}'));
	});

	test('a file that was named must be there', async () => {
		await refused([...relay, '--config', 'nowhere.json'], ['nowhere.json']);
		await refused([...agent, '--config', 'nowhere.json'], ['nowhere.json']);
	});

	test('an agent reads none unless it is named', async () => {
		// A cloned repository must not be able to redirect it.
		const where = file('{"relay":"http://127.0.0.1:1","nonsense":1}');
		const got = await adit([...agent, '--check'], where);
		assert.equal(got.code, 0, got.stderr);
		const named = await adit([...agent, '--check', '--config', 'adit.json'], where);
		assert.equal(named.code, 2);
	});

	test('.env files are not read', async () => {
		const cwd = tempDir('dotenv');
		writeFileSync(join(cwd, '.env'), 'JWT_SECRET=short\nRELAY_DOMAIN=not a domain\n');
		assert.equal((await adit([...relay, '--check'], { cwd })).code, 0);
	});
});

describe('at start', { skip: needsRelay }, () => {
	test('--check makes nothing', async () => {
		const cwd = tempDir('check');
		assert.equal((await adit([...relay, '--check'], { cwd })).code, 0);
		assert.ok(!existsSync(join(cwd, 'adit-data', 'relay')));
	});

	test('a taken port is one clear line and code 2', async () => {
		const holder = createServer();
		await new Promise((go) => holder.listen(0, '127.0.0.1', go));
		const { port } = holder.address();
		await refused(['relay', '--listen', `127.0.0.1:${port}`], [String(port)]);
		holder.close();
	});

	test('a data directory has one owner', async () => {
		const first = await startRelay();
		const got = await adit([...relay, '--data', join(first.dir, 'data')]);
		assert.notEqual(got.code, 0);
		assert.ok(got.stderr.includes('data'), got.stderr);
		assert.equal((await request(first.origin, '/healthz')).status, 200, 'the first goes on');
	});

	test('it prints its URLs, its memory, and the agent\'s command', async () => {
		const r = await startRelay({ args: ['--domain', 'relay.example'] });
		await request(r.origin, '/healthz');
		const said = r.proc.lines.join('\n');
		assert.match(said, /adit agent --relay/);
		assert.match(said, /relay\.example/);
		assert.match(said, /memory|MiB/i);
		assert.ok(!said.includes(r.secrets.token) && !said.includes(r.secrets.password), 'no secret in the log');
	});

	test('a damaged state file stops it with the file\'s name', async () => {
		const r = await startRelay();
		await request(r.origin, '/healthz');
		await r.proc.stop();
		const folder = join(r.dir, 'data', 'relay');
		assert.ok(existsSync(folder));
		const names = ['keeper.json', 'relay.json', 'secrets.json', 'sessions.json'].filter((n) => existsSync(join(folder, n)));
		for (const name of names) {
			const whole = readFileSync(join(folder, name));
			writeFileSync(join(folder, name), whole.subarray(0, Math.max(1, whole.length - 2)));
			const got = await adit([...relay, '--data', join(r.dir, 'data')]);
			assert.notEqual(got.code, 0);
			assert.ok(got.stderr.includes(name), got.stderr);
			writeFileSync(join(folder, name), whole);
		}
		await (await restartRelay(r)).proc.stop();
	});

	test('secrets are made at the first start and kept', async () => {
		const cwd = tempDir('first');
		mkdirSync(join(cwd, 'd'));
		const vars = cleanEnv({ RELAY_PASSWORD: password });
		const first = async () => {
			const proc = start('first', ADIT, [...relay, '--data', join(cwd, 'd')], { cwd, env: vars });
			await proc.waitFor(/http:\/\/127\.0\.0\.1:\d+/, 'its URL');
			await proc.stop();
			return proc.lines.join('\n');
		};
		const said = await first();
		await first();
		assert.match(said, /token/i, 'it says where the agents\' token is');
	});
});

describe('adit start and adit status', { skip: needsRelay }, () => {
	test('start runs both on this machine', async () => {
		const app = await App.start();
		const cwd = tempDir('start');
		const proc = start('start', ADIT, ['start', '--listen', '127.0.0.1:0', '--app', `127.0.0.1:${app.port}`, '--root', 'app'],
		    { cwd, env: cleanEnv({ RELAY_PASSWORD: password }) });
		const [, port] = await proc.waitFor(/http:\/\/127\.0\.0\.1:(\d+)/, 'its URL');
		await proc.waitFor(/\baccepted\b/, 'accepted');
		const origin = `http://127.0.0.1:${port}`;
		const login = await request(origin, '/_adit/api/auth/login', { method: 'POST', body: JSON.stringify({ password }) });
		assert.equal(login.status, 200);
		const cookie = login.headers['set-cookie'].map((c) => c.split(';')[0]).join('; ');
		assert.equal((await request(origin, '/ok', { headers: { cookie } })).body.toString(), 'ok\n');
		assert.deepEqual(await proc.stop(), { code: 0, signal: null });
	});

	test('status tells people and programs what is connected', async () => {
		const app = await App.start();
		const r = await startRelay();
		await startAgent({ relay: r, apps: `web=127.0.0.1:${app.port}` });
		const text = await within(adit(['status', '--relay', r.origin]), 'status');
		assert.equal(text.code, 0, text.stderr);
		assert.match(text.stdout.toString(), /connected/i);
		const json = await adit(['status', '--relay', r.origin, '--json']);
		assert.equal(json.code, 0);
		assert.equal(JSON.parse(json.stdout).tunnelConnected, true);
		await r.proc.stop();
		assert.equal((await adit(['status', '--relay', r.origin])).code, 1);
	});
});
