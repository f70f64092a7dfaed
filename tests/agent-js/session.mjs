// session.mjs: one session as the agent sees it, and its streams: PROTOCOL.md
// sections 6, 7, 8, 9 and 11. It reads no socket. Below it is a `link`, which
// sends messages ({ send(bytes), backlog() }) and may be lost and replaced; above
// it is `serve(stream, open)`, which gives the app's end of a stream:
//
//	write(bytes, taken)    bytes for the app; taken() when the socket has them
//	end()                  no more will come
//	stop()                 nobody wants the app's bytes any more
//	reset()                it is over, at once
//	closed()               both directions have ended
//	pause(), resume()      too much waits here; or no longer
//
// or the number of a RESET code. The app's end calls push, finish, halt and
// reset of the stream.

import * as codec from './codec.mjs';
import { ProtocolError, write } from './codec.mjs';

const ACK_BYTES = 32768, ACK_DELAY_MS = 25, BACKLOG = 128 * 1024;
const RING_MAX = 4194304, RING_CONTROL_BYTES = 65536;
const QUEUE_HIGH = 65536, QUEUE_LOW = 32768;

export const stats = {
	streams: 0, resets: 0, resumed: 0,
	stalls: 0,                      // times that a stream waited for credit
	peakSent: 0, peakReceived: 0,   // most bytes on a stream above what was granted
	peakSession: 0,                 // the same for a session, sent
	overrun: 0,                     // bytes sent beyond a window: a fault of ours
};

function fail(what) {
	throw new ProtocolError(what);
}

class Stream {
	queue = [];             // bytes of the app that were not sent
	queued = 0;
	held = 0;               // bytes for the app that its socket has not taken
	owed = 0;               // taken, not granted again
	sent = 0;
	granted = 0;
	received = 0;
	regranted = 0;
	wantEnd = false;
	wantStop = false;
	wantReset = 0;
	sentEnd = false;
	gotEnd = false;
	sentStop = false;
	gotStop = false;
	closed = false;

	constructor(session, id, credit, left) {
		this.session = session;
		this.id = id;
		this.credit = credit;   // what we may send
		this.left = left;       // what the relay may send
	}

	push(bytes) {
		if (this.closed || this.gotStop || this.wantEnd || this.wantReset !== 0 || bytes.length === 0)
			return;
		this.queue.push(bytes);
		this.queued += bytes.length;
		if (this.queued > QUEUE_HIGH)
			this.app.pause();
		this.session.ready.add(this);
		this.session.pump();
	}

	finish() {
		this.wantEnd = true;
		this.session.touch(this);
	}

	// The app takes no more.
	halt() {
		this.wantStop = true;
		this.session.touch(this);
	}

	reset(code) {
		if (this.closed || this.wantReset !== 0)
			return;
		this.wantReset = code;
		this.session.dropQueue(this);
		this.session.touch(this);
	}
}

export class Session {
	link = undefined;       // undefined: parked, or over
	live = false;           // the relay's first ACK came
	draining = false;
	over = false;
	attempt = 0;
	streams = new Map();
	opened = 0;             // the last stream's number
	sentCount = 0;
	acked = 0;
	received = 0;
	ring = [];              // [number, frame] of what was not acknowledged
	ringBytes = 0;
	unacked = 0;            // bytes of frames received since our last ACK
	owed = 0;
	sent = 0;
	granted = 0;
	ready = new Set();      // streams with bytes and credit, in turn
	dirty = new Set();      // streams with something else to say

	constructor({ welcome, limits, serve, log = () => {}, ringMax = RING_MAX }) {
		this.id = welcome.session;
		this.secret = welcome.secret;
		this.theirs = welcome.limits;   // what the relay grants us
		this.ours = limits;             // what we grant the relay
		this.credit = welcome.limits.session;
		this.left = limits.session;
		this.serve = serve;
		this.log = log;
		this.ringMax = ringMax;
	}

	// --- the link below

	begin(link) {
		this.link = link;
		this.link.send(write.ack(0));
	}

	// 6.5: what to say in a hello.
	resumption() {
		this.attempt++;
		return { session: this.id, attempt: this.attempt, received: this.received,
			proof: codec.proof(this.secret, this.id, this.attempt, this.received) };
	}

	park() {
		this.link = undefined;
		clearTimeout(this.ackTimer);
		this.ackTimer = undefined;
		this.unacked = 0;       // the hello's `received` says it
	}

	resume(link, welcome) {
		if (welcome.session !== this.id || JSON.stringify(welcome.limits) !== JSON.stringify(this.theirs))
			fail('another session came back');
		this.acknowledged(welcome.received);
		this.link = link;
		stats.resumed++;
		for (const [, bytes] of this.ring)
			link.send(bytes);
		this.pump();
	}

	// The session is over: every stream ends with an error.
	end() {
		this.over = true;
		this.park();
		for (const stream of this.streams.values())
			this.close(stream, true);
	}

	// --- receiving

	receive(message) {
		const f = codec.read(message);
		if (f.type === codec.ACK) {
			this.acknowledged(f.count);
			if (!this.live)
				this.live = true;
			this.pump();
			return;
		}
		if (!this.live)
			fail('no ACK first');
		this.received++;
		this.unacked += message.length;
		if (f.type === codec.OPEN)
			this.open(f);
		else if (f.type === codec.GOAWAY)
			this.goAway(f);
		else if (f.type === codec.CREDIT && f.stream === 0)
			this.creditSession(f.bytes);
		else
			this.forStream(f);
		if (this.unacked >= ACK_BYTES)
			this.sendAck();
		else
			this.ackTimer ??= setTimeout(() => this.sendAck(), ACK_DELAY_MS);
		this.pump();
	}

	sendAck() {
		clearTimeout(this.ackTimer);
		this.ackTimer = undefined;
		if (this.link === undefined || this.unacked === 0)
			return;
		this.unacked = 0;
		this.link.send(write.ack(this.received));
	}

	acknowledged(count) {
		if (count > this.sentCount || count < this.acked)
			fail(`${count} acknowledged; ${this.acked} were, ${this.sentCount} are sent`);
		this.acked = count;
		while (this.ring.length > 0 && this.ring[0][0] <= count)
			this.ringBytes -= this.ring.shift()[1].length;
	}

	goAway(f) {
		if (this.draining)
			fail('a second go-away');
		this.draining = true;
		this.onGoAway?.(f);
	}

	creditSession(bytes) {
		this.credit += bytes;
		this.granted += bytes;
		if (this.credit > codec.SUM_MAX)
			fail('too much credit for the session');
	}

	open(f) {
		if (f.stream !== this.opened + 1)
			fail(`stream ${f.stream} after ${this.opened}`);
		if (this.draining)
			fail('OPEN after the go-away');
		if (this.streams.size >= this.theirs.streams)
			fail('too many streams');
		this.opened = f.stream;
		stats.streams++;
		const stream = new Stream(this, f.stream, this.theirs.window, this.ours.window);
		this.streams.set(f.stream, stream);
		stream.app = { write: (bytes, taken) => taken(), end() {}, stop() {}, reset() {}, closed() {}, pause() {}, resume() {} };
		const app = this.serve(stream, f);
		if (typeof app === 'number')
			stream.reset(app);
		else
			stream.app = app;
	}

	forStream(f) {
		if (f.stream > this.opened)
			fail(`a frame for stream ${f.stream}, which was never opened`);
		const stream = this.streams.get(f.stream);
		const n = f.payload.length;
		if (f.type === codec.DATA) {
			this.left -= n;
			if (this.left < 0)
				fail('DATA beyond the credit of the session');
		}
		if (stream === undefined) {             // closed: it has crossed
			if (f.type === codec.DATA)
				this.owe(n);
			return;
		}
		switch (f.type) {
		case codec.DATA:
			if (stream.gotEnd)
				fail('DATA after END');
			stream.left -= n;
			stream.received += n;
			stats.peakReceived = Math.max(stats.peakReceived, stream.received - stream.regranted);
			if (stream.left < 0)
				fail('DATA beyond the credit of its stream');
			if (stream.wantStop || stream.wantReset !== 0)
				return this.owe(n);
			stream.held += n;
			return stream.app.write(f.payload, () => this.taken(stream, n));
		case codec.END:
			if (stream.gotEnd)
				fail('a second END');
			stream.gotEnd = true;
			stream.app.end();
			return this.maybeClosed(stream);
		case codec.STOP:
			if (stream.gotStop)
				fail('a second STOP');
			stream.gotStop = true;
			if (stream.sentEnd)
				return undefined;
			this.dropQueue(stream);
			stream.app.stop();
			return stream.finish();
		case codec.RESET:
			stats.resets++;
			return this.close(stream, true);
		case codec.CREDIT:
			if (stream.sentEnd)
				return undefined;
			stream.credit += f.bytes;
			stream.granted += f.bytes;
			if (stream.credit > codec.SUM_MAX)
				fail('too much credit for a stream');
			if (stream.queued > 0)
				this.ready.add(stream);
			return undefined;
		default:
			return undefined;
		}
	}

	// --- credit that we owe

	taken(stream, n) {
		if (stream.held === 0)          // given back when it was reset
			return;
		stream.held -= n;
		stream.owed += n;
		this.owe(n);
		this.touch(stream);
	}

	owe(n) {
		this.owed += n;
		this.again = true;
	}

	// --- ends

	dropQueue(stream) {
		stream.queue = [];
		stream.queued = 0;
		this.ready.delete(stream);
	}

	maybeClosed(stream) {
		if (stream.gotEnd && stream.sentEnd && !stream.closed)
			this.close(stream, false);
	}

	close(stream, reset) {
		stream.closed = true;
		this.streams.delete(stream.id);
		this.dirty.delete(stream);
		this.dropQueue(stream);
		if (!reset)
			return stream.app.closed();
		this.owe(stream.held);
		stream.held = 0;
		return stream.app.reset();
	}

	// --- sending

	touch(stream) {
		if (!stream.closed)
			this.dirty.add(stream);
		this.pump();
	}

	room(bytes, kept = 0) {
		return this.ringBytes + codec.HEAD + bytes <= this.ringMax - kept;
	}

	put(bytes) {
		this.sentCount++;
		this.ring.push([this.sentCount, bytes]);
		this.ringBytes += bytes.length;
		this.link.send(bytes);
	}

	// pump: everything that may be sent now. Nobody but it makes frames.
	pump() {
		this.again = true;
		if (this.link === undefined || !this.live || this.pumping)
			return;
		this.pumping = true;
		while (this.again && this.link !== undefined) {
			this.again = false;
			this.pumpOnce();
		}
		this.pumping = false;
	}

	pumpOnce() {
		if (this.owed >= this.ours.window / 2 && this.room(4)) {
			this.put(write.credit(0, this.owed));
			this.left += this.owed;
			this.owed = 0;
		}
		for (const stream of this.dirty)
			if (!this.control(stream))
				break;
		while (this.ready.size > 0 && this.link.backlog() < BACKLOG)
			if (!this.sendData(this.ready.values().next().value))
				break;
	}

	// What a stream has to say besides DATA; false when there is no room for it.
	control(stream) {
		if (!this.room(4))
			return false;
		if (stream.wantReset !== 0) {
			this.put(write.reset(stream.id, stream.wantReset));
			this.close(stream, true);
			return true;
		}
		if (stream.wantStop && !stream.sentStop && !stream.gotEnd) {
			stream.sentStop = true;
			this.put(write.stop(stream.id));
		}
		if (stream.owed >= this.ours.window / 2 && !stream.gotEnd && !stream.wantStop && this.room(4)) {
			this.put(write.credit(stream.id, stream.owed));
			stream.left += stream.owed;
			stream.regranted += stream.owed;
			stream.owed = 0;
		}
		if (stream.wantEnd && !stream.sentEnd && stream.queued === 0) {
			if (!this.room(0))
				return false;
			stream.sentEnd = true;
			this.put(write.end(stream.id));
			this.maybeClosed(stream);
		}
		this.dirty.delete(stream);
		return true;
	}

	// One DATA frame of one stream, which then goes to the end of the line.
	sendData(stream) {
		if (stream.credit === 0) {
			this.ready.delete(stream);
			stats.stalls++;
			this.log(`stream ${stream.id} waits for credit`);
			return true;
		}
		const n = Math.min(codec.DATA_MAX, stream.queued, stream.credit, this.credit);
		if (n === 0 || !this.room(n, RING_CONTROL_BYTES))
			return false;
		const bytes = takeFrom(stream.queue, n);
		stream.queued -= n;
		stream.credit -= n;
		this.credit -= n;
		stream.sent += n;
		this.sent += n;
		this.ready.delete(stream);
		if (stream.queued > 0)
			this.ready.add(stream);
		stats.peakSent = Math.max(stats.peakSent, stream.sent - stream.granted);
		stats.peakSession = Math.max(stats.peakSession, this.sent - this.granted);
		stats.overrun += Math.max(0, stream.sent - stream.granted - this.theirs.window);
		stats.overrun += Math.max(0, this.sent - this.granted - this.theirs.session);
		this.put(write.data(stream.id, bytes));
		if (stream.queued < QUEUE_LOW)
			stream.app.resume();
		if (stream.queued === 0 && stream.wantEnd)
			this.control(stream);
		return true;
	}
}

function takeFrom(queue, n) {
	const parts = [];
	for (let missing = n; missing > 0;) {
		const first = queue[0];
		parts.push(first.subarray(0, missing));
		if (first.length <= missing)
			queue.shift();
		else
			queue[0] = first.subarray(missing);
		missing -= Math.min(missing, first.length);
	}
	return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}
