// deployment.mjs: a relay whose main site is an app, an agent that offers it, and a
// person who is logged in; and what several test files do with them.

import assert from 'node:assert/strict';
import { App } from './app.mjs';
import { login, startAgent, startRelay } from './harness.mjs';
import { rawRequest, request } from './http.mjs';
import { wsClient } from './ws-client.mjs';

// With `tls` (of pki.mjs) it speaks https, and asks for no login.
export async function deployment({
	root = ['--root', 'web'], args = [], agentArgs = [], appOptions = '', tls, ...more
} = {}) {
	const app = await App.start();
	const own = tls === undefined ? [] : ['--tls-cert', tls.cert, '--tls-key', tls.key];
	const relay = await startRelay({ args: [...root, ...args, ...own], noPassword: tls !== undefined, ...more });
	const dial = tls === undefined ? {} : { url: relay.origin.replace('http', 'https') };
	const agent = await startAgent({ relay, apps: `web=127.0.0.1:${app.port}${appOptions}`, ...dial,
		args: [...tls === undefined ? [] : ['--pin', tls.pin], ...agentArgs] });
	const headers = tls !== undefined ? {} :
		(await login(relay.origin, relay.secrets.password)).headers(relay.origin);
	return { app, relay, agent, headers };
}

// The bytes of a GET by that person.
export const ask = (d, path) => rawRequest(d.relay.origin, `GET ${path}`,
	d.headers.cookie === undefined ? [] : [`Cookie: ${d.headers.cookie}`]);

export const serves = async (d) => assert.equal((await request(d.relay.origin, '/ok', { headers: d.headers })).status, 200);

// The id with which the agent was accepted, from line number `from` of its log on.
export const tunnelId = async ({ proc }, from = 0) =>
	(await proc.waitFor(/\baccepted\b.*tunnel_id=(\S+)/, 'its id', from))[1];

// A WebSocket whose app sends back what it gets.
export async function echoing(d) {
	const path = d.app.onWs('echo', {}, (ws) => ws.on('message', (m, binary) => ws.send(m, { binary })));
	const ws = wsClient(`${d.relay.origin.replace('http', 'ws')}${path}`, [], { headers: d.headers });
	await ws.opened();
	const echo = async (text) => {
		ws.send(text);
		assert.equal((await ws.message()).data.toString(), text);
	};
	await echo('first');
	return { ws, echo };
}
