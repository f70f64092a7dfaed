// proxy.mjs: a TCP proxy between agent and relay that does what networks do. It
// cuts connections after so many bytes, leaves one half of them open, or is
// away for a while. What it does is told by bytes and calls, never by a clock.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Proxy {
	pairs = new Set();
	cuts = 0;
	left = [];              // cut after so many bytes each, in this order
	half = false;           // every other cut is not told to the relay
	stalled = false;

	static async start(port) {
		const proxy = new Proxy();
		proxy.target = port;
		proxy.server = createServer({ allowHalfOpen: true }, (agent) => proxy.join(agent));
		await proxy.up(0);
		return proxy;
	}

	async up(port = this.port) {
		this.server.listen(port, '127.0.0.1');
		await once(this.server, 'listening');
		this.port = this.server.address().port;
		this.origin = `http://127.0.0.1:${this.port}`;
	}

	// Nobody gets through until up(): what is there is cut, dials are refused.
	async down() {
		const closed = new Promise((done) => this.server.close(done));
		for (const pair of this.pairs)
			this.cut(pair);
		await closed;
	}

	join(agent) {
		const relay = connect(this.target, '127.0.0.1');
		const pair = { agent, relay };
		this.pairs.add(pair);
		for (const [from, to] of [[agent, relay], [relay, agent]]) {
			from.on('error', () => {});
			from.on('data', (bytes) => this.pass(pair, from, to, bytes));
			from.on('end', () => to.end());
			from.on('close', () => this.pairs.delete(pair));
		}
	}

	pass(pair, from, to, bytes) {
		if (this.left.length > 0) {
			if (bytes.length >= this.left[0]) {
				to.write(bytes.subarray(0, this.left.shift()));
				this.cut(pair, this.half && this.cuts % 2 === 1);
				return;
			}
			this.left[0] -= bytes.length;
		}
		if (!to.write(bytes)) {
			from.pause();
			to.once('drain', () => from.resume());
		}
	}

	cut(pair, half = false) {
		this.cuts++;
		this.pairs.delete(pair);
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
