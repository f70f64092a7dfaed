// live.js: the one live connection of the page. Server-sent events, read by
// fetch: it tells a refusal from a broken line, and sees the heartbeat, so that
// a connection that died silently is noticed.

import { api, el, put, toLogin, $ } from './ui.js?v=HASH';

const SILENT_MS = 35_000;       // the relay says something every 15 s
const WAIT_MS = [500, 1000, 2000, 5000, 10_000];
export const SAMPLES = 60;

// Who this is (me), and of the status what concerns them: base (the relay's
// address in links), readonly (an app shares this site), wsPath (the channel's).
export const live = { me: { base: location.origin }, status: null };
const listeners = new Set();
const flows = new Map();        // agent's name: { down, up, last }

// Runs fn now and at every change until the page is left.
export function follow(fn, signal) {
	listeners.add(fn);
	signal.addEventListener('abort', () => listeners.delete(fn));
	if (live.status !== null)
		fn(live.status);
}

let first;
const tell = () => listeners.forEach((fn) => fn(live.status));

export const flow = (name) => flows.get(name) ?? { down: [], up: [] };
export const now = (list) => list[list.length - 1] ?? 0;

// Bytes since the last second, of each agent.
function sample() {
	for (const agent of live.status?.agents ?? []) {
		const at = flows.get(agent.name) ?? { down: [], up: [], id: '' };
		const same = at.since === agent.since;
		for (const [list, key] of [[at.down, 'bytesFromAgent'], [at.up, 'bytesToAgent']]) {
			list.push(same ? Math.max(0, agent[key] - at[key]) : 0);
			list.splice(0, list.length - SAMPLES);
			at[key] = agent[key];
		}
		at.since = agent.since;
		flows.set(agent.name, at);
	}
	for (const name of flows.keys())
		if (!live.status.agents.some((a) => a.name === name))
			flows.delete(name);
	if (live.status !== null && !document.hidden)
		tell();
}

function stale(is) {
	put($('stale'), is ? 'No connection to the relay. What you see may be old; trying again…' : '');
}

function take(name, data) {
	if (name !== 'status')
		return;
	live.status = JSON.parse(data);
	live.status.agents ??= [];
	for (const key of ['base', 'readonly', 'wsPath'])
		live.me[key] = live.status[key] ?? live.me[key];
	stale(false);
	first();
	tell();
}

async function read(body, alive) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	for (let rest = '', name = '', data = ''; ;) {
		const { value, done } = await reader.read();
		if (done)
			return;
		alive();
		const lines = (rest + value).split('\n');
		rest = lines.pop();
		for (const line of lines) {
			if (line.startsWith('event:'))
				name = line.slice(6).trim();
			else if (line.startsWith('data:'))
				data += line.slice(5).trim();
			else if (line === '') {
				if (data !== '')
					take(name, data);
				name = data = '';
			}
		}
	}
}

async function connect() {
	const stop = new AbortController();
	let timer;
	const alive = () => {
		clearTimeout(timer);
		timer = setTimeout(() => stop.abort(), SILENT_MS);
	};
	alive();
	try {
		const answer = await fetch('/_adit/api/events', {
			headers: { Accept: 'text/event-stream' }, signal: stop.signal, cache: 'no-store',
		});
		if (answer.status === 401)
			return toLogin();
		if (answer.ok)
			await read(answer.body, alive);
		return answer.ok;
	} finally {
		clearTimeout(timer);
	}
}

// Fulfilled when the first status is there, or cannot be had now.
export function start() {
	setInterval(sample, 1000);
	return new Promise((go) => {
		first = go;
		stay();
	});
}

async function stay() {
	for (let failed = 0; ;) {
		const before = live.status;
		await connect().catch(() => {});
		failed = live.status === before ? failed + 1 : 0;
		stale(true);
		first();
		// The stream ends with the session too: then this goes to the login.
		await api('me').then((me) => Object.assign(live.me, me)).catch(() => {});
		const wait = WAIT_MS[Math.min(failed, WAIT_MS.length - 1)];
		await new Promise((go) => {
			setTimeout(go, wait * (0.75 + Math.random() / 2));
			addEventListener('online', go, { once: true });
		});
	}
}

// A graph of the last minute: to the right is now.
export function graph(tall) {
	const area = el('path.area');
	const down = el('path.down');
	const up = el('path.up');
	const node = el(`svg.graph${tall ? '.tall' : ''}`, { viewBox: `0 0 ${SAMPLES - 1} 100`,
		preserveAspectRatio: 'none', 'aria-hidden': 'true' }, el('path.base', { d: `M0 97H${SAMPLES}` }), area, down, up);
	node.show = (at) => {
		const top = Math.max(1000, ...at.down, ...at.up);
		const line = (list) => list.map((n, i) =>
			`${SAMPLES - list.length + i} ${(97 - 94 * n / top).toFixed(1)}`).join('L');
		if (at.down.length === 0)
			return;
		down.setAttribute('d', `M${line(at.down)}`);
		up.setAttribute('d', `M${line(at.up)}`);
		area.setAttribute('d', `M${SAMPLES - at.down.length} 97L${line(at.down)}V97z`);
	};
	return node;
}
