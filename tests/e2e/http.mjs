// http.mjs: three ways to speak HTTP: Node's own client, curl, and bare bytes.

import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';

// request: Node's client, one connection per request unless an agent is given.
// The body of the answer is read whole.
export async function request(origin, path, {
	method = 'GET', headers = {}, body, agent = false, connectTo, localAddress, setHost,
} = {}) {
	const req = open(origin, path, { method, headers, agent, connectTo, localAddress, setHost });
	req.end(body);
	return answer(req);
}

// open: the request with nothing sent yet, for tests that write its body.
export function open(origin, path, {
	method = 'GET', headers = {}, agent = false, connectTo, localAddress, setHost,
} = {}) {
	const at = new URL(origin);
	const named = Object.keys(headers).some((h) => h.toLowerCase() === 'host');
	return http.request({
		host: connectTo ?? at.hostname,
		port: at.port || 80,
		path, method, agent, localAddress, setHost,
		headers: named || connectTo === undefined ? headers : { host: at.host, ...headers },
		maxHeaderSize: 256 * 1024,
	});
}

export async function answer(req) {
	const [res] = await once(req, 'response');
	return whole(res);
}

export async function whole(res) {
	const parts = [];
	for await (const chunk of res)
		parts.push(chunk);
	return {
		status: res.statusCode,
		reason: res.statusMessage,
		version: res.httpVersion,
		headers: res.headers,
		rawHeaders: pairs(res.rawHeaders),
		trailers: res.trailers,
		body: Buffer.concat(parts),
		get json() {
			return JSON.parse(this.body);
		},
	};
}

// Reads a body piece by piece; `ended` says whether it came to a good end.
export class Reader {
	constructor(stream) {
		this.bytes = Buffer.alloc(0);
		this.over = false;
		this.waiting = [];
		const wake = () => this.waiting.splice(0).forEach((go) => go());
		stream.on('data', (chunk) => {
			this.bytes = Buffer.concat([this.bytes, chunk]);
			wake();
		});
		this.ended = new Promise((done) => {
			stream.once('end', () => done(true));
			stream.once('error', () => done(false));
			stream.once('close', () => done(false));
		}).then((good) => {
			this.over = true;
			wake();
			return good;
		});
	}

	async take(n) {
		while (this.bytes.length < n) {
			if (this.over)
				throw new Error(`the body ended ${n - this.bytes.length} bytes too early`);
			await new Promise((go) => this.waiting.push(go));
		}
		const out = this.bytes.subarray(0, n);
		this.bytes = this.bytes.subarray(n);
		return out;
	}
}

// Node gives names and values in one flat list.
export function pairs(flat) {
	const out = [];
	for (let i = 0; i < flat.length; i += 2)
		out.push([flat[i], flat[i + 1]]);
	return out;
}

export const values = (list, name) =>
	list.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, v]) => v);

// --- bare bytes

// A connection of which every byte is the test's. Strings are latin-1.
export class Wire {
	static all = new Set();

	constructor(socket) {
		Wire.all.add(this);
		socket.once('close', () => Wire.all.delete(this));
		this.socket = socket;
		this.bytes = Buffer.alloc(0);
		this.ended = false;     // the peer closed, in whatever way
		this.reset = false;
		this.waiting = [];
		socket.setNoDelay(true);
		socket.on('data', (b) => {
			this.bytes = Buffer.concat([this.bytes, b]);
			this.wake();
		});
		socket.on('error', (e) => {
			this.reset = e.code === 'ECONNRESET' || e.code === 'EPIPE';
			this.ended = true;
			this.wake();
		});
		for (const event of ['end', 'close'])
			socket.on(event, () => {
				this.ended = true;
				this.wake();
			});
	}

	static async connect(origin, { localAddress, allowHalfOpen = true } = {}) {
		const at = new URL(origin);
		const host = at.hostname.endsWith('.localhost') ? '127.0.0.1' : at.hostname;
		const socket = net.connect({ host, port: Number(at.port || 80), localAddress, allowHalfOpen });
		const wire = new Wire(socket);
		await new Promise((go, fail) => {
			socket.once('connect', go);
			socket.once('error', fail);
		});
		return wire;
	}

	wake() {
		this.waiting.splice(0).forEach((go) => go());
	}

	write(data) {
		return new Promise((done) => {
			this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, () => done());
		});
	}

	end() {
		this.socket.end();
	}

	destroy() {
		this.socket.destroy();
	}

	// until: waits for `found(bytes)` to be something other than undefined.
	// When the peer ends first, gives undefined, or throws if `must` is set.
	async until(found, must) {
		for (;;) {
			const value = found(this.bytes);
			if (value !== undefined)
				return value;
			if (this.ended) {
				if (must !== undefined)
					throw new Error(`the peer closed before ${must}; it sent ` +
					    JSON.stringify(this.bytes.toString('latin1').slice(0, 300)));
				return undefined;
			}
			await new Promise((go) => this.waiting.push(go));
		}
	}

	// Everything up to the peer's end.
	async rest() {
		await this.until(() => undefined);
		const all = this.bytes;
		this.bytes = Buffer.alloc(0);
		return all;
	}

	async take(n, what = `${n} bytes`) {
		await this.until((b) => b.length >= n ? true : undefined, what);
		const out = this.bytes.subarray(0, n);
		this.bytes = this.bytes.subarray(n);
		return out;
	}

	// A head, with its blank line taken away: { line, status, reason, fields }.
	async head() {
		const end = await this.until((b) => {
			const at = b.indexOf('\r\n\r\n');
			return at < 0 ? undefined : at;
		}, 'a whole head');
		const [line, ...rest] = (await this.take(end + 4)).subarray(0, end).toString('latin1').split('\r\n');
		const m = line.match(/^HTTP\/1\.([01]) (\d{3}) ?(.*)$/s);
		return {
			line,
			minor: m === null ? undefined : Number(m[1]),
			status: m === null ? undefined : Number(m[2]),
			reason: m === null ? undefined : m[3],
			fields: rest.map((f) => {
				const at = f.indexOf(':');
				return [f.slice(0, at), f.slice(at + 1).trim()];
			}),
		};
	}

	// A whole answer; `headOnly` when the request's method was HEAD.
	async response(headOnly = false) {
		const head = await this.head();
		const coding = values(head.fields, 'transfer-encoding').join().toLowerCase();
		const length = values(head.fields, 'content-length')[0];
		let body = Buffer.alloc(0);
		let trailers = [];
		if (headOnly || head.status < 200 || head.status === 204 || head.status === 304)
			;
		else if (coding === 'chunked')
			({ body, trailers } = await this.chunks());
		else if (length !== undefined)
			body = Buffer.from(await this.take(Number(length), 'the whole body'));
		else
			body = await this.rest();
		return { ...head, body, trailers };
	}

	async line() {
		const at = await this.until((b) => {
			const i = b.indexOf('\r\n');
			return i < 0 ? undefined : i;
		}, 'a line');
		return (await this.take(at + 2)).subarray(0, at).toString('latin1');
	}

	async chunks() {
		const parts = [];
		const trailers = [];
		for (;;) {
			const n = parseInt(await this.line(), 16);
			if (n === 0)
				break;
			parts.push(Buffer.from(await this.take(n, 'a whole chunk')));
			await this.take(2);
		}
		for (;;) {
			const field = await this.line();
			if (field === '')
				return { body: Buffer.concat(parts), trailers };
			const at = field.indexOf(':');
			trailers.push([field.slice(0, at), field.slice(at + 1).trim()]);
		}
	}
}

// The bytes of a request: a list of "Name: value" lines without Host.
export function rawRequest(origin, line, fields = [], body = '') {
	return [`${line} HTTP/1.1`, `Host: ${new URL(origin).host}`, ...fields, '', body].join('\r\n');
}
