// websocket.mjs: the server's half of RFC 6455, as much as a demo needs.
//
// No extensions, messages of 1 MiB at most. One call of `feed` takes what the
// socket gave and hands out whole messages; every rule that a client can break
// ends the connection with 1002 (or 1009 for size, 1007 for text that is not UTF-8).

import { createHash } from 'node:crypto';

const MESSAGE_BYTES_MAX = 1 << 20;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const utf8 = new TextDecoder('utf-8', { fatal: true });

// accept: answers the upgrade and returns the connection, or null when the
// request is not a WebSocket handshake (then 400 or 426 was sent).
export function accept(req, socket, head) {
	const key = req.headers['sec-websocket-key'] ?? '';
	if (req.method !== 'GET' || (req.headers.upgrade ?? '').toLowerCase() !== 'websocket' ||
	    Buffer.from(key, 'base64').length !== 16) {
		socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
		return null;
	}
	if (req.headers['sec-websocket-version'] !== '13') {
		socket.end('HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n' +
		    'Connection: close\r\nContent-Length: 0\r\n\r\n');
		return null;
	}
	const hash = createHash('sha1').update(key + GUID).digest('base64');
	socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n' +
	    `Connection: Upgrade\r\nSec-WebSocket-Accept: ${hash}\r\n\r\n`);
	return new Connection(socket, head);
}

class Connection {
	onmessage = () => {};   // (text: string | null, bytes: Buffer)
	onclose = () => {};     // once, however it ended

	constructor(socket, head) {
		this.socket = socket;
		this.buffered = Buffer.alloc(0);
		this.parts = null;      // fragments of the message that is arriving
		this.partBytes = 0;
		this.binary = false;
		this.closing = false;
		socket.setNoDelay(true);
		socket.on('data', (bytes) => this.feed(bytes));
		socket.on('end', () => socket.end());
		socket.on('error', () => socket.destroy());
		socket.once('close', () => this.onclose());
		if (head.length > 0)
			socket.unshift(head);
	}

	send(message) {
		const text = typeof message === 'string';
		this.frame(text ? 1 : 2, text ? Buffer.from(message) : message);
	}

	close(code, reason = '') {
		if (this.closing)
			return;
		const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
		payload.writeUInt16BE(code);
		payload.write(reason, 2);
		this.frame(8, payload);
		this.closing = true;
		this.socket.end();
	}

	frame(opcode, payload) {
		if (this.closing || !this.socket.writable)
			return;
		const n = payload.length;
		const head = Buffer.alloc(n < 126 ? 2 : n < 65536 ? 4 : 10);
		head[0] = 0x80 | opcode;
		if (n < 126) {
			head[1] = n;
		} else if (n < 65536) {
			head[1] = 126;
			head.writeUInt16BE(n, 2);
		} else {
			head[1] = 127;
			head.writeBigUInt64BE(BigInt(n), 2);
		}
		this.socket.cork();     // one write for both
		this.socket.write(head);
		this.socket.write(payload);
		this.socket.uncork();
	}

	feed(bytes) {
		this.buffered = this.buffered.length > 0 ? Buffer.concat([this.buffered, bytes]) : bytes;
		while (!this.closing && this.take())
			;
	}

	// One frame from the front of what is buffered; false when it is not whole yet.
	take() {
		const b = this.buffered;
		if (b.length < 2)
			return false;
		const fin = (b[0] & 0x80) !== 0;
		const opcode = b[0] & 0x0f;
		let n = b[1] & 0x7f;
		let at = 2;
		if ((b[0] & 0x70) !== 0 || (b[1] & 0x80) === 0)
			return this.refuse(1002);
		if (n === 126) {
			if (b.length < 4)
				return false;
			n = b.readUInt16BE(2);
			at = 4;
			if (n < 126)
				return this.refuse(1002);
		} else if (n === 127) {
			if (b.length < 10)
				return false;
			const wide = b.readBigUInt64BE(2);
			at = 10;
			if (wide < 65536n || wide >> 63n !== 0n)
				return this.refuse(1002);
			if (wide > BigInt(MESSAGE_BYTES_MAX))
				return this.refuse(1009);
			n = Number(wide);
		}
		if (opcode >= 8 && (!fin || n > 125))
			return this.refuse(1002);
		if (this.partBytes + n > MESSAGE_BYTES_MAX)
			return this.refuse(1009);
		if (b.length < at + 4 + n)
			return false;
		const mask = b.subarray(at, at + 4);
		const payload = Buffer.from(b.subarray(at + 4, at + 4 + n));
		for (let i = 0; i < n; i++)
			payload[i] ^= mask[i & 3];
		this.buffered = b.subarray(at + 4 + n);
		this.handle(fin, opcode, payload);
		return true;
	}

	handle(fin, opcode, payload) {
		switch (opcode) {
		case 0:
			if (this.parts === null)
				return this.refuse(1002);
			break;
		case 1:
		case 2:
			if (this.parts !== null)
				return this.refuse(1002);
			this.parts = [];
			this.partBytes = 0;
			this.binary = opcode === 2;
			break;
		case 8:
			return this.answerClose(payload);
		case 9:
			return this.frame(10, payload);
		case 10:
			return;
		default:
			return this.refuse(1002);
		}
		this.parts.push(payload);
		this.partBytes += payload.length;
		if (!fin)
			return;
		const whole = Buffer.concat(this.parts);
		this.parts = null;
		this.partBytes = 0;
		if (this.binary)
			return this.onmessage(null, whole);
		let text;
		try {
			text = utf8.decode(whole);
		} catch {
			return this.refuse(1007);
		}
		this.onmessage(text, whole);
	}

	answerClose(payload) {
		const code = payload.length >= 2 ? payload.readUInt16BE() : 1005;
		const known = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
		    (code >= 3000 && code <= 4999);
		if (payload.length === 0)
			this.frame(8, payload);
		else if (payload.length === 1 || !known)
			return this.refuse(1002);
		else
			this.frame(8, payload.subarray(0, 2));
		this.closing = true;
		this.socket.end();
	}

	refuse(code) {
		this.close(code);
		return false;
	}
}
