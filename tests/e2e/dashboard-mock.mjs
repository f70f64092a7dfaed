// dashboard-mock.mjs: a stand-in for the relay, for looks only: every page of
// the dashboard with a full house, hostile names and edge cases that a real
// relay would refuse or that take weeks to come about. What the relay does is
// tested against the relay.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import { ROOT, onExit, within } from './harness.mjs';

const TYPES = { js: 'text/javascript', css: 'text/css', html: 'text/html; charset=utf-8', svg: 'image/svg+xml' };
const CSP = 'default-src \'none\'; style-src \'self\'; script-src \'self\'; connect-src \'self\'; img-src \'self\'; ' +
    'base-uri \'none\'; form-action \'self\'; frame-ancestors \'none\'; require-trusted-types-for \'script\'';
export const HOSTILE = '<img src=x onerror="window.hit=1">"\'&lt;\u202e<script>hit=1</script>';

const now = () => Math.floor(Date.now() / 1000);
const day = 86400;

export function house({ hostile = false } = {}) {
	const t = now();
	const bad = hostile ? HOSTILE : '';
	return {
		me: { user: 'ada', role: 'admin', session: 'f81mKq2x', mode: 'accounts' },
		status: { base: 'https://relay.example.org', wsPath: '/ws',
			tunnelConnected: true, uptime: 9 * day, version: '0.4.0',
			agents: [
				{ name: `studio-mac${bad}`, tunnelId: '4KozTxOixEk1', version: `0.4.0${bad}`, since: t - 3 * day, streams: 7, rttMs: 23,
					bytesFromAgent: 8_123_456_789, bytesToAgent: 91_234_567,
					apps: [{ name: `simulator${bad}`, url: 'https://simulator.apps.example.org/' },
						{ name: 'storybook', url: 'https://storybook.apps.example.org/' },
						{ name: 'hook', url: 'https://hook.apps.example.org/', public: true }],
					log: [{ t: t - 3996, what: 'resumed', why: '7 streams, 48 kB sent again' },
						{ t: t - 4000, what: 'cut', why: 'no answer for 15 s' },
						{ t: t - 3 * day, what: 'connected', why: `from 203.0.113.9${bad}` }] },
				{ name: 'lab-pi', tunnelId: 'Z6q62aKz-F96', version: '0.4.0', since: t - 3700, streams: 1, rttMs: 141,
					bytesFromAgent: 120_000, bytesToAgent: 5000,
					apps: [{ name: 'plot', url: 'https://plot.apps.example.org/' }, { name: 'ssh' }], log: [] },
			],
			away: [{ name: 'old-thinkpad', since: t - 5 * day }],
			workstations: [
				{ name: `desk in the attic${bad}`, tunnelId: '9aKq-3xYtBz0', online: true, clients: 2, messagesIn: 18231, messagesOut: 22013 },
				{ name: 'build server', tunnelId: 'mm3K2p-Qe81z', online: false, clients: 0, messagesIn: 12, messagesOut: 3 }],
		},
		lists: {
			people: [{ user: 'ada', role: 'admin', created: t - 90 * day, seen: t - 5, sessions: 3 },
				{ user: 'grace.hopper', role: 'member', created: t - 30 * day, seen: t - 7000, sessions: 1 },
				{ user: `lin${bad}`, role: 'viewer', created: t - 2 * day, seen: 0, sessions: 0 }],
			invites: [{ id: 'inv00001', role: 'member', by: 'ada', created: t - day, expires: t + 6 * day },
				{ id: 'inv00002', role: 'viewer', user: 'grace.hopper', by: 'ada', created: t - 60, expires: t + day - 60 }],
			tokens: [{ id: 'tok00001', kind: 'agent', name: `studio${bad}`, agent: 'studio-mac', created: t - 40 * day, used: t - 3, by: 'ada' },
				{ id: 'tok00002', kind: 'api', name: 'prometheus', scopes: ['metrics'], created: t - 20 * day, expires: t + 70 * day, used: t - 11, by: 'ada' },
				{ id: 'tok00003', kind: 'channel', name: 'attic', created: t - 20 * day, used: 0, by: 'ada' }],
			sessions: [{ id: 'ses00001', user: 'ada', device: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36', from: '203.0.113.7', since: t - 4000, seen: t - 2, expires: t + day, mine: true, current: true },
				{ id: 'ses00002', user: 'ada', device: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1', from: '2001:db8:12::7', since: t - 80000, seen: t - 900, expires: t + 3000, mine: true },
				{ id: 'ses00003', user: 'ada', device: `curl/8${bad}`, from: '198.51.100.4', since: t - 300, seen: t - 100, expires: t + day, mine: true }],
			access: [{ app: 'studio-mac/simulator', people: null }, { app: 'studio-mac/storybook', people: ['ada', 'grace.hopper'] }],
			audit: [{ t: t - 30, who: 'ada', from: '203.0.113.7', what: 'tokens.new', on: `studio${bad}`, note: 'agent' },
				{ t: t - 4000, who: 'ada', from: '203.0.113.7', what: 'login' },
				{ t: t - 90000, who: '', from: '192.0.2.200', what: 'login.failed', on: 'root', note: '' },
				{ t: t - 90100, who: 'console', from: '', what: 'people.add', on: 'ada', note: 'admin' }],
		},
		settings: { rows: [{ name: 'listen', value: '[::]:4000', from: 'default' }, { name: 'domain', value: `relay.example.org${bad}`, from: 'file' },
			{ name: 'app domain', value: 'apps.example.org', from: 'file' }, { name: 'memory', value: '48 MiB', from: 'default' },
			{ name: 'trust proxy', value: 'true', from: 'environment' }],
		checks: [{ name: 'Clock', ok: true, text: 'within 1 s of the agents\'' }, { name: 'https', ok: true, text: 'the proxy in front speaks it' },
			{ name: 'WebSocket', ok: false, text: `No upgrade has come through the proxy yet${bad}` }] },
	};
}

// The house is yours to change while it runs; `tell()` sends the status again.
export async function startMock(state = house()) {
	const streams = new Set();
	const mock = { state, posts: [], refuse: {}, tell() {
		for (const res of streams)
			res.write(`event: status\ndata: ${JSON.stringify(state.status)}\n\n`);
	}, cut() {
		for (const res of streams)
			res.destroy();
	} };
	const server = createServer(async (req, res) => {
		const url = new URL(req.url, 'http://mock.invalid');
		const path = url.pathname.replace(/^\/_adit/, '') || '/';
		const send = (status, type, body) => {
			res.writeHead(status, { 'Content-Type': type, 'Content-Security-Policy': CSP, 'X-Content-Type-Options': 'nosniff' });
			res.end(body);
		};
		const json = (status, data) => send(status, 'application/json', JSON.stringify(data));
		const file = (name) => {
			try {
				send(200, TYPES[name.split('.').pop()], readFileSync(join(ROOT, 'web', name)));
			} catch {
				json(404, { error: 'Not found' });
			}
		};
		if (path.startsWith('/assets/'))
			return file(path.slice(8));
		if (['/', '/setup', '/invite'].includes(path))
			return file('index.html');
		if (path === '/login')
			return send(200, 'text/html', '<!doctype html><title>login</title>');
		const op = path.slice(5);
		if (mock.refuse[op])
			return json(...mock.refuse[op]);
		if (op === 'events') {
			res.writeHead(200, { 'Content-Type': 'text/event-stream' });
			streams.add(res);
			res.on('close', () => streams.delete(res));
			return res.write(`event: status\ndata: ${JSON.stringify(state.status)}\n\n`);
		}
		if (req.method === 'POST') {
			let body = '';
			for await (const part of req)
				body += part;
			mock.posts.push([op, JSON.parse(body || '{}')]);
			if (op === 'invite/look')
				return json(200, { kind: 'invite', role: 'member', expires: now() + 6 * day });
			return json(200, { id: 'new00001', secret: 'Vb0kq3n1rG0w0lT8yXo2m5Qe7sUj9aCd4fHi6kLmNpO', user: 'lin', role: 'member',
				token: 'adit_aVb0kq3n1rG0w0lT8yXo2m5Qe7sUj9aCd4fHi6kLmNpO', expires: now() + 7 * day });
		}
		if (op === 'me')
			return json(200, state.me);
		if (op === 'settings')
			return json(200, state.settings);
		if (state.lists[op])
			return json(200, { rows: state.lists[op] });
		json(404, { error: 'Not found' });
	});
	// A workstation's client, as far as the console can tell.
	const sockets = new WebSocketServer({ server, path: '/ws' });
	let socket;
	mock.heard = [];
	mock.speak = (message) => socket.send(JSON.stringify(message));
	mock.hears = (type) => within((async () => {
		while (!mock.heard.some((m) => m.type === type))
			await once(socket, 'message');
	})(), type);
	mock.gone = () => within(socket.readyState === socket.CLOSED ? Promise.resolve() : once(socket, 'close'), 'its end');
	sockets.on('connection', (ws) => {
		socket = ws;
		ws.on('message', (data) => {
			const message = JSON.parse(data);
			mock.heard.push(message);
			if (message.type === 'connect')
				mock.speak({ type: 'connected', payload: { tunnel_id: message.payload.tunnel_id } });
		});
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	mock.origin = `http://127.0.0.1:${server.address().port}`;
	onExit(() => {
		mock.cut();
		server.closeAllConnections();
		server.close();
	});
	return mock;
}
