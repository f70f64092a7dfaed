// keys.js: what opens doors. Tokens for agents and programs; one's own password
// and sessions.

import { api, button, card, copyable, el, field, form, input, moment, say, select, submit, sure, table, time, title,
	toLogin } from './ui.js?v=HASH';
import { live } from './live.js?v=HASH';
import { warnings } from './overview.js?v=HASH';

const KINDS = { agent: 'Agent', api: 'API', channel: 'Workstation' };
const KINDS_SAY = { agent: 'an agent: offers apps', api: 'a program: uses the API', channel: 'a workstation: joins the channel' };
const SCOPES = { read: 'read: status', metrics: 'metrics', apps: 'apps: open them', admin: 'admin: everything' };
const LIVES = { 0: 'until it is revoked', 2592000: '30 days', 7776000: '90 days', 31536000: 'one year' };

function use(me, made, values) {
	const base = me.base;
	if (values.kind === 'agent')
		return [el('p', 'On the machine that runs the app (here on its port 3000):'), copyable(`RELAY_TOKEN=${made.token} \\\n  adit agent --relay ${base}` +
		    `${values.agent ? ` --name ${values.agent}` : ''} --app 3000`)];
	if (values.kind === 'api')
		return copyable(`curl -H 'Authorization: Bearer ${made.token}' ${base}/_adit/api/relay/status`);
	return [el('p', 'The API key of that workstation:'), copyable(made.token)];
}

function newToken(me, done) {
	const shown = el('div.stack.tight');
	const agent = field('Agent\'s name', input('agent', { pattern: '[a-z0-9]([a-z0-9\\-]*[a-z0-9])?', maxlength: 30,
		placeholder: 'any name', title: 'small letters, digits and hyphens' }), '(optional)');
	const scopes = el('fieldset.all', { hidden: true }, el('legend', 'It may'), Object.entries(SCOPES).map(([value, text]) =>
		el('label.check', el('input', { type: 'checkbox', name: 'scope', value, checked: value === 'read' }), text)));
	const node = form(async (values) => {
		const body = { kind: values.kind, name: values.name };
		if (values.kind === 'agent' && values.agent)
			body.agent = values.agent;
		if (values.kind === 'api')
			body.scopes = new FormData(node).getAll('scope');
		if (values.life !== '0')
			body.ttl_s = Number(values.life);
		const made = await api('tokens/new', body);
		shown.replaceChildren(el('p', { role: 'status' }, el('b', 'This is shown only now:')), el('pre', { tabindex: 0 }, made.token),
		    ...[use(me, made, values)].flat());
		node.reset();
		show();
		await done();
	}, field('For', select('kind', KINDS_SAY, 'agent')),
	field('Label', input('name', { required: true, maxlength: 64, placeholder: 'laptop of Ada' })), agent,
	field('Good', select('life', LIVES, 0)), scopes, el('div.actions', submit('Make a token')));
	node.classList.add('wide');
	const show = () => {
		agent.hidden = node.elements.kind.value !== 'agent';
		scopes.hidden = node.elements.kind.value !== 'api';
	};
	node.addEventListener('change', show);
	return card('New token', node, shown);
}

export async function tokens(me) {
	const rows = table('Tokens', ['Label', 'For', 'Last used', 'Made', 'Ends', ''], (row) => [
		el('b', row.name), [KINDS[row.kind] ?? row.kind, row.agent ? ` ${row.agent}` : '', row.scopes?.length > 0 ? `: ${[].concat(row.scopes).join(', ')}` : ''],
		time(row.used), [time(row.created, '–'), row.by ? ` by ${row.by}` : ''], time(row.expires),
		!me.readonly && sure('Revoke', 'Really revoke?', async () => {
			await api('tokens/revoke', { id: row.id });
			say('Revoked, and what it had open is closed.');
			await rows.reload();
		}, row.name),
	], 'tokens', 'No token has been made. Agents can also use the relay\'s own, from its settings or DATA/relay/relay-token.');
	await rows.reload();
	return [title('Tokens', 'For agents, programs and workstations. Each is kept as a hash: it cannot be shown again.'), warnings(me),
		!me.readonly && newToken(me, () => rows.reload()), rows].filter(Boolean);
}

// --- you

// "Firefox on Linux" out of what the browser calls itself.
export function device(agent = '') {
	const browser = /Edg\//.test(agent) ? 'Edge' : /Firefox\//.test(agent) ? 'Firefox' :
		/Chrom(e|ium)\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : '';
	const system = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS X', 'CrOS', 'Linux'].find((s) => agent.includes(s)) ?? '';
	return browser && system ? `${browser} on ${system.replace('Mac OS X', 'Mac')}` : agent || 'unknown';
}

function sessions(me) {
	const every = el('input', { type: 'checkbox' });
	let rows = null;
	const place = el('div');
	const show = async () => {
		const others = every.checked;
		rows = table('Sessions', [...others ? ['Who'] : [], 'Device', 'Address', 'Since', 'Last seen', ''], (row) => [
			...others ? [row.user] : [],
			el('span', { title: row.device ?? '' }, device(row.device), row.current && el('span.tag', 'this device')),
			row.from, moment(row.since), time(row.seen, '–'),
			row.current ? null : sure('End', 'Really end?', async () => {
				await api('sessions/revoke', { id: row.id });
				say('That session has ended, and what it had open is closed.');
				await rows.reload();
			}, `the session ${device(row.device)}, ${row.from}`),
		], others ? 'sessions?all=1' : 'sessions', 'None.');
		place.replaceChildren(rows);
		await rows.reload();
	};
	every.addEventListener('change', () => show().catch((error) => say(error.message)));
	return { show, node: [el('div.title', el('h2', 'Sessions'), me.role === 'admin' &&
		el('label.check', every, 'of everybody')), place] };
}

export async function you(me) {
	const list = sessions(me);
	await list.show();
	return [title('You', `${me.user}, ${me.role}`),
		me.mode === 'accounts' && card('Password', form(async (values, node) => {
			if (values.new !== values.again)
				throw new Error('The two new passwords differ.');
			await api('me/password', { old: values.old, new: values.new });
			node.reset();
			say('Changed. Your other sessions have ended.');
			await list.show();
		}, el('input', { hidden: true, autocomplete: 'username', value: me.user, name: 'user' }),
		field('Present password', input('old', { type: 'password', autocomplete: 'current-password', required: true })),
		...passwords(), el('div.actions', submit('Change it')))), ...list.node].filter(Boolean);
}

export const passwords = () => [
	field('New password', input('new', { type: 'password', autocomplete: 'new-password', required: true, minlength: 8, maxlength: 256 }),
	    '(8 characters or more)'),
	field('Once more', input('again', { type: 'password', autocomplete: 'new-password', required: true }))];
