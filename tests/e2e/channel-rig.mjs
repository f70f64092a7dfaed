// channel-rig.mjs: workstations and clients of the channel, on the package ws.

import { randomBytes } from 'node:crypto';
import { NEVER_MS, newSecrets, startRelay, within } from './harness.mjs';
import { request } from './http.mjs';
import { wsClient } from './ws-client.mjs';

export const secret = () => randomBytes(24).toString('base64url');

export async function startChannel({ args = [], env = {}, key = secret(), ...more } = {}) {
	const relay = await startRelay({ secrets: newSecrets(), args, ...more,
		env: { TUNNEL_REGISTRATION_API_KEY: key, ...env } });
	relay.key = key;
	relay.ws = `ws://127.0.0.1:${relay.port}${env.WS_PATH ?? '/ws'}`;
	return relay;
}

// A socket with JSON: say, hear (the next message), until (the next of a type).
export class Talker {
	constructor(ws) {
		this.ws = ws;
	}

	static async dial(url) {
		const ws = wsClient(url);
		await within(ws.opened(), 'the channel to open');
		return new Talker(ws);
	}

	say(message) {
		this.ws.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
	}

	async raw(ms = NEVER_MS) {
		return (await within(this.ws.message(), 'a message', ms)).data.toString();
	}

	async hear() {
		return JSON.parse(await this.raw());
	}

	async until(type) {
		for (;;) {
			const message = await this.hear();
			if (message.type === type)
				return message;
		}
	}

	// All that came before the answer to a ping of ours.
	async heard() {
		const stamp = Math.floor(Math.random() * 2 ** 40);
		this.say({ type: 'ping', timestamp: stamp });
		const all = [];
		for (;;) {
			const message = await this.hear();
			if (message.type === 'pong' && message.timestamp === stamp)
				return all;
			all.push(message);
		}
	}

	async ask(message) {
		this.say(message);
		return this.hear();
	}

	ended() {
		return within(this.ws.closed(), 'the end');
	}

	close() {
		this.ws.close();
		return this.ended();
	}
}

export async function workstation(relay, { name = 'mac', authKey = secret(), key = relay.key, id, url = relay.ws } = {}) {
	const w = await Talker.dial(url);
	const payload = { api_key: key, name, auth_key: authKey };
	if (id !== undefined)
		Object.assign(payload, { reconnect: true, previous_tunnel_id: id });
	w.answer = await w.ask({ type: 'workstation.register', payload });
	w.id = w.answer.payload.tunnel_id;
	w.authKey = authKey;
	return w;
}

export async function client(relay, w, { device = secret().slice(0, 12), reconnect, url = relay.ws } = {}) {
	const c = await Talker.dial(url);
	c.answer = await c.ask({ type: 'connect',
		payload: { tunnel_id: w.id, auth_key: w.authKey, device_id: device, reconnect } });
	c.device = device;
	return c;
}

export const who = (w, device) => ({ tunnel_id: w.id, auth_key: w.authKey, device_id: device });

export async function post(relay, call, body, headers = {}) {
	const text = typeof body === 'string' ? body : JSON.stringify(body);
	const response = await request(relay.origin, `/api/v1/watch/${call}`, {
		method: 'POST', body: text, headers: { 'content-type': 'application/json', ...headers },
	});
	return { status: response.status, headers: response.headers, json: JSON.parse(response.body.toString()) };
}

export async function get(relay, call, query) {
	const response = await request(relay.origin, `/api/v1/watch/${call}?${new URLSearchParams(query)}`);
	return { status: response.status, headers: response.headers, json: JSON.parse(response.body.toString()) };
}
