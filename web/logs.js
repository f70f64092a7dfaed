// logs.js: what was done, and how the relay is set.

import { api, card, el, moment, table, title } from './ui.js?v=HASH';
import { warnings } from './overview.js?v=HASH';

export async function audit() {
	const rows = table('Audit log', ['When', 'Who', 'What', 'From'], (row) => [moment(row.t), row.who || '–',
		[el('b', row.what), ' ', row.on, ' ', row.note && el('span.quiet', row.note)],
		row.from || '–'], 'audit', 'Nothing yet.');
	await rows.reload();
	return [title('Audit log', 'Who did what, from where; newest first. On the relay\'s machine: adit audit'), rows];
}

const FROM = { flag: 'flag', environment: 'environment', file: 'file', default: 'default' };

export async function settings(me) {
	const { rows = [], checks = [] } = await api('settings');
	return [title('Settings', 'As they are in force. They are changed by flags, environment or adit.json at a start of the relay.'),
		warnings(me),
		checks.length > 0 && el('section.card.flush', el('div.title', el('h2', 'Health')), el('ul.list', checks.map((check) =>
			el('li', el(`span.grow.dot${check.ok ? '' : '.part'}`, el('b', check.name), el('span.quiet', check.text)),
			    el(`span.tag${check.ok ? '' : '.hot'}`, check.ok ? 'good' : 'look at this'))))),
		el('section.card.flush', el('table', { role: 'table', 'aria-label': 'Settings' },
		    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ['Setting', 'Value', 'Set by'].map((h) =>
			el('th', { role: 'columnheader', scope: 'col' }, h)))),
		    el('tbody', { role: 'rowgroup' }, rows.map((row) => el('tr', { role: 'row' },
			[el('code', row.name), row.value || '–', FROM[row.from] ?? row.from].map((cell, i) =>
				el('td', { role: 'cell', 'data-l': ['Setting', 'Value', 'Set by'][i] }, cell && el('div', cell)))))))),
		card('From the outside', el('p', 'What only another machine can see (DNS, the certificate, a proxy that drops headers):'),
		    el('pre', { tabindex: 0 }, `adit doctor --relay ${me.base}`))].filter(Boolean);
}
