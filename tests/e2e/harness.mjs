// harness.mjs: starts and stops what the end-to-end tests run against.
//
// Every port is chosen by the kernel, every process is ended by its pid, every
// folder is a temporary one. Nothing waits by sleeping: readiness is a line on
// standard error, and the timers here only turn "never" into a failure.
//
// ADIT_E2E=direct          no relay: the same tests, straight against the app
// ADIT_E2E_BULK_MIB=1024   size of the bulk transfers (64)
// ADIT_E2E_MULTIPART_MIB   size of the multipart upload (64)
// ADIT_E2E_SLOW_S=300      how long the slow app thinks (0: until the others are served)
// ADIT_E2E_NO_RSS=1        no memory assertions (sanitizer builds)
// ADIT_E2E_NODE_LOG=1      copy every child's log to standard error
// ADIT_BIN                 the binary, if not build/adit

import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Wire, request } from './http.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
export const ROOT = join(here, '..', '..');
export const DEPLOY = join(ROOT, 'deploy');
export const BUILD = join(ROOT, 'build');
export const ADIT = process.env.ADIT_BIN || join(BUILD, 'adit');

export const DIRECT = process.env.ADIT_E2E === 'direct';
export const BULK_MIB = Number(process.env.ADIT_E2E_BULK_MIB || 64);
export const MULTIPART_MIB = Number(process.env.ADIT_E2E_MULTIPART_MIB || BULK_MIB);
export const SLOW_S = Number(process.env.ADIT_E2E_SLOW_S || 0);
export const MEASURE_RSS = !process.env.ADIT_E2E_NO_RSS;

// "Never" in milliseconds: long enough for valgrind on a busy machine.
export const NEVER_MS = 60_000;
const STOP_MS = 10_000;

export const MIB = 1 << 20;
export const RELAY_MEMORY_MIB = 48;     // the defaults of --memory
export const AGENT_MEMORY_MIB = 24;

// For tests that have no meaning without a relay.
export const needsRelay = DIRECT ? 'there is no relay in direct mode' : false;

// --- cleaning up: last in, first out, also when the process is told to go

const undo = [];

export function onExit(fn) {
	undo.push(fn);
}

async function cleanUp() {
	while (undo.length > 0) {
		try {
			await undo.pop()();
		} catch (error) {
			console.error(`cleaning up: ${error.message}`);
		}
	}
}

const children = new Set();
const folders = new Set();

process.on('exit', () => {
	for (const child of children)
		child.kill(child.stopBy ?? 'SIGKILL');
	for (const folder of folders)
		rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
	process.once(signal, () => process.exit(1));

// shutDown: call it from a file's last `after`. A handle that somebody left open
// would keep the file running for ever; this says so instead.
export async function shutDown() {
	await cleanUp();
	for (const wire of Wire.all)
		wire.destroy();
	setTimeout(() => {
		console.error('a test left something open:', process.getActiveResourcesInfo().join(' '));
		process.exit(1);
	}, STOP_MS).unref();
}

export function tempDir(name) {
	const folder = mkdtempSync(join(tmpdir(), `adit-e2e-${name}-`));
	folders.add(folder);
	onExit(() => {
		rmSync(folder, { recursive: true, force: true });
		folders.delete(folder);
	});
	return folder;
}

export function within(promise, what, ms = NEVER_MS) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`never came: ${what}`)), ms);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// --- processes

// Nothing of the person's environment reaches a child: no proxy, no settings.
export function cleanEnv(extra = {}) {
	return { PATH: process.env.PATH, LANG: 'C.UTF-8', TZ: 'UTC', ...extra };
}

export class Proc extends EventEmitter {
	constructor(name, command, args, { env, cwd } = {}) {
		super();
		this.setMaxListeners(0);
		this.name = name;
		this.command = [command, ...args].join(' ');
		this.lines = [];
		this.code = undefined;
		this.signal = undefined;
		this.child = spawn(command, args, {
			env: env ?? cleanEnv(),
			cwd,
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		this.pid = this.child.pid;
		children.add(this.child);
		mkdirSync(join(BUILD, 'e2e-logs'), { recursive: true });
		const test = basename(process.argv[1] ?? 'repl').replace(/\.test\.mjs$/, '');
		this.log = createWriteStream(join(BUILD, 'e2e-logs', `${test}-${name}.log`),
		    { flags: 'a' });
		this.log.write(`--- ${new Date().toISOString()} ${this.command}\n`);
		for (const stream of [this.child.stdout, this.child.stderr])
			this.follow(stream);
		this.exited = new Promise((done) => {
			this.child.once('error', (error) => {
				this.line(`cannot start: ${error.message}`);
				this.end(127, null, done);
			});
			this.child.once('close', (code, signal) => this.end(code, signal, done));
		});
	}

	follow(stream) {
		let rest = '';
		stream.setEncoding('utf8');
		stream.on('data', (text) => {
			const parts = (rest + text).split('\n');
			rest = parts.pop();
			parts.forEach((line) => this.line(line));
		});
		stream.on('end', () => {
			if (rest !== '')
				this.line(rest);
			rest = '';
		});
	}

	line(text) {
		this.lines.push(text);
		this.log.write(`${text}\n`);
		if (process.env.ADIT_E2E_NODE_LOG)
			console.error(`[${this.name}] ${text}`);
		this.emit('line', text);
	}

	end(code, signal, done) {
		if (this.code !== undefined)
			return;
		children.delete(this.child);
		this.code = code;
		this.signal = signal;
		this.log.end();
		this.emit('ended');
		done({ code, signal });
	}

	tail() {
		return this.lines.slice(-15).map((l) => `    ${l}`).join('\n');
	}

	// The first line from number `from` on for which `match` gives something true.
	async waitFor(match, what, from = 0) {
		let at = from;
		for (;;) {
			for (; at < this.lines.length; at++) {
				const found = typeof match === 'function' ?
				    match(this.lines[at]) : this.lines[at].match(match);
				if (found)
					return found;
			}
			if (this.code !== undefined)
				throw new Error(`${this.name} ended (code ${this.code}, signal ${this.signal}) ` +
				    `before: ${what}\n${this.tail()}`);
			await within(new Promise((go) => {
				const wake = () => {
					this.off('line', wake);
					this.off('ended', wake);
					go();
				};
				this.on('line', wake);
				this.on('ended', wake);
			}), `${what}, from ${this.name}; it said\n${this.tail()}`);
		}
	}

	async stop(signal = 'SIGTERM') {
		if (this.code === undefined) {
			this.child.kill(signal);
			const hard = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
			await this.exited;
			clearTimeout(hard);
		}
		return { code: this.code, signal: this.signal };
	}
}

// At the end nobody waits for goodbyes: the tests that are about stopping stop by
// themselves.
export function start(name, command, args, { stopBy = 'SIGKILL', ...options } = {}) {
	const proc = new Proc(name, command, args, options);
	proc.child.stopBy = stopBy;
	onExit(() => proc.stop(stopBy));
	return proc;
}

// Runs a program to its end; what it wrote comes back as bytes.
export async function run(command, args, { env, cwd, input } = {}) {
	const child = spawn(command, args, {
		env: env ?? cleanEnv(),
		cwd,
		stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
	});
	children.add(child);
	const out = [];
	const err = [];
	child.stdout.on('data', (b) => out.push(b));
	child.stderr.on('data', (b) => err.push(b));
	if (input !== undefined) {
		child.stdin.on('error', () => {});
		child.stdin.end(input);
	}
	try {
		const [code, signal] = await within(once(child, 'close'), `the end of ${command} ${args.join(' ')}`);
		return { code, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
	} finally {
		child.kill('SIGKILL');
		children.delete(child);
	}
}

// Several times over the process's life: peak resident memory, in MiB.
export function peakMib(pid) {
	const m = readFileSync(`/proc/${pid}/status`, 'latin1').match(/^VmHWM:\s+(\d+) kB$/m);
	return Number(m[1]) / 1024;
}

// --- ports

function listenOnce(port) {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once('error', reject);
		server.listen(port, '127.0.0.1', () => resolve(server));
	});
}

// The kernel gives ports from this one on. Below it nobody gets one by chance, and
// no connection that was closed a moment ago holds one (TIME_WAIT).
function firstGiven() {
	try {
		const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split(/\s/);
		return Number(first);
	} catch {
		return 32_768;
	}
}

// `count` ports in a row on which nobody listens. For programs that cannot say
// which port the kernel gave them; their start is tried again on a clash. (Beyond
// 10080, which browsers refuse to open.)
export async function freePorts(count = 1) {
	const end = Math.max(firstGiven(), 20_000);
	for (let attempt = 0; attempt < 1000; attempt++) {
		const first = randomInt(10_100, end - count);
		const ports = Array.from({ length: count }, (_, i) => first + i);
		const held = [];
		try {
			for (const port of ports)
				held.push(await listenOnce(port));
			return ports;
		} catch {
			// taken: elsewhere
		} finally {
			await Promise.all(held.map((s) => new Promise((done) => s.close(done))));
		}
	}
	throw new Error(`no ${count} free ports in a row`);
}

// --- adit

const secret = () => randomBytes(18).toString('base64url');

// A test that is over leaves WebSockets open; nobody has to wait for them.
const DRAIN = '--drain-timeout';
const drain = (args) => args.includes(DRAIN) ? [] : [DRAIN, '2s'];

// One deployment's secrets: what both ends must agree on.
export function newSecrets() {
	return { token: secret(), password: secret() };
}

// startRelay: `listen` may be repeated; the first is the main site. A port 0 is
// learnt from the log: the first URL of this machine whose port is not one that
// the test chose itself (`knownPorts`: a front, an app site).
export async function startRelay({
	secrets = newSecrets(), dir = tempDir('relay'), listen = '127.0.0.1:0',
	args = [], env = {}, knownPorts = [], noPassword = false, name = 'relay',
} = {}) {
	if (!existsSync(ADIT))
		throw new Error(`${ADIT} is not there: run make first, or ADIT_E2E=direct`);
	const vars = { RELAY_TOKEN: secrets.token, JWT_SECRET: undefined, ...env };
	if (!noPassword)
		vars.RELAY_PASSWORD = secrets.password;
	for (const key of Object.keys(vars))
		if (vars[key] === undefined)
			delete vars[key];
	const proc = start(name, ADIT,
	    ['relay', '--listen', listen, '--data', join(dir, 'data'), ...drain(args), ...args],
	    { cwd: dir, env: cleanEnv(vars) });
	const fixed = Number(listen.match(/:(\d+)(=|$)/)[1]);
	const port = await proc.waitFor((line) => {
		for (const m of line.matchAll(/https?:\/\/(?:127\.0\.0\.1|localhost|\[::1\]):(\d+)/g)) {
			const found = Number(m[1]);
			if (fixed === 0 ? !knownPorts.includes(found) : found === fixed)
				return found;
		}
		return 0;
	}, 'the URL under which the relay can be opened');
	return { proc, pid: proc.pid, dir, secrets, port, origin: `http://127.0.0.1:${port}`, args, env };
}

// The same relay again, with the same data and the same port.
export function restartRelay(relay, { args = relay.args, env = relay.env, secrets = relay.secrets } = {}) {
	return startRelay({
		secrets, dir: relay.dir, listen: `127.0.0.1:${relay.port}`, args, env, name: 'relay-again',
	});
}

// startAgent: ready when the relay welcomed it. `through` is a command that runs it.
export async function startAgent({
	relay, url = relay.origin, secrets = relay.secrets, apps, args = [], env = {},
	dir = tempDir('agent'), agentName = 'box', wait = true, name = 'agent', through = [],
}) {
	const list = Array.isArray(apps) ? apps : [apps];
	const [command, ...before] = [...through, ADIT];
	const proc = start(name, command, [...before, 'agent', '--relay', url, '--name', agentName,
		'--data', join(dir, 'data'), ...drain(args), ...list.flatMap((a) => ['--app', a]), ...args],
	    { cwd: dir, env: cleanEnv({ RELAY_TOKEN: secrets.token, ...env }) });
	if (wait)
		await proc.waitFor(/\baccepted\b/, 'accepted');
	return { proc, pid: proc.pid, dir };
}

// Ends a relay or an agent and sees that it went as it should.
export async function stopCleanly(it) {
	const { code, signal } = await it.proc.stop();
	const said = it.proc.lines.find((l) => /Sanitizer|runtime error:|[Aa]ssert(ion)?\b.*failed/.test(l));
	if (code !== 0 || said !== undefined)
		throw new Error(`${it.proc.name} ended with code ${code}, signal ${signal}\n${said ?? it.proc.tail()}`);
}

// --- people

// A browser's cookies: by host name (not by port), nothing finer.
export class Jar {
	hosts = new Map();

	header(origin) {
		const cookies = this.hosts.get(new URL(origin).hostname) ?? new Map();
		return Array.from(cookies, ([name, value]) => `${name}=${value}`).join('; ');
	}

	headers(origin) {
		const cookie = this.header(origin);
		return cookie === '' ? {} : { cookie };
	}

	take(origin, response) {
		const host = new URL(origin).hostname;
		if (!this.hosts.has(host))
			this.hosts.set(host, new Map());
		const cookies = this.hosts.get(host);
		for (const line of response.headers['set-cookie'] ?? []) {
			const [pair, ...attributes] = line.split(/;\s*/);
			const at = pair.indexOf('=');
			const gone = attributes.some((a) => /^max-age=(0|-\d+)$/i.test(a) ||
			    (/^expires=/i.test(a) && Date.parse(a.slice(8)) <= Date.now()));
			if (gone)
				cookies.delete(pair.slice(0, at));
			else
				cookies.set(pair.slice(0, at), pair.slice(at + 1));
		}
	}

	// What a person's click does: a navigation that follows redirects.
	async open(url) {
		let at = new URL(url);
		for (let hop = 0; hop < 10; hop++) {
			const response = await request(at.origin, at.pathname + at.search, {
				headers: {
					...this.headers(at.origin),
					accept: 'text/html',
					'sec-fetch-mode': 'navigate',
					'sec-fetch-dest': 'document',
					'sec-fetch-site': 'none',
				},
				connectTo: at.hostname.endsWith('.localhost') ? '127.0.0.1' : undefined,
			});
			this.take(at.origin, response);
			if (![301, 302, 303, 307, 308].includes(response.status))
				return Object.assign(response, { url: at.href });
			at = new URL(response.headers.location, at);
		}
		throw new Error(`too many redirects from ${url}`);
	}
}

// Logs in as a program does. `reservedPath` is where: the short form on a
// dashboard, the long one wherever an app owns the short names.
export async function login(origin, password, { jar = new Jar(), path = '/_adit/api/auth/login', headers = {} } = {}) {
	const response = await request(origin, path, {
		method: 'POST',
		headers: { 'content-type': 'application/json', ...jar.headers(origin), ...headers },
		body: JSON.stringify({ password }),
	});
	jar.take(origin, response);
	if (response.status !== 200)
		throw new Error(`login answered ${response.status}: ${response.body}`);
	return jar;
}
