#!/usr/bin/env node
// agent.mjs: an agent of its own making. It was written from PROTOCOL.md alone,
// to see whether the document says enough; it serves real apps through a real
// relay. Needs Node 18 and the package ws.
//
//	node agent.mjs --relay http://127.0.0.1:4000 --token-env RELAY_TOKEN \
//	    --name js --app web=127.0.0.1:3000
//
// An app is NAME=HOST:PORT, then ",kind=tcp", ",public", ",host=H", ",origin=O".
// --state FILE keeps the tunnel_id. SIGUSR2 prints the counters. Exit codes: 0
// asked to stop, 1 usage, 3 refused, 4 replaced.

import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';
import * as codec from './codec.mjs';
import { ProtocolError } from './codec.mjs';
import { Session, stats } from './session.mjs';

const STEP_MS = 5000, PING_AFTER_MS = 10000, DEAD_AFTER_MS = 5000, TICK_MS = 250;
const GRACE_MS = 30000, SERVICE_MS = 10000, CONNECT_MS = 10000, OUTAGE_MS = 30000;
const DONE = 4000, PROTOCOL = 4001, REPLACED = 4002, EXPIRED = 4004;
const ENDS = [4000, 4001, 4002, 4003, 4004];
const VERSION = 'js-1';

const log = (...words) => console.error(...words);

// --- settings

function readSettings() {
	const { values } = parseArgs({ options: {
		relay: { type: 'string' },
		'token-env': { type: 'string', default: 'RELAY_TOKEN' },
		name: { type: 'string', default: 'js' },
		app: { type: 'string', multiple: true, default: [] },
		state: { type: 'string' },
		streams: { type: 'string', default: '256' },
		window: { type: 'string', default: '65536' },
		verbose: { type: 'boolean', default: false },
	} });
	const url = new URL(values.relay);
	url.protocol = { 'https:': 'wss:', 'wss:': 'wss:' }[url.protocol] ?? 'ws:';
	if (!/\/tunnel$/.test(url.pathname))
		url.pathname = `${url.pathname.replace(/\/$/, '')}/tunnel`;
	const token = process.env[values['token-env']];
	const apps = new Map(values.app.map(readApp));
	if (!token || !codec.isName(values.name) || apps.size !== values.app.length || apps.size > 64)
		throw new Error('wants --token-env with a token in it, a --name, and --app with names that differ');
	const limits = { streams: Number(values.streams), window: Number(values.window) };
	limits.session = (limits.streams + 1) * limits.window;
	return { ...values, url, token, apps, limits };
}

function readApp(value) {
	const m = value.match(/^([a-z0-9-]+)=(.+):(\d+)((?:,[^,]+)*)$/);
	if (m === null || !codec.isName(m[1]))
		throw new Error(`--app ${value}: NAME=HOST:PORT`);
	const said = { name: m[1], kind: 'http' };
	for (const option of m[4].split(',').slice(1)) {
		const [key, ...rest] = option.split('=');
		if (!['kind', 'public', 'host', 'origin'].includes(key))
			throw new Error(`--app ${value}: what is ${key}?`);
		said[key] = key === 'public' ? true : rest.join('=');
	}
	return [m[1], { said, host: m[2].replace(/^\[(.*)\]$/, '$1'), port: Number(m[3]) }];
}

// --- an app's end of a stream: bytes between it and a TCP connection (7.5)

let sockets = 0;

function connectApp(apps, limits, stream, open) {
	const app = apps.get(open.app);
	if (app === undefined || app.said.kind !== open.kind)
		return codec.UNKNOWN_APP;
	if (sockets >= 2 * limits.streams)
		return codec.OVER_LIMIT;
	sockets++;
	const socket = net.connect({ host: app.host, port: app.port, allowHalfOpen: true, noDelay: true });
	let connected = false;
	let unwanted = false;
	const late = setTimeout(() => {
		stream.reset(codec.TIMED_OUT);
		socket.destroy();
	}, CONNECT_MS);
	socket.on('connect', () => {
		connected = true;
		clearTimeout(late);
	});
	socket.on('data', (bytes) => unwanted || stream.push(bytes));
	socket.on('end', () => stream.finish());
	socket.on('error', (error) => {
		if (!connected)
			stream.reset(whyNot(error.code));
		else if (socket.readableEnded && !stream.closed)
			stream.halt();          // it said all it had to say, and takes no more
		else
			stream.reset(codec.BROKEN);
	});
	socket.on('close', () => {
		sockets--;
		clearTimeout(late);
		if (!socket.readableEnded)
			stream.reset(codec.BROKEN);
	});
	return {
		write: (bytes, taken) => socket.write(bytes, taken),
		end: () => socket.end(),
		pause: () => socket.pause(),
		resume: () => socket.resume(),
		reset: () => connected ? socket.resetAndDestroy() : socket.destroy(),
		stop() {
			unwanted = true;
			socket.resume();        // read and dropped: the app must not stand still
		},
		closed: () => socket.destroySoon(),
	};
}

function whyNot(code) {
	return { ECONNREFUSED: codec.REFUSED, ETIMEDOUT: codec.TIMED_OUT, EMFILE: codec.OVER_LIMIT,
		ENFILE: codec.OVER_LIMIT }[code] ?? codec.UNREACHABLE;
}

// --- one WebSocket connection

class Link {
	session = undefined;
	over = false;

	constructor(ws, socket) {
		this.ws = ws;
		this.socket = socket;
		this.heard = Date.now();
		this.bytes = 0;
		this.pinged = false;
		this.timer = setInterval(() => this.look(), TICK_MS);
	}

	// Section 10. Any bytes count.
	look() {
		const now = Date.now();
		if (this.socket.bytesRead !== this.bytes) {
			this.bytes = this.socket.bytesRead;
			this.heard = now;
			this.pinged = false;
		} else if (now - this.heard >= PING_AFTER_MS + DEAD_AFTER_MS) {
			this.lost('not heard any more');
		} else if (now - this.heard >= PING_AFTER_MS && !this.pinged) {
			this.pinged = true;
			this.ws.ping();
		}
	}

	send(bytes) {
		this.ws.send(bytes, () => this.backlog() < 65536 && this.session?.pump());
	}

	backlog() {
		return this.ws.bufferedAmount;
	}

	// What happens on this connection from now on is nobody's business.
	leave() {
		if (this.over)
			return false;
		this.over = true;
		clearInterval(this.timer);
		clearTimeout(this.deadline);
		return true;
	}

	close(code, why) {
		if (!this.leave())
			return;
		this.ws.close(code);
		this.onOver({ ended: true, ours: true, code, why });
	}

	lost(why) {
		if (!this.leave())
			return;
		this.ws.terminate();
		this.onOver({ ended: false, why });
	}
}

// --- waits between dials (section 14)

export class Backoff {
	tries = 0;
	slow = 0;
	since = Date.now();             // the last success, or the beginning
	servedAt = undefined;

	served() {
		this.servedAt = Date.now();
	}

	lost() {
		const now = Date.now();
		if (this.servedAt !== undefined) {
			if (now - this.servedAt >= SERVICE_MS)
				this.tries = this.slow = 0;
			this.since = now;
		}
		this.servedAt = undefined;
	}

	next(parked, random = Math.random()) {
		let wait = this.tries === 0 ? 0 : Math.min(100 * 2 ** (this.tries - 1), 5000);
		if (Date.now() - this.since > OUTAGE_MS)
			wait = Math.min(5000 * 2 ** this.slow++, 60000);
		this.tries++;
		wait *= 0.75 + random / 2;
		return parked ? Math.min(wait, 2000) : wait;
	}
}

// --- the agent

class Agent {
	instance = randomBytes(16).toString('base64url');
	start = true;           // nothing binary came from the relay yet
	sessions = new Set();   // also parked and draining ones
	current = undefined;
	backoff = new Backoff();
	links = new Set();

	constructor(settings) {
		this.settings = settings;
		try {
			this.tunnelId = readFileSync(settings.state, 'latin1').trim() || undefined;
		} catch {
			this.tunnelId = undefined;
		}
	}

	// For ever: sees to it that there is a current session, and that parked ones
	// are resumed. One dial at a time.
	async run() {
		for (;;) {
			if (!stopping && this.next() !== false) {
				if (!this.atOnce) {
					const wait = this.backoff.next(this.parked().length > 0);
					await new Promise((go) => setTimeout(go, wait));
				}
				this.atOnce = false;
				const next = this.next();
				if (!stopping && next !== false)
					await this.dial(next);
			} else {
				await new Promise((go) => {
					this.wake = go;
				});
			}
		}
	}

	parked() {
		return [...this.sessions].filter((s) => s.link === undefined);
	}

	// What to dial for: a session to resume, undefined for a new one, or false.
	next() {
		if (this.current === undefined || this.current.link === undefined)
			return this.current;
		return this.parked()[0] ?? false;
	}

	async dial(parked) {
		let addresses;
		try {
			addresses = await lookup(this.settings.url.hostname.replace(/^\[(.*)\]$/, '$1'), { all: true });
		} catch (error) {
			return log(`no address: ${error.code}`);
		}
		for (const address of addresses) {
			const { connected, why } = await this.connect(address, parked);
			if (why)
				log(`dial: ${why}`);
			if (connected)
				return undefined;
		}
		return undefined;
	}

	hello(parked) {
		const { name, apps, limits } = this.settings;
		return codec.writeHello({ name, instance: this.instance, start: this.start, tunnel_id: this.tunnelId,
			version: VERSION, apps: Array.from(apps.values(), (a) => a.said), limits, resume: parked?.resumption() });
	}

	// Resolves when the dial has come to its end: a session is served, or not.
	connect(address, parked) {
		return new Promise((done) => {
			const { url, token } = this.settings;
			let link;
			let why;
			const ws = new WebSocket(url, ['adit.tunnel.1'], {
				headers: { Authorization: `Bearer ${token}` },
				perMessageDeflate: false, followRedirects: false,
				handshakeTimeout: 2 * STEP_MS, closeTimeout: STEP_MS, maxPayload: 65536,
				autoSelectFamily: false,
				lookup: (host, options, give) => options.all ? give(null, [address]) :
				    give(null, address.address, address.family),
			});
			ws.on('upgrade', (res) => {
				link = new Link(ws, res.socket);
				this.links.add(link);
				link.onOver = (end) => {
					this.links.delete(link);
					this.linkOver(link, end);
					done({ connected: true, why: end.why });
				};
			});
			ws.on('unexpected-response', async (req, res) => {
				why = await this.notUpgraded(res);
				req.destroy();
				done({ connected: true, why });
			});
			ws.on('open', () => this.greet(link, parked, done));
			ws.on('error', (error) => {
				why ??= error.message;
				if (link === undefined)
					done({ connected: false, why });
			});
			ws.on('close', (code) => {
				if (link === undefined)
					done({ connected: false, why });
				else if (ENDS.includes(code) && link.leave())
					link.onOver({ ended: true, code, why: `closed with ${code}` });
				else
					link.lost(why ?? `closed with ${code}`);
			});
		});
	}

	async notUpgraded(res) {
		let body = '';
		res.setEncoding('utf8');
		try {
			for await (const part of res)
				if ((body += part).length > 16384)
					break;
		} catch {
			body = '';
		}
		let said = {};
		try {
			said = JSON.parse(body) ?? {};
		} catch {
			// somebody else's page
		}
		const final = { 401: 'token', 409: 'name' }[res.statusCode];
		if (final !== undefined && said.code === final && typeof said.error === 'string')
			exit(3, `refused: ${said.error}`);
		if (res.statusCode === 426)
			return '426: the upgrade headers did not arrive; a proxy must pass Upgrade and Connection';
		return `answered ${res.statusCode}`;
	}

	// Section 4.
	greet(link, parked, done) {
		let welcome;
		let refused;
		const deadline = () => {
			clearTimeout(link.deadline);
			link.deadline = setTimeout(() => link.close(EXPIRED, 'late in the beginning'), STEP_MS);
		};
		const served = () => {
			clearTimeout(link.deadline);
			this.backoff.served();
			log(`${welcome.resumed ? 'resumed' : 'served'}: session ${link.session.number} ${welcome.urls.join(' ')}`);
			done({ connected: true });
		};
		const answer = (text) => {
			const said = codec.readAnswer(text);
			if (said.type === 'refused') {
				refused = said.code;
				return this.refused(refused, parked);
			}
			if (said.resumed !== (parked !== undefined))
				throw new ProtocolError('a resume succeeds or is refused');
			welcome = said;
			this.keepId(welcome.tunnel_id);
			if (parked === undefined) {
				link.session = this.newSession(welcome);
				deadline();
				return link.session.begin(link);
			}
			link.session = parked;
			parked.resume(link, welcome);
			clearTimeout(parked.grace);
			return served();
		};
		link.ws.on('message', (data, binary) => {
			if (link.over || refused !== undefined)
				return;
			try {
				if (binary && welcome === undefined)
					throw new ProtocolError('a frame before the welcome');
				if (!binary && welcome !== undefined)
					throw new ProtocolError('text after the beginning');
				if (!binary)
					return void answer(data.toString());
				const was = link.session.live;
				link.session.receive(data);
				this.start = false;
				if (!was) {
					this.becomeCurrent(link.session);
					served();
				}
			} catch (error) {
				if (!(error instanceof ProtocolError))
					throw error;
				if (welcome === undefined && parked !== undefined)
					this.endSession(parked);
				link.close(PROTOCOL, `protocol error: ${error.message}`);
			}
		});
		link.ws.send(this.hello(parked));
		deadline();
	}

	refused(code, parked) {
		log(`refused: ${code}`);
		if (code === 'replaced')
			exit(4, 'replaced');
		if (code === 'name')
			exit(3, 'the name belongs to another credential');
		if (parked !== undefined && (code === 'unknown-session' || code === 'proof')) {
			this.atOnce = parked === this.current;
			this.endSession(parked);
		}
	}

	keepId(id) {
		if (id === this.tunnelId)
			return;
		this.tunnelId = id;
		if (this.settings.state !== undefined)
			writeFileSync(this.settings.state, `${id}\n`, { mode: 0o600 });
	}

	// --- sessions

	count = 0;

	newSession(welcome) {
		const { apps, limits, verbose } = this.settings;
		const session = new Session({ welcome, limits, log: verbose ? log : undefined,
			serve: (stream, open) => connectApp(apps, limits, stream, open) });
		session.number = ++this.count;
		session.onGoAway = ({ reason, ms }) => {
			log(`go-away ${reason}, ${ms} ms`);
			session.deadline = setTimeout(() => session.link !== undefined ?
				session.link.close(EXPIRED, 'the go-away\'s deadline') : this.endSession(session), ms);
			if (this.current === session)
				this.current = undefined;
			this.backoff.lost();
			this.wake?.();
		};
		return session;
	}

	becomeCurrent(session) {
		this.sessions.add(session);
		this.current = session;
	}

	endSession(session) {
		this.sessions.delete(session);
		clearTimeout(session.grace);
		clearTimeout(session.deadline);
		if (this.current === session)
			this.current = undefined;
		session.end();
		this.wake?.();
	}

	// A connection is gone (6.6): with its session, or the session is parked.
	linkOver(link, { ended, ours, code, why }) {
		const session = link.session;
		if (!ours && code === REPLACED)
			exit(4, 'replaced by a newer process');
		if (session === undefined)
			return;
		log(`session ${session.number}: ${why}`);
		if (session === this.current)
			this.backoff.lost();
		if (ended || !this.sessions.has(session))
			return this.endSession(session);
		session.park();
		session.grace = setTimeout(() => this.endSession(session), GRACE_MS);
		this.wake?.();
	}

	// Asked to stop. The Closes are flushed by the process's end.
	async stop() {
		stopping = true;
		const links = [...this.links];
		const gone = links.map((l) => new Promise((go) => l.ws.once('close', go)));
		links.forEach((l) => l.close(DONE, 'asked to stop'));
		await Promise.all(gone);
		exit(0, 'stopped');
	}
}

// --- the program

let stopping = false;

const printStats = () => log(`stats ${JSON.stringify({ ...stats, sockets })}`);

function exit(code, why) {
	if (stopping && code !== 0)
		return;
	log(why);
	printStats();
	process.exit(code);
}

let agent;
try {
	agent = new Agent(readSettings());
} catch (error) {
	log(error.message);
	process.exit(1);
}
process.on('SIGTERM', () => agent.stop());
process.on('SIGINT', () => agent.stop());
process.on('SIGUSR2', printStats);
await agent.run();
