// proxy.mjs: a TCP proxy between agent and relay that does what networks do. It
// cuts connections after so many bytes, leaves one half of them open, holds all
// bytes without a close, is slow, is far away, or is gone for a while. When it
// does which is told by bytes and calls; only distance and width are clocks.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Proxy {
	pairs = new Set();
	cuts = 0;
	left = [];              // cut after so many bytes each, in this order
	half = false;           // every other cut is not told to the relay
	held = false;           // bytes stay here, and ends too
	delayMs = 0;            // on the way, in each direction
	bytesPerS = 0;          // in each direction of a connection; 0: no bound

	static async start(port, host = '127.0.0.1') {
		const proxy = new Proxy();
		proxy.target = port;
		proxy.host = host;
		proxy.server = createServer({ allowHalfOpen: true, noDelay: true }, (agent) => proxy.join(agent));
		await proxy.up(0);
		return proxy;
	}

	async up(port = this.port) {
		this.server.listen(port, this.host);
		await once(this.server, 'listening');
		this.port = this.server.address().port;
		this.origin = `http://${this.host}:${this.port}`;
	}

	// Nobody gets through until up(): what is there is cut, dials are refused.
	async down() {
		const closed = new Promise((done) => this.server.close(done));
		this.cutAll();
		await closed;
	}

	join(agent) {
		const relay = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
		const pair = { agent, relay, ways: [] };
		this.pairs.add(pair);
		for (const [from, to] of [[agent, relay], [relay, agent]]) {
			const way = { from, to, queue: [], timer: undefined, free: 0, full: false };
			pair.ways.push(way);
			from.on('error', () => {
				if (!this.held)
					to.resetAndDestroy();
			});
			from.on('data', (bytes) => this.pass(pair, way, bytes));
			from.on('end', () => this.put(way, null));
			from.on('close', () => {
				if (agent.destroyed && relay.destroyed)
					this.pairs.delete(pair);
			});
		}
	}

	pass(pair, way, bytes) {
		if (this.left.length > 0) {
			if (bytes.length >= this.left[0]) {
				// What is still on its way is lost, as in a network.
				const last = this.left.shift();
				if (way.queue.length === 0)
					way.to.write(bytes.subarray(0, last));
				this.cut(pair, this.half && this.cuts % 2 === 1);
				return;
			}
			this.left[0] -= bytes.length;
		}
		this.put(way, bytes);
	}

	// `null` is the end. Each piece leaves when it has come all the way.
	put(way, bytes) {
		const now = performance.now();
		let at = now + this.delayMs;
		if (this.bytesPerS > 0) {
			way.free = Math.max(way.free, now) + (bytes?.length ?? 0) * 1000 / this.bytesPerS;
			at = way.free + this.delayMs;
		}
		if (way.queue.length === 0 && at <= now && !this.held && !way.full) {
			this.write(way, bytes);
			return;
		}
		way.queue.push({ at, bytes });
		if (way.queue.length > 64)
			way.from.pause();
		this.move(way);
	}

	move(way) {
		clearTimeout(way.timer);
		while (!this.held && way.queue.length > 0 && !way.full) {
			const wait = way.queue[0].at - performance.now();
			if (wait > 0) {
				way.timer = setTimeout(() => this.move(way), wait);
				return;
			}
			this.write(way, way.queue.shift().bytes);
		}
		if (way.queue.length === 0 && !way.full)
			way.from.resume();
	}

	write(way, bytes) {
		if (bytes === null) {
			way.to.end();
		} else if (!way.to.write(bytes)) {
			way.full = true;
			way.from.pause();
			way.to.once('drain', () => {
				way.full = false;
				this.move(way);
			});
		}
	}

	// Nothing moves any more, and nobody is told: a cable that was pulled.
	hold() {
		this.held = true;
	}

	// It is plugged in again, and all that was under way arrives.
	release() {
		this.held = false;
		for (const { ways } of this.pairs) {
			for (const way of ways) {
				this.move(way);
				if (way.from.errored)
					way.to.resetAndDestroy();
			}
		}
	}

	cut(pair, half = false) {
		this.cuts++;
		this.pairs.delete(pair);
		for (const way of pair.ways)
			clearTimeout(way.timer);
		pair.agent.resetAndDestroy();
		if (half)
			pair.relay.removeAllListeners('data').resume();
		else
			pair.relay.resetAndDestroy();
	}

	cutAll() {
		for (const pair of this.pairs)
			this.cut(pair);
	}

	async stop() {
		this.left = [];
		const closed = new Promise((done) => this.server.close(done));
		for (const { agent, relay } of this.pairs) {
			agent.destroy();
			relay.destroy();
		}
		await closed;
	}
}
