// ui.js: what every page is made of. Elements are made by el() and text only
// ever becomes text: nothing here or elsewhere parses a string as HTML.

const SVG = 'http://www.w3.org/2000/svg';

// el('p.quiet.big', { id: 'x', onclick: fn }, 'text', node, [nodes], null)
export function el(what, ...kids) {
	const [tag, ...classes] = what.split('.');
	const node = tag === 'svg' || tag === 'path' ?
	    document.createElementNS(SVG, tag) : document.createElement(tag);
	if (classes.length > 0)
		node.setAttribute('class', classes.join(' '));
	if (kids[0]?.constructor === Object) {
		for (const [key, value] of Object.entries(kids.shift())) {
			if (key.startsWith('on'))
				node.addEventListener(key.slice(2), value);
			else if (value !== false && value !== undefined)
				node.setAttribute(key, value === true ? '' : value);
		}
	}
	node.append(...kids.flat(9).filter((kid) => kid !== null && kid !== undefined && kid !== false));
	return node;
}

export const $ = (id) => document.getElementById(id);

// Only when it differs: a live region would speak again, a selection go away.
export function put(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

export function say(text) {
	put($('said'), text);
	clearTimeout(say.timer);
	say.timer = setTimeout(() => put($('said'), ''), 6000);
}

// --- numbers and times, as this browser's owner writes them

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
const STEPS = [['day', 86400], ['hour', 3600], ['minute', 60]];

export const number = (n) => whole.format(n ?? 0);

export function bytes(n) {
	let unit = 0;
	for (; n >= 1000 && unit < 4; unit++)
		n /= 1000;
	return `${(unit > 0 && n < 100 ? tenth : whole).format(n)} ${['B', 'kB', 'MB', 'GB', 'TB'][unit]}`;
}

export function span(seconds) {
	const at = STEPS.findIndex(([, size]) => seconds >= size);
	const [unit, size] = STEPS[at] ?? ['second', 1];
	return new Intl.NumberFormat(undefined, { style: 'unit', unit, unitDisplay: 'long' })
		.format(Math.floor(Math.max(0, seconds) / size));
}

export function relative(t) {
	const left = t - Date.now() / 1000;
	const [unit, size] = STEPS.find(([, s]) => Math.abs(left) >= s) ?? ['second', 1];
	return ago.format(Math.trunc(left / size), unit);
}

// A time in seconds; the whole date is in its title.
export function time(t, none = 'never') {
	if (!t)
		return none;
	const date = new Date(t * 1000);
	return el('time', { datetime: date.toISOString(), title: when.format(date) }, relative(t));
}

export function moment(t) {
	const date = new Date(t * 1000);
	const today = date.toDateString() === new Date().toDateString();
	return el('time', { datetime: date.toISOString(), title: when.format(date) },
	    (today ? clock : when).format(date));
}

// --- the relay

export class Refused extends Error {
	constructor(status, text) {
		super(text);
		this.status = status;
	}
}

export function toLogin() {
	const back = location.pathname + location.hash;
	location.assign(`/_adit/login?next=${encodeURIComponent(back)}`);
	return new Promise(() => {});   // the page is on its way out
}

// GET, or POST where there is a body. Throws Refused with words for people.
export async function api(path, body, open = false) {
	let answer;
	try {
		answer = await fetch(`/_adit/api/${path}`, body && {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify(body),
		});
	} catch {
		throw new Refused(0, 'The relay does not answer. Try again in a moment.');
	}
	const data = await answer.json().catch(() => ({}));
	if (answer.status === 401 && !open)
		return toLogin();
	if (!answer.ok)
		throw new Refused(answer.status, data.error ?? `The relay answered ${answer.status}.`);
	return data;
}

// --- parts of pages

export const title = (text, words, ...more) =>
	el('div.title', el('h1', text), more, words && el('p.quiet', words));

export const card = (heading, ...kids) => el('section.card.stack', heading && el('h2', heading), kids);

export function field(text, input, hint) {
	return el('label', text, hint && el('small', ` ${hint}`), input);
}

export const input = (name, more = {}) => el('input', { name, autocomplete: 'off', ...more });

export const select = (name, options, chosen) => el('select', { name },
    Object.entries(options).map(([value, text]) =>
	el('option', { value, selected: value === String(chosen) }, text)));

// A form that runs `act(its values, form)` once at a time and shows its refusal.
export function form(act, ...kids) {
	const wrong = el('p.bad.all', { role: 'alert' });
	const node = el('form', {
		async onsubmit(event) {
			event.preventDefault();
			const button = node.querySelector('[type=submit]');
			button.disabled = true;
			put(wrong, '');
			try {
				await act(Object.fromEntries(new FormData(node)), node);
			} catch (error) {
				put(wrong, error.message);
			}
			button.disabled = false;
		},
	}, kids, wrong);
	return node;
}

export const submit = (text, kind) => el(kind ? `button.${kind}` : 'button', { type: 'submit' }, text);

export const button = (text, act, kind = 'plain', more = {}) => el(`button.${kind}`, {
	type: 'button', ...more,
	async onclick(event) {
		try {
			await act(event);
		} catch (error) {
			say(error.message);
		}
	},
}, text);

// Asks once more by its own label; leaving it takes the question back.
export function sure(text, question, act, of = '') {
	const node = button(text, async () => {
		if (node.classList.toggle('sure')) {
			label(question);
			return;
		}
		node.disabled = true;
		try {
			await act();
		} finally {
			node.disabled = false;
			label(text);
		}
	}, 'danger');
	function label(words) {
		put(node, words);
		node.setAttribute('aria-label', `${words} ${of}`);
	}
	node.addEventListener('blur', () => {
		node.classList.remove('sure');
		label(text);
	});
	label(text);
	return node;
}

export async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		// Without https a browser has no clipboard for us; this still works.
		const area = el('textarea', { readonly: true, 'aria-hidden': 'true' });
		const back = document.activeElement;
		area.value = text;
		(back?.closest('dialog') ?? document.body).append(area);
		area.select();
		const done = document.execCommand('copy');
		area.remove();
		back?.focus();
		if (!done)
			throw new Refused(0, 'The browser did not let it be copied: select it by hand.');
	}
	say('Copied.');
}

export const copyable = (text) => el('div.copy', el('pre', { tabindex: 0 }, text),
    button('Copy', () => copy(text), 'plain.mini'));

export function dialog(heading, ...kids) {
	const back = document.activeElement;
	const node = el('dialog.stack', { 'aria-labelledby': 'dialog', onclose() {
		node.remove();
		if (back?.isConnected)
			back.focus();
	} }, el('h2', { id: 'dialog' }, heading), kids,
	    el('div.actions', button('Close', () => node.close())));
	document.body.append(node);
	node.showModal();
	return node;
}

export async function showCode(heading, url) {
	const { qr } = await import('./qr.js?v=HASH');
	const code = qr(url);
	const size = code?.length + 8;
	const dark = code?.flatMap((row, y) => row.flatMap((on, x) => on ? `M${x + 4} ${y + 4}h1v1h-1z` : []));
	return dialog(heading, code && el('svg.qr', { viewBox: `0 0 ${size} ${size}`, role: 'img',
		'aria-label': `QR code of ${url}`, 'shape-rendering': 'crispEdges' }, el('path', { d: dark.join('') })),
	copyable(url));
}

// Rows of a list in pages: a table, its headings, and More.
export function table(caption, heads, rowOf, path, none) {
	const body = el('tbody', { role: 'rowgroup' });
	const more = button('Show more', () => load(), 'plain.mini');
	const empty = el('p.quiet.pad', none);
	const node = el('section.card.flush', el('table', { role: 'table', 'aria-label': caption },
	    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' },
		heads.map((h) => h ? el('th', { role: 'columnheader', scope: 'col' }, h) : el('td', { role: 'cell' })))), body),
	empty, el('div.pad', more));
	let after;
	async function load() {
		const list = await api(after ? `${path}${path.includes('?') ? '&' : '?'}after=${encodeURIComponent(after)}` : path);
		for (const row of list.rows ?? []) {
			const cells = rowOf(row);
			body.append(el(`tr${row.current ? '.now' : ''}`, { role: 'row' }, cells.map((cell, i) =>
				el('td', { role: 'cell', 'data-l': heads[i] }, cell && el('div', cell)))));
		}
		after = list.next;
		more.parentNode.hidden = !after;
		empty.hidden = body.firstChild !== null;
	}
	more.parentNode.hidden = true;
	empty.hidden = true;
	node.reload = () => {
		body.replaceChildren();
		after = undefined;
		return load();
	};
	return node;
}

// All of a list that is short by nature.
export async function all(path) {
	const rows = [];
	let after;
	do {
		const list = await api(after ? `${path}?after=${encodeURIComponent(after)}` : path);
		rows.push(...list.rows ?? []);
		after = list.next;
	} while (after && rows.length < 2000);
	return rows;
}
