// channel.js: the workstations, and for an admin a console of messages: it
// joins one workstation as a client does. The key is typed in and lives in this
// page's memory only. Messages are shown as text, newest last, the last 500.

import { button, bytes, card, el, field, form, input, number, put, submit, title } from './ui.js?v=HASH';
import { follow } from './live.js?v=HASH';

const KEPT = 500;
const SHOWN_CHARS = 20_000;
const PING_MS = 5000;

function workstations(signal) {
	const list = el('ul.list');
	const last = new Map();
	let shown;
	follow((status) => {
		const t = Date.now();
		const rows = (status.workstations ?? []).map((row) => {
			const total = row.messagesIn + row.messagesOut;
			const at = last.get(row.tunnelId) ?? { total, t, rate: 0 };
			if (t - at.t > 900)
				Object.assign(at, { total, t, rate: Math.max(0, (total - at.total) * 1000 / (t - at.t)) });
			last.set(row.tunnelId, at);
			return { ...row, total, rate: Math.round(at.rate) };
		});
		const key = JSON.stringify(rows);
		if (key === shown)
			return;
		shown = key;
		list.replaceChildren(...rows.map((row) =>
			el('li', el(`span.grow.dot${row.online ? '' : '.off'}`, el('b', row.name), el('span.quiet', el('code', row.tunnelId))),
			    el('span.quiet.num', [row.online ? 'online' : 'offline',
				`${number(row.clients)} ${row.clients === 1 ? 'client' : 'clients'}`,
				`${number(row.total)} messages`, `${number(row.rate)}/s`].join(' · ')))));
		if (rows.length === 0)
			list.append(el('li', el('span.quiet', 'No workstation is here.')));
	}, signal);
	return el('section.card.flush', el('div.title', el('h2', 'Workstations')), list);
}

const pretty = (text) => {
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
};

function console_(me, signal) {
	const log = el('ul.list.log', { tabindex: 0, 'aria-label': 'Messages' });
	const state = el('span.tag', { role: 'status' }, 'not connected');
	const filter = el('input', { type: 'search', placeholder: 'type or text', 'aria-label': 'Show only messages with' });
	const pause = button('Pause', () => {
		paused = !paused;
		put(pause, paused ? 'Go on' : 'Pause');
		if (!paused)
			draw();
	}, 'plain.mini');
	let kept = [];
	let paused = false;
	let socket = null;

	function line(m) {
		return el(`li.${m.out ? 'out' : 'in'}`, el('b', m.type), el('span.quiet', `${m.out ? 'sent' : 'received'} ${m.at}, ${bytes(m.text.length)}`),
		    el('pre', m.text.length > SHOWN_CHARS ? `${m.text.slice(0, SHOWN_CHARS)}\n… ${number(m.text.length)} characters` : pretty(m.text)));
	}
	const fits = (m) => m.text.toLowerCase().includes(filter.value.toLowerCase());
	function draw() {
		log.replaceChildren(...kept.filter(fits).map(line));
		log.scrollTop = log.scrollHeight;
	}
	function add(text, out) {
		let type = '(not JSON)';
		try {
			type = String(JSON.parse(text).type);
		} catch {
			// shown as it came
		}
		if (type === 'pong' || type === 'ping')
			return;
		const m = { text, out, type, at: new Date().toLocaleTimeString() };
		kept.push(m);
		kept = kept.slice(-KEPT);
		if (paused || !fits(m))
			return;
		const end = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
		log.append(line(m));
		while (log.childElementCount > KEPT)
			log.firstChild.remove();
		if (end)
			log.scrollTop = log.scrollHeight;
	}
	filter.addEventListener('input', draw);

	function join(values) {
		socket?.close();
		const ws = socket = new WebSocket(new URL(me.wsPath, location.href.replace(/^http/, 'ws')));
		let timer;
		put(state, 'connecting');
		ws.onopen = () => {
			ws.send(JSON.stringify({ type: 'connect', payload: { tunnel_id: values.id.trim(), auth_key: values.key,
				device_id: `dashboard-${crypto.getRandomValues(new Uint32Array(1))[0]}` } }));
			timer = setInterval(() => ws.send(JSON.stringify({ type: 'ping', timestamp: Date.now() })), PING_MS);
		};
		ws.onmessage = async ({ data }) => {
			const text = typeof data === 'string' ? data : await data.text();
			if (/^\s*\{\s*"type"\s*:\s*"connected"/.test(text))
				put(state, 'connected');
			add(text, false);
		};
		ws.onclose = (event) => {
			clearInterval(timer);
			if (ws === socket)
				put(state, `closed (${event.code}${event.reason ? ` ${event.reason}` : ''})`);
		};
		signal.addEventListener('abort', () => ws.close());
	}
	const text = el('textarea', { name: 'text', required: true, spellcheck: 'false' }, '{\n  "type": "sync"\n}');
	const joining = form(join, field('Tunnel id', input('id', { required: true, spellcheck: 'false' })),
	    field('Auth key', input('key', { type: 'password', required: true, minlength: 16 })),
	    el('p.quiet.all', 'The key is that of the workstation. It stays in this page, and is forgotten with it.'),
	    el('div.actions', submit('Connect')));
	joining.classList.add('wide');
	const sending = form((values) => {
		const one = JSON.parse(values.text);
		if (typeof one?.type !== 'string')
			throw new Error('A message is a JSON object with a "type".');
		if (socket?.readyState !== WebSocket.OPEN)
			throw new Error('Not connected.');
		const compact = JSON.stringify(one);
		socket.send(compact);
		add(compact, true);
	}, field('Message', text), el('div.actions', submit('Send')));
	return [el('section.card.stack', el('div.title', el('h2', 'Message console'), state), joining),
		el('section.card.flush', el('div.title', el('h2', 'Messages'), el('div.actions', filter, pause, button('Clear', () => {
			kept = [];
			draw();
		}, 'plain.mini'))), log), card('Send one', sending)];
}

export function channel(me, signal) {
	if (me.wsPath === undefined)
		return [title('Channel'), el('p', 'The channel carries JSON messages between workstations and their clients. It is off: ' +
		    'it needs TUNNEL_REGISTRATION_API_KEY, 32 characters or more, in the relay\'s settings.')];
	return [title('Channel', 'JSON messages between workstations and their clients.'), workstations(signal),
		me.role === 'admin' ? console_(me, signal) : null].filter(Boolean);
}
