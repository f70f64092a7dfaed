// overview.js: the agents and their apps, live; and one agent in detail.

import { api, bytes, button, card, copy, copyable, el, moment, number, put, relative, showCode, span, time,
	title } from './ui.js?v=HASH';
import { flow, follow, graph, live, now } from './live.js?v=HASH';

const away = (status, name) => status.away?.find((a) => a.name === name);

// What stands above every page where it matters.
export function warnings(me) {
	return [
		me.mode === 'none' && el('p.warn', 'This relay asks nobody to log in: everybody who reaches it can use these apps.'),
		me.readonly && el('p.warn', 'An app shares this site with the dashboard, and is trusted with all that its visitors ' +
		    'may do. So people, tokens and settings can only be read here: change them from a dashboard site of its own ' +
		    '(--listen ADDR:PORT=dashboard) or from the command line.'),
	].filter(Boolean);
}

function stat(label) {
	const value = el('dd', '–');
	return { value, node: el('div', el('dt', label), value) };
}

function rates() {
	const down = el('div.down');
	const up = el('div.up');
	const picture = graph();
	return {
		node: el('div.flow', picture, el('div.rates.num', down, up)),
		show(at) {
			picture.show(at);
			put(down, `${bytes(now(at.down))}/s`);
			put(up, `${bytes(now(at.up))}/s`);
		},
	};
}

function appRow(me, agent, app) {
	const what = `${app.name} on ${agent}`;
	const url = app.url && new URL(app.url, location.href).href;
	const opens = me.role !== 'viewer' && url;
	return el('li', el('div.grow', el('span.name', app.name), app.public && el('span.tag.hot', 'public'), app.people && el('span.tag', 'named people'),
	    el('span.quiet', url ? url.replace(/^https?:\/\/|\/$/g, '') :
		'no address: start the relay with --app-ports or --app-domain')),
	el('div.actions', opens && [
		el('a.button', { href: url, 'aria-label': `Open ${what}` }, 'Open'),
		el('a.button.plain', { href: url, target: '_blank', rel: 'noopener', 'aria-label': `Open ${what} in a new tab` }, 'New tab'),
		button('Copy link', () => copy(url), 'plain', { 'aria-label': `Copy link of ${what}` }),
		button('QR', () => showCode(`${app.name}, on a phone`, url), 'plain', { 'aria-label': `QR code of ${what}` }),
	]));
}

// The list is made anew only when apps came or went.
function apps(me) {
	const node = el('ul.list');
	let shown;
	return { node, show(agent) {
		const key = JSON.stringify(agent.apps);
		if (key === shown)
			return;
		shown = key;
		node.replaceChildren(...agent.apps.map((app) => appRow(me, agent.name, app)));
		if (agent.apps.length === 0)
			node.append(el('li', el('span.quiet', 'It offers no app.')));
	} };
}

function agentCard(me, name) {
	const meta = ['since', 'rtt', 'streams', 'version'].map(() => el('span'));
	const traffic = rates();
	const list = apps(me);
	const dot = el('h2.dot', el('a', { href: `#agent/${encodeURIComponent(name)}` }, name));
	return {
		node: el('section.card.agent', el('header', dot, el('p.quiet.meta.num', meta), traffic.node), list.node),
		show(agent) {
			put(meta[0], `up ${span(Date.now() / 1000 - agent.since)}`);
			put(meta[1], agent.rttMs > 0 ? `${number(agent.rttMs)} ms away` : '');
			put(meta[2], `${number(agent.streams)} ${agent.streams === 1 ? 'stream' : 'streams'}`);
			put(meta[3], `adit ${agent.version}`);
			traffic.show(flow(name));
			list.show(agent);
		},
	};
}

function awayCard(name) {
	const text = el('p.quiet');
	return {
		node: el('section.card.agent', el('header', el('h2.dot.off', name), text)),
		show(status) {
			put(text, `away, last seen ${relative(away(status, name).since)}`);
		},
	};
}

// The first thing a newcomer needs: the command for the machine with the app.
export function firstAgent(me) {
	const base = me.base;
	const box = el('div.stack.tight');
	const command = (token) => `RELAY_TOKEN=${token} \\\n  adit agent --relay ${base} --app 3000`;
	box.append(el('p', 'On the machine that runs your app (here on its port 3000), with adit installed:'));
	if (me.role === 'admin' && !me.readonly && me.mode === 'accounts')
		box.append(el('p', button('Make a token and show the command', async (event) => {
			const made = await api('tokens/new', { kind: 'agent', name: 'first agent' });
			event.target.parentNode.replaceWith(copyable(command(made.token)),
			    el('p.quiet', 'The token is shown only now. This page goes on by itself when the agent is there.'));
		}, 'button')));
	else
		box.append(copyable(`adit agent --relay ${base} --token-file relay-token --app 3000`),
		    el('p.quiet', 'The relay keeps the token for agents in DATA/relay/relay-token; RELAY_TOKEN can be set instead.'));
	return card('No agent is connected yet', box);
}

export function overview(me, signal) {
	const total = { agents: stat('Agents'), apps: stat('Apps'), streams: stat('Streams'), down: stat('To people'), up: stat('To apps') };
	const list = el('div.cards');
	const cards = new Map();
	let empty = null;

	function card_(key, make) {
		if (!cards.has(key))
			cards.set(key, make());
		return cards.get(key);
	}
	follow((status) => {
		const { agents } = status;
		const sum = (fn) => agents.reduce((n, a) => n + fn(a), 0);
		put(total.agents.value, number(agents.length));
		put(total.apps.value, number(sum((a) => a.apps.length)));
		put(total.streams.value, number(sum((a) => a.streams)));
		put(total.down.value, `${bytes(sum((a) => now(flow(a.name).down)))}/s`);
		put(total.up.value, `${bytes(sum((a) => now(flow(a.name).up)))}/s`);
		const shown = new Set();
		const gone = (status.away ?? []).filter((a) => !agents.some((b) => b.name === a.name));
		[...agents.map((a) => [`+${a.name}`, () => agentCard(me, a.name), a]),
			...gone.map((a) => [`-${a.name}`, () => awayCard(a.name), status])].forEach(([key, make, data], i) => {
			const item = card_(key, make);
			item.show(data);
			shown.add(key);
			if (list.children[i] !== item.node)
				list.insertBefore(item.node, list.children[i] ?? null);
		});
		for (const [key, item] of cards)
			if (!shown.has(key)) {
				item.node.remove();
				cards.delete(key);
			}
		if (agents.length === 0 && gone.length === 0)
			list.append(empty ??= firstAgent(me));
		else
			empty = empty?.remove() ?? null;
	}, signal);
	return [title('Overview', me.role === 'viewer' && 'Your role may look at this, but opens no app.'), warnings(me),
		el('dl.stats', { 'aria-label': 'Now' }, Object.values(total).map((s) => s.node)), list];
}

const WHAT = { connected: 'Connected', cut: 'Cut', resumed: 'Resumed', gone: 'Gone' };

function logOf(agent) {
	const lines = agent.log ?? [];
	if (lines.length === 0)
		return el('p.quiet', 'Nothing yet.');
	return el('ul.list', lines.map((line) => el('li', el('span.grow', WHAT[line.what] ?? line.what,
	    line.why && el('span.quiet', line.why)), el('span.quiet.num', moment(line.t)))));
}

export function agent(me, signal, name) {
	const names = ['To people', 'To apps', 'Round trip', 'Streams', 'Received', 'Sent'];
	const stats = names.map(stat);
	const picture = graph(true);
	const peak = el('span');
	const state = el('span.tag');
	const facts = el('dl.facts');
	const list = apps(me);
	const log = el('div');
	let key = '';
	let times = 0;
	follow((status) => {
		const it = status.agents.find((a) => a.name === name);
		put(state, it ? 'connected' : 'not connected');
		if (it === undefined)
			return;
		const at = flow(name);
		picture.show(at);
		put(peak, `highest ${bytes(Math.max(0, ...at.down, ...at.up))}/s`);
		[`${bytes(now(at.down))}/s`, `${bytes(now(at.up))}/s`, it.rttMs > 0 ? `${number(it.rttMs)} ms` : '–', number(it.streams),
			bytes(it.bytesFromAgent), bytes(it.bytesToAgent)].forEach((text, i) => put(stats[i].value, text));
		list.show(it);
		// Times that are told as "ago" are told again each minute.
		const is = JSON.stringify([it.log, it.since, it.tunnelId, it.version]);
		if (is !== key || ++times % 60 === 0) {
			key = is;
			log.replaceChildren(logOf(it));
			facts.replaceChildren(...[['Connected', time(it.since)], ['Version', `adit ${it.version}`],
				['Tunnel', el('code', it.tunnelId)]].flatMap(([k, v]) => [el('dt', k), el('dd', v)]));
		}
	}, signal);
	return [title(name, null, state), el('dl.stats', stats.map((s) => s.node)),
		card('The last minute', picture,
		    el('p.quiet.num.legend', el('span.down', 'to people'), el('span.up', 'to apps'), peak)), el('section.card.flush', el('div.title', el('h2', 'Apps')), list.node),
		card('This connection', facts), el('section.card.flush', el('div.title', el('h2', 'Connects and cuts')), log)];
}
