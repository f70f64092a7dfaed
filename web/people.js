// people.js: who has an account, who is invited, and who may open which app.

import { all, api, button, card, copyable, dialog, el, field, form, number, relative, say, select, showCode, submit, sure,
	table, time, title } from './ui.js?v=HASH';
import { live } from './live.js?v=HASH';
import { warnings } from './overview.js?v=HASH';

const ROLES = { viewer: 'Viewer', member: 'Member', admin: 'Admin' };
const ROLES_SAY = { viewer: 'Viewer: looks at the dashboard, opens no app', member: 'Member: uses apps and channel',
	admin: 'Admin: everything' };

export const link = (me, made) => `${me.base}/_adit/invite#${made.secret}`;

// A link that is shown once: to be copied, or read by a phone's camera.
function showLink(me, heading, made) {
	const url = link(me, made);
	return [el('p', { role: 'status' }, `${heading} It works once, and ends ${relative(made.expires)}. It is shown only now.`),
		copyable(url), el('p', button('QR code', () => showCode('Scan it with the phone', url)))];
}

function roleOf(me, row, list) {
	if (me.readonly)
		return ROLES[row.role];
	const choice = select('role', ROLES, row.role);
	choice.setAttribute('aria-label', `Role of ${row.user}`);
	choice.addEventListener('change', async () => {
		try {
			await api('people/role', { user: row.user, role: choice.value });
			say(`${row.user} is now ${choice.value}.`);
		} catch (error) {
			say(error.message);
			list.reload();
		}
	});
	return choice;
}

export async function people(me) {
	if (me.mode !== 'accounts')
		return [title('People'), warnings(me), el('p.warn', me.mode === 'shared' ?
			'All people share one password (RELAY_PASSWORD). To give each their own account, take it out of the settings and run this on the relay\'s machine:' :
			'This relay has no accounts. To make the first one, on the relay\'s machine:'), copyable('adit init --user NAME')];
	const rows = table('People', ['Name', 'Role', 'Last seen', 'Sessions', ''], (row) => [
		el('b', row.user, row.user === me.user && el('small', ' (you)')), roleOf(me, row, rows), time(row.seen),
		number(row.sessions),
		!me.readonly && el('div.actions', button('Reset password', async () => {
			const made = await api('people/reset', { user: row.user });
			dialog(`A new password for ${row.user}`, showLink(me, 'Send this link to them.', made));
		}, 'plain.mini', { 'aria-label': `Reset password of ${row.user}` }),
		sure('Remove', 'Really remove?', async () => {
			await api('people/remove', { user: row.user });
			say(`${row.user} is removed, and logged out everywhere.`);
			await rows.reload();
		}, row.user)),
	], 'people', 'Nobody has an account.');
	const invites = table('Invitations', ['For', 'Made by', 'Ends', ''], (row) => [
		row.user ? `new password of ${row.user}` : ROLES[row.role] ?? row.role, row.by ?? '–', time(row.expires),
		!me.readonly && sure('Revoke', 'Really revoke?', async () => {
			await api('invites/revoke', { id: row.id });
			await invites.reload();
		}, row.user ?? row.role),
	], 'invites', 'No invitation is open.');
	await Promise.all([rows.reload(), invites.reload()]);
	const made = el('div.stack.tight');
	return [title('People'), warnings(me),
		!me.readonly && card('Invite somebody', form(async ({ role }) => {
			const fresh = await api('invites/new', { role });
			made.replaceChildren(...showLink(me, 'Send this link to one person.', fresh));
			await invites.reload();
		}, field('What they may do', select('role', ROLES_SAY, 'member')), el('div.actions', submit('Make a link'))), made),
		rows, el('h2', 'Open invitations'), invites].filter(Boolean);
}

// --- access: everyone who is logged in, or named people

function rule(me, app, now, users) {
	const named = Array.isArray(now);
	const choice = (value, text) => el('label.check', el('input', { type: 'radio', name: 'who', value,
		checked: (value === 'named') === named, disabled: me.readonly }), text);
	const list = el('fieldset', el('legend', `Who may open ${app}`), users.map((user) =>
		el('label.check', el('input', { type: 'checkbox', name: 'person', value: user, checked: named && now.includes(user),
			disabled: me.readonly }), user)));
	const node = form(async () => {
		const data = new FormData(node);
		const chosen = data.get('who') === 'named' ? data.getAll('person') : null;
		await api('access/set', { app, people: chosen });
		say(`Saved: ${app} is for ${chosen === null ? 'everyone who is logged in' : chosen.length === 0 ? 'nobody' :
			chosen.join(', ')}.`);
	}, el('fieldset', el('legend.name', app), choice('all', 'Everyone: members and admins'), choice('named', 'Only these people')),
	list, !me.readonly && el('div.actions', submit('Save', 'plain.mini')));
	const show = () => {
		list.hidden = node.elements.who.value !== 'named';
	};
	node.addEventListener('change', show);
	show();
	return el('section.card', node);
}

export async function access(me) {
	const [rules, users] = await Promise.all([all('access'),
		me.mode === 'accounts' ? all('people').then((rows) => rows.filter((r) => r.role !== 'viewer').map((r) => r.user)) : []]);
	const apps = new Map(rules.map((row) => [row.app, row.people]));
	const open = [];
	for (const agent of live.status?.agents ?? [])
		for (const app of agent.apps) {
			const name = `${agent.name}/${app.name}`;
			if (app.public)
				open.push(name);
			else if (!apps.has(name))
				apps.set(name, null);
		}
	for (const name of open)
		apps.delete(name);
	return [title('Access', 'Who may open which app. Named people means those and nobody else, admins included.'), warnings(me),
		open.length > 0 && card('Public', el('p', 'Anybody on the internet may use these; no login is asked, and no name is sent to them.'),
		    el('ul', open.map((name) => el('li.name', name))),
		    el('p.quiet', 'Set by --public at the relay and by the option public at the agent; to end it, take away either.')),
		me.mode !== 'accounts' && el('p.warn', 'Without accounts everybody is the same person here.'),
		[...apps].sort(([a], [b]) => a < b ? -1 : 1).map(([app, now]) => rule(me, app, now, [...new Set([...users, ...now ?? []])])),
		apps.size + open.length === 0 && el('p.quiet', 'No app has been here yet.')].filter(Boolean);
}
