// app.mjs: a small app to look at through the relay.
//
//     node app.mjs [PORT]        0 or nothing: the kernel chooses
//
// A page, a chat over WebSocket, a clock by server-sent events, an upload and a
// download with their SHA-256. It needs Node 18 and no package, keeps nothing,
// and listens on 127.0.0.1 only: whoever may see it is decided in front of it.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { accept } from './websocket.mjs';

const CHAT_BYTES_MAX = 4096;
const DOWNLOAD_MIB_MAX = 1024;
const TICK_MS = 1000;
const UNSENT_BYTES_MAX = 1 << 20;      // a visitor who stopped reading is let go

const chat = new Set();         // WebSocket connections
const clocks = new Set();       // responses that get a line each second
const started = Date.now();
let guests = 0;

const files = {
	'/': ['page.html', 'text/html; charset=utf-8'],
	'/page.css': ['page.css', 'text/css; charset=utf-8'],
	'/page.js': ['page.js', 'text/javascript; charset=utf-8'],
};

function json(res, status, value, headers = {}) {
	const body = JSON.stringify(value);
	res.writeHead(status, {
		'Content-Type': 'application/json',
		'Content-Length': Buffer.byteLength(body),
		'Cache-Control': 'no-store',
		...headers,
	});
	res.end(body);
}

async function file(res, [name, type], head) {
	const body = await readFile(new URL(name, import.meta.url));
	res.writeHead(200, {
		'Content-Type': type,
		'Content-Length': body.length,
		'Cache-Control': 'no-cache',
		'Content-Security-Policy': "default-src 'self'",
		'X-Content-Type-Options': 'nosniff',
	});
	res.end(head ? undefined : body);
}

// What the app was told about the visitor: the identity comes from the relay.
function whoami(req, res) {
	json(res, 200, {
		user: req.headers['x-forwarded-user'] ?? null,
		address: req.headers['x-forwarded-for'] ?? req.socket.remoteAddress,
		host: req.headers['x-forwarded-host'] ?? req.headers.host,
		scheme: req.headers['x-forwarded-proto'] ?? 'http',
	});
}

function clock(req, res) {
	res.writeHead(200, {
		'Content-Type': 'text/event-stream',
		'Cache-Control': 'no-store',
		'X-Accel-Buffering': 'no',      // nginx: hand on each event as it comes
	});
	res.write(`retry: 1000\n${tick()}`);
	clocks.add(res);
	res.once('close', () => clocks.delete(res));
}

function tick() {
	const now = new Date();
	return `id: ${now.getTime()}\ndata: ${JSON.stringify({
		time: now.toISOString(),
		up: Math.floor((now.getTime() - started) / 1000),
		here: chat.size,
	})}\n\n`;
}

async function upload(req, res) {
	const hash = createHash('sha256');
	let bytes = 0;
	try {
		for await (const chunk of req) {
			hash.update(chunk);
			bytes += chunk.length;
		}
	} catch {
		return;         // the visitor went away
	}
	json(res, 200, { bytes, sha256: hash.digest('hex') });
}

// The same bytes every time, made as they are sent: a counter, hashed.
function* pattern(mib) {
	for (let i = 0; i < mib * 16; i++) {
		const block = createHash('sha256').update(`adit demo ${i}`).digest();
		yield Buffer.alloc(65536, block);
	}
}

async function download(res, mib, head) {
	res.writeHead(200, {
		'Content-Type': 'application/octet-stream',
		'Content-Length': mib << 20,
		'Content-Disposition': `attachment; filename="adit-demo-${mib}-MiB.bin"`,
		'Cache-Control': 'no-store',
	});
	if (head)
		return res.end();
	for (const block of pattern(mib)) {
		if (res.destroyed)
			return;
		if (!res.write(block))
			await new Promise((go) => {
				res.once('drain', go);
				res.once('close', go);
			});
	}
	res.end();
}

function checksum(res, mib) {
	const hash = createHash('sha256');
	for (const block of pattern(mib))
		hash.update(block);
	json(res, 200, { bytes: mib << 20, sha256: hash.digest('hex') });
}

async function serve(req, res) {
	const url = new URL(req.url, 'http://app.invalid');
	const mib = Number(url.searchParams.get('mib') ?? 8);
	const get = req.method === 'GET' || req.method === 'HEAD';
	const route = `${get ? 'GET' : req.method} ${url.pathname}`;

	if (get && Object.hasOwn(files, url.pathname))
		return file(res, files[url.pathname], req.method === 'HEAD');
	if (route === 'POST /upload')
		return upload(req, res);
	if (route === 'GET /whoami')
		return whoami(req, res);
	if (route === 'GET /clock' && req.method === 'GET')
		return clock(req, res);
	if (route === 'GET /download' || route === 'GET /checksum') {
		if (!Number.isInteger(mib) || mib < 1 || mib > DOWNLOAD_MIB_MAX)
			return json(res, 400, { error: `mib is 1 to ${DOWNLOAD_MIB_MAX}` });
		return url.pathname === '/download' ?
		    download(res, mib, req.method === 'HEAD') : checksum(res, mib);
	}
	if (url.pathname === '/ws')
		return json(res, 426, { error: 'a WebSocket is spoken here' },
		    { Upgrade: 'websocket', Connection: 'Upgrade' });
	if (url.pathname === '/favicon.ico') {
		res.writeHead(204).end();
		return undefined;
	}
	return json(res, 404, { error: 'there is no such page' });
}

function say(message, except = null) {
	const text = JSON.stringify(message);
	for (const ws of chat)
		if (ws.socket.writableLength > UNSENT_BYTES_MAX)
			ws.socket.destroy();
		else if (ws !== except)
			ws.send(text);
}

function join(req, socket, head) {
	if (new URL(req.url, 'http://app.invalid').pathname !== '/ws') {
		socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
		return;
	}
	const ws = accept(req, socket, head);
	if (ws === null)
		return;
	const name = `guest ${++guests}`;
	chat.add(ws);
	ws.send(JSON.stringify({ type: 'hello', name, here: chat.size }));
	say({ type: 'joined', name, here: chat.size }, ws);
	ws.onmessage = (text, bytes) => {
		if (text === null)
			return ws.send(bytes);          // binary: an echo
		if (bytes.length > CHAT_BYTES_MAX)
			return ws.close(1009, `at most ${CHAT_BYTES_MAX} bytes`);
		say({ type: 'said', name, text });
	};
	ws.onclose = () => {
		chat.delete(ws);
		say({ type: 'left', name, here: chat.size });
	};
}

const server = createServer((req, res) => {
	serve(req, res).catch((error) => {
		console.error(`demo: ${req.method} ${req.url}: ${error.message}`);
		if (res.headersSent)
			res.destroy();
		else
			json(res, 500, { error: 'the demo failed' });
	});
});
server.on('upgrade', join);
server.requestTimeout = 0;      // a long upload is not a fault

const ticking = setInterval(() => {
	const line = tick();
	for (const res of clocks)
		if (res.writableLength > UNSENT_BYTES_MAX)
			res.destroy();
		else
			res.write(line);
}, TICK_MS);

function stop() {
	clearInterval(ticking);
	for (const ws of chat)
		ws.close(1001, 'the demo stops');
	server.close();
	server.closeAllConnections();
}
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

const port = Number(process.argv[2] ?? 0);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
	console.error('usage: node app.mjs [PORT]');
	process.exit(2);
}
server.once('error', (error) => {
	console.error(`demo: cannot listen on 127.0.0.1:${port}: ${error.code}`);
	process.exit(2);
});
server.listen(port, '127.0.0.1', () => {
	console.log(`demo: http://127.0.0.1:${server.address().port}/`);
});
