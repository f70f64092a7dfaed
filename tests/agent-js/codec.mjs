// codec.mjs: frames and JSON messages, PROTOCOL.md sections 4, 5 and 6.5. It
// only computes. Whatever the document calls a protocol error is thrown.

import { createHmac } from 'node:crypto';

export class ProtocolError extends Error {}

function need(truth, what) {
	if (!truth)
		throw new ProtocolError(what);
}

export const OPEN = 1, DATA = 2, END = 3, STOP = 4, RESET = 5, CREDIT = 6, ACK = 7, GOAWAY = 8;
export const UNKNOWN_APP = 1, REFUSED = 2, UNREACHABLE = 3, TIMED_OUT = 4, OVER_LIMIT = 5,
	CANCELLED = 6, INTERNAL = 7, BROKEN = 8;
export const HEAD = 8, DATA_MAX = 16384, SUM_MAX = 2147483647, GOAWAY_MS_MAX = 86400000;
const EMPTY = Buffer.alloc(0);

// 5.1: where a frame stands, and its payload's least and most bytes.
const FRAMES = {
	[OPEN]: { stream: true, least: 6, most: 4096 },
	[DATA]: { stream: true, least: 1, most: DATA_MAX },
	[END]: { stream: true, least: 0, most: 0 },
	[STOP]: { stream: true, least: 0, most: 0 },
	[RESET]: { stream: true, least: 4, most: 4 },
	[CREDIT]: { least: 4, most: 4 },
	[ACK]: { stream: false, least: 8, most: 8 },
	[GOAWAY]: { stream: false, least: 8, most: 8 },
};
const KINDS = { 1: 'http', 2: 'tcp' };
const NAME = /^(?!.*--)(?=.{1,30}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

// --- frames

function frame(type, stream, payload = EMPTY) {
	const out = Buffer.alloc(HEAD + payload.length);
	out[0] = type;
	out.writeUInt32BE(stream, 4);
	payload.copy(out, HEAD);
	return out;
}

function u32(...numbers) {
	const out = Buffer.alloc(4 * numbers.length);
	numbers.forEach((n, i) => out.writeUInt32BE(n, 4 * i));
	return out;
}

function u64(n) {
	const out = Buffer.alloc(8);
	out.writeBigUInt64BE(BigInt(n));
	return out;
}

export const write = {
	data: (stream, bytes) => frame(DATA, stream, bytes),
	end: (stream) => frame(END, stream),
	stop: (stream) => frame(STOP, stream),
	reset: (stream, code) => frame(RESET, stream, u32(code)),
	credit: (stream, bytes) => frame(CREDIT, stream, u32(bytes)),
	ack: (count) => frame(ACK, 0, u64(count)),
	goaway: (reason, ms) => frame(GOAWAY, 0, u32(reason, ms)),
	open(stream, o) {
		const kind = Number(Object.keys(KINDS).find((k) => KINDS[k] === o.kind));
		const strings = [o.app, o.client, o.user, o.scheme].map((s) => Buffer.from(s));
		return frame(OPEN, stream, Buffer.concat([Buffer.from([kind]),
			...strings.flatMap((b) => [Buffer.from([b.length]), b])]));
	},
};

// read: { type, stream, payload } and what the payload says.
export function read(message) {
	need(message.length >= HEAD, 'a frame without its head');
	const type = message[0];
	const stream = message.readUInt32BE(4);
	const payload = message.subarray(HEAD);
	const rule = FRAMES[type];
	need(rule !== undefined, `frame type ${type}`);
	need(message[1] === 0 && message.readUInt16BE(2) === 0, 'a flag');
	need(stream <= SUM_MAX, `stream number ${stream}`);
	need(rule.stream === undefined || rule.stream === (stream !== 0), `stream ${stream} in type ${type}`);
	need(payload.length >= rule.least && payload.length <= rule.most, `${payload.length} bytes in type ${type}`);
	const out = { type, stream, payload };
	if (type === OPEN)
		readOpen(payload, out);
	if (type === RESET) {
		out.code = payload.readUInt32BE();
		need(out.code >= UNKNOWN_APP && out.code <= BROKEN, `reset code ${out.code}`);
	}
	if (type === CREDIT) {
		out.bytes = payload.readUInt32BE();
		need(out.bytes >= 1 && out.bytes <= SUM_MAX, `credit of ${out.bytes}`);
	}
	if (type === ACK) {
		out.count = Number(payload.readBigUInt64BE());
		need(Number.isSafeInteger(out.count), 'a count beyond 2^53');
	}
	if (type === GOAWAY) {
		out.reason = payload.readUInt32BE();
		out.ms = payload.readUInt32BE(4);
		need(out.reason >= 1 && out.reason <= 3, `go-away reason ${out.reason}`);
		need(out.ms <= GOAWAY_MS_MAX, `go-away deadline ${out.ms}`);
	}
	return out;
}

function readOpen(payload, out) {
	let at = 1;
	const string = (most) => {
		need(at < payload.length && at + 1 + payload[at] <= payload.length, 'OPEN is cut short');
		const bytes = payload.subarray(at + 1, at + 1 + payload[at]);
		need(bytes.length <= most, 'a string of OPEN is too long');
		at += 1 + bytes.length;
		try {
			return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
		} catch {
			throw new ProtocolError('OPEN is not UTF-8');
		}
	};
	out.kind = KINDS[payload[0]];
	need(out.kind !== undefined, `kind ${payload[0]}`);
	out.app = string(30);
	out.client = string(64);
	out.user = string(128);
	out.scheme = string(5);
	need(at === payload.length, 'something behind OPEN');
	need(NAME.test(out.app), 'the app of OPEN');
	need(/^[\x21-\x7e]*$/.test(out.client), 'the client of OPEN');
	need(!/\p{Cc}/u.test(out.user), 'the user of OPEN');
	need((out.kind === 'http' ? ['http', 'https'] : ['']).includes(out.scheme), 'the scheme of OPEN');
}

// --- JSON

const base64url = (bytes, length) => (s) => typeof s === 'string' && s.length === length &&
	Buffer.from(s, 'base64url').length === bytes && Buffer.from(s, 'base64url').toString('base64url') === s;
const integer = (least, most = Number.MAX_SAFE_INTEGER) => (n) => Number.isSafeInteger(n) && n >= least && n <= most;
const text = (pattern) => (s) => typeof s === 'string' && pattern.test(s);
const URLS = (list) => Array.isArray(list) && list.length <= 128 && list.every(text(/^[!#-[\]-~]{0,255}$/));
const LIMITS = { streams: integer(1, 16384), window: integer(16384, 4194304), session: integer(1, SUM_MAX) };
const WELCOME = {
	protocol: (n) => n === 1,
	tunnel_id: text(/^[A-Za-z0-9_-]{12}$/),
	session: base64url(16, 22),
	secret: base64url(32, 43),
	resumed: (b) => typeof b === 'boolean',
	received: integer(0),
	limits: (o) => typeof o === 'object' && o !== null && !Array.isArray(o),
	urls: URLS,
};

// JSON.parse says nothing of a member given twice, an escape, or how a number was
// written. So the tokens are looked at too: `raw` has what stands in the text for
// each path, such as "limits.window"; what an array holds is put together.
function parse(message) {
	need(Buffer.byteLength(message) <= 16384, 'a message of more than 16384 bytes');
	let value;
	try {
		value = JSON.parse(message);
	} catch {
		throw new ProtocolError('not JSON');
	}
	need(typeof value === 'object' && value !== null && !Array.isArray(value), 'not an object');
	const raw = new Map();
	const open = [];
	const tokens = message.match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g);
	tokens.forEach((token, i) => {
		const top = open[open.length - 1];
		const path = open.map((o) => o.key).join('.');
		if (token === '{' || token === '[') {
			open.push({ key: '', members: 0 });
			need(open.length <= 8, 'nested too deeply');
		} else if (token === '}' || token === ']') {
			open.pop();
		} else if (tokens[i + 1] === ':') {
			top.key = token.slice(1, -1);
			need(++top.members <= 64, 'more than 64 members');
			const own = open.map((o) => o.key).join('.');
			raw.set(own, raw.has(own) ? 'twice' : '');
		} else if (token !== ':' && token !== ',') {
			raw.set(path, (raw.get(path) ?? '') + token);
		}
	});
	return { value, raw };
}

function members({ value, raw }, rules, prefix = '') {
	for (const [name, good] of Object.entries(rules)) {
		const path = prefix + name;
		const text = (raw.get(path) ?? '') + (raw.get(`${path}.`) ?? '');
		need(raw.has(path) && good(value[name]), path);
		need(!text.startsWith('twice'), `${path} is given twice`);
		need(!text.includes('\\'), `${path} has an escape`);
		need(typeof value[name] !== 'number' || /^(0|[1-9][0-9]*)$/.test(text), `the number ${path}`);
	}
}

// readAnswer: the relay's welcome or refused.
export function readAnswer(message) {
	const { value, raw } = parse(message);
	members({ value, raw }, { type: text(/^(welcome|refused)$/) });
	if (value.type === 'refused') {
		members({ value, raw }, { code: text(/^[a-z-]{1,32}$/) });
		return value;
	}
	const { secret, ...rest } = WELCOME;
	need(value.resumed !== true || value.secret === undefined, 'a resumed session with a secret');
	members({ value, raw }, value.resumed === true ? rest : WELCOME);
	need(value.resumed || value.received === 0, 'a new session that received something');
	members({ value: value.limits, raw }, LIMITS, 'limits.');
	need(value.limits.session >= (value.limits.streams + 1) * value.limits.window, 'limits.session');
	return value;
}

export function proof(secret, session, attempt, received) {
	return createHmac('sha256', Buffer.from(secret, 'base64url')).update('adit resume')
	    .update(Buffer.from(session, 'base64url')).update(u64(attempt)).update(u64(received)).digest('base64url');
}

export const isName = (s) => NAME.test(s);

// writeHello: members that are undefined are absent. What would need an escape
// may not stand in a hello.
export function writeHello({ name, instance, start, tunnel_id, version, apps, limits, resume }) {
	const out = JSON.stringify({ type: 'hello', protocol: 1, name, instance, start, tunnel_id, version, apps, limits, resume });
	need(!/[^\x21-\x7e]|\\/.test(out) && out.length <= 16384, 'a hello that cannot be said');
	return out;
}
