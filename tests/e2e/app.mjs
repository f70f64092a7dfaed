// app.mjs: the hard app. Node's HTTP server, ws and socket.io in the test's own
// process, so that a test can write the app's half beside the client's half and
// see what arrived. Each handler gets a path of its own.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Server as SocketServer } from 'socket.io';
import { WebSocketServer } from 'ws';
import { onExit } from './harness.mjs';
import { pairs } from './http.mjs';

export class App {
	handlers = new Map();
	upgrades = new Map();
	connections = new Set();
	seen = [];              // "METHOD url" of every request that arrived
	broken = [];            // what Node's parser could not accept
	made = 0;

	static async start({ port = 0, socketIo = false } = {}) {
		const app = new App();
		app.server = createServer({
			maxHeaderSize: 256 * 1024,
			requestTimeout: 0,
			headersTimeout: 0,
			keepAliveTimeout: 0,
		});
		app.server.timeout = 0;
		app.server.maxRequestsPerSocket = 0;
		app.server.on('connection', (socket) => {
			socket.number = ++app.made;
			app.connections.add(socket);
			socket.once('close', () => app.connections.delete(socket));
		});
		app.server.on('request', (req, res) => app.handle(req, res, false));
		app.server.on('checkContinue', (req, res) => app.handle(req, res, true));
		app.server.on('upgrade', (req, socket, head) => app.handleUpgrade(req, socket, head));
		app.server.on('clientError', (error, socket) => {
			// A client that left, also in the middle of a body, broke nothing.
			if (!['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE'].includes(error.code))
				app.broken.push(`${error.code} ${error.message}`);
			socket.destroy();
		});
		if (socketIo) {
			app.io = new SocketServer(app.server, {
				destroyUpgrade: false,
				maxHttpBufferSize: 32 << 20,
				serveClient: false,
			});
			// Else a polling client that left keeps the process for 30 s.
			app.io.engine.on('connection', (s) => {
				s.transport.closeTimeout = 100;
			});
		}
		app.server.listen(port, '127.0.0.1');
		await once(app.server, 'listening');
		app.port = app.server.address().port;
		app.origin = `http://127.0.0.1:${app.port}`;
		onExit(() => app.stop());
		return app;
	}

	async stop() {
		this.io?.disconnectSockets(true);
		this.io?.engine.close();
		const closed = new Promise((done) => this.server.close(done));
		for (const socket of this.connections)
			socket.destroy();
		await closed;
	}

	// The paths: stable names would let one test see another's requests.
	path(name) {
		return `/t${this.handlers.size + this.upgrades.size + 1}/${name.replaceAll(' ', '-')}`;
	}

	on(name, handler) {
		const path = this.path(name);
		this.handlers.set(path, handler);
		return path;
	}

	onUpgrade(name, handler) {
		const path = this.path(name);
		this.upgrades.set(path, handler);
		return path;
	}

	// A WebSocket server of package ws; `handler(ws, req)` for each connection.
	onWs(name, options, handler) {
		const server = new WebSocketServer({ noServer: true, maxPayload: 64 << 20, ...options });
		return this.onUpgrade(name, (req, socket, head) => {
			server.handleUpgrade(req, socket, head, (ws) => {
				ws.on('error', () => {});       // its close says enough
				handler(ws, req);
			});
		});
	}

	handle(req, res, expectsContinue) {
		this.seen.push(`${req.method} ${req.url}`);
		const path = new URL(req.url, 'http://app.invalid').pathname;
		const handler = this.handlers.get(path) ?? builtIn[path];
		if (handler !== undefined)
			return handler(req, res, expectsContinue);
		req.resume();
		res.writeHead(404, { 'Content-Type': 'text/plain' });
		res.end('the app has no such page\n');
	}

	handleUpgrade(req, socket, head) {
		const path = new URL(req.url, 'http://app.invalid').pathname;
		if (path.startsWith('/socket.io/'))
			return;
		this.seen.push(`UPGRADE ${req.url}`);
		socket.on('error', () => {});
		const handler = this.upgrades.get(path);
		if (handler !== undefined)
			return handler(req, socket, head);
		socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
	}

	saw(path) {
		return this.seen.some((line) => line.split(' ')[1].startsWith(path));
	}
}

const builtIn = {
	// What arrived, as it arrived.
	'/head': (req, res) => {
		req.resume();
		res.setHeader('Content-Type', 'application/json');
		res.end(JSON.stringify({
			method: req.method,
			url: req.url,
			version: req.httpVersion,
			headers: pairs(req.rawHeaders),
			connection: req.socket.number,
		}));
	},
	'/ok': (req, res) => {
		req.resume();
		res.end('ok\n');
	},
	'/hash': async (req, res) => {
		const hash = createHash('sha256');
		let bytes = 0;
		try {
			for await (const chunk of req) {
				hash.update(chunk);
				bytes += chunk.length;
			}
		} catch {
			return;
		}
		res.end(JSON.stringify({ bytes, sha256: hash.digest('hex') }));
	},
	// Bytes back as they come; trailers back as trailers.
	'/echo': (req, res) => {
		res.writeHead(200, { 'Content-Type': 'application/octet-stream', Trailer: 'X-Echo-Trailer' });
		res.flushHeaders();
		req.on('data', (chunk) => {
			if (!res.write(chunk)) {
				req.pause();
				res.once('drain', () => req.resume());
			}
		});
		req.on('end', () => {
			res.addTrailers({ 'X-Echo-Trailer': req.trailers['x-trailer'] ?? 'none' });
			res.end();
		});
	},
	'/bytes': (req, res) => {
		const n = Number(new URL(req.url, 'http://app.invalid').searchParams.get('n'));
		res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': n });
		if (req.method === 'HEAD')
			return res.end();
		pump(res, pattern(n));
	},
};

// pattern: n bytes that differ along their way, the same every time.
export function* pattern(n) {
	const block = 65536;
	for (let at = 0, i = 0; at < n; at += block, i++) {
		const out = Buffer.allocUnsafe(Math.min(block, n - at));
		out.fill(createHash('sha256').update(`block ${i}`).digest());
		yield out;
	}
}

export function patternHash(n) {
	const hash = createHash('sha256');
	for (const block of pattern(n))
		hash.update(block);
	return hash.digest('hex');
}

// pump: writes what the generator gives as fast as the reader takes it.
export async function pump(stream, blocks) {
	for (const block of blocks) {
		if (stream.destroyed)
			return;
		if (!stream.write(block))
			await new Promise((go) => {
				const done = () => {
					stream.off('drain', done);
					stream.off('close', done);
					go();
				};
				stream.on('drain', done);
				stream.on('close', done);
			});
	}
	stream.end();
}

// gate: a promise and the function that fulfils it.
export function gate() {
	let open;
	const opened = new Promise((resolve) => {
		open = resolve;
	});
	return { opened, open };
}
