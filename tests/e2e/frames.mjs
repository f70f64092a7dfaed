// frames.mjs: WebSocket frames byte by byte, for tests that must see or break them.

import { createHash, randomBytes } from 'node:crypto';
import { Wire, rawRequest, values } from './http.mjs';

export const TEXT = 1;
export const BINARY = 2;
export const CONTINUATION = 0;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

// frame: every part can be made wrong. `bits` replaces the first byte,
// `lengthBytes` chooses 0, 2 or 8 octets of length whatever is minimal, `length` lies.
export function frame(opcode, payload = '', {
	fin = true, rsv = 0, masked = true, bits, lengthBytes, length,
} = {}) {
	const data = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
	const n = length ?? BigInt(data.length);
	const wide = lengthBytes ?? (n < 126n ? 0 : n < 65536n ? 2 : 8);
	const head = Buffer.alloc(2 + wide);
	head[0] = bits ?? ((fin ? 0x80 : 0) | rsv << 4 | opcode);
	head[1] = (masked ? 0x80 : 0) | (wide === 0 ? Number(n) : wide === 2 ? 126 : 127);
	if (wide === 2)
		head.writeUInt16BE(Number(n), 2);
	if (wide === 8)
		head.writeBigUInt64BE(n, 2);
	if (!masked)
		return Buffer.concat([head, data]);
	const mask = randomBytes(4);
	return Buffer.concat([head, mask, unmask(data, mask)]);
}

function unmask(data, mask) {
	const out = Buffer.from(data);
	for (let i = 0; i < out.length; i++)
		out[i] ^= mask[i & 3];
	return out;
}

export function closePayload(code, reason = '') {
	const out = Buffer.alloc(2 + Buffer.byteLength(reason));
	out.writeUInt16BE(code);
	out.write(reason, 2);
	return out;
}

// readFrame: the next frame from a Wire, undefined at the peer's end.
export async function readFrame(wire) {
	const size = await wire.until((b) => {
		if (b.length < 2)
			return undefined;
		const short = b[1] & 0x7f;
		const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
		if (b.length < 2 + wide)
			return undefined;
		const n = wide === 0 ? short : wide === 2 ? b.readUInt16BE(2) : Number(b.readBigUInt64BE(2));
		const total = 2 + wide + ((b[1] & 0x80) !== 0 ? 4 : 0) + n;
		return b.length < total ? undefined : { total, n };
	});
	if (size === undefined)
		return undefined;
	const b = Buffer.from(await wire.take(size.total));
	const masked = (b[1] & 0x80) !== 0;
	const data = b.subarray(size.total - size.n);
	return {
		fin: (b[0] & 0x80) !== 0,
		rsv: b[0] >> 4 & 7,
		opcode: b[0] & 15,
		masked,
		payload: masked ? unmask(data, b.subarray(size.total - size.n - 4)) : data,
		get code() {
			return this.payload.length >= 2 ? this.payload.readUInt16BE() : 1005;
		},
	};
}

export const acceptKey = (key) =>
	createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

// upgrade: opens a WebSocket with a handshake of our own; throws unless 101.
export async function upgrade(origin, path, { fields = [], localAddress } = {}) {
	const wire = await Wire.connect(origin, { localAddress });
	const key = randomBytes(16).toString('base64');
	await wire.write(rawRequest(origin, `GET ${path}`, ['Upgrade: websocket', 'Connection: Upgrade',
		'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`, ...fields]));
	const head = await wire.head();
	if (head.status !== 101 || values(head.fields, 'sec-websocket-accept')[0] !== acceptKey(key))
		throw new Error(`no upgrade: ${head.line}`);
	return { wire, head };
}

// acceptRaw: the app's side of the same, on a socket that Node's server gave us.
export function acceptRaw(req, socket, head, fields = []) {
	socket.write(['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
		`Sec-WebSocket-Accept: ${acceptKey(req.headers['sec-websocket-key'])}`, ...fields, '', ''].join('\r\n'));
	const wire = new Wire(socket);
	wire.bytes = Buffer.from(head);
	return wire;
}
