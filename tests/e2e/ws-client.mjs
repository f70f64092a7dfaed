// ws-client.mjs: package ws with promises: opened(), message(), closed().

import WebSocket from 'ws';

class Client extends WebSocket {
	constructor(url, protocols, options) {
		super(url, protocols, { perMessageDeflate: false, maxPayload: 64 << 20, ...options });
		this.queue = [];        // messages nobody asked for yet
		this.ended = undefined; // { code, reason }
		this.waiting = [];
		this.refusal = undefined;
		const wake = () => this.waiting.splice(0).forEach((go) => go());
		this.on('error', (error) => {
			this.refusal = error;
		});
		this.on('open', wake);
		this.on('message', (data, binary) => {
			this.queue.push({ data, binary });
			wake();
		});
		this.on('close', (code, reason) => {
			this.ended = { code, reason: reason.toString() };
			wake();
		});
	}

	async change(what) {
		if (this.ended !== undefined)
			throw new Error(`the WebSocket ended before ${what}: ${JSON.stringify(this.ended)} ` +
			    `${this.refusal?.message ?? ''}`);
		await new Promise((go) => this.waiting.push(go));
	}

	async opened() {
		while (this.readyState === WebSocket.CONNECTING)
			await this.change('opening');
		if (this.readyState !== WebSocket.OPEN && this.ended !== undefined && this.queue.length === 0)
			await this.change('opening');
		return this;
	}

	async message() {
		while (this.queue.length === 0)
			await this.change('a message');
		return this.queue.shift();
	}

	async closed() {
		while (this.ended === undefined)
			await this.change('its end');
		return this.ended;
	}
}

export function wsClient(url, protocols, options) {
	return new Client(url, protocols, options);
}
