// app.js: starts the dashboard. Who is it, which page is asked for, and the
// frame around it. What a person may do is decided by the relay each time; here
// it only decides what is worth showing.

import { $, Refused, api, button, el, say, title, toLogin } from './ui.js?v=HASH';
import { live, start } from './live.js?v=HASH';

const person = (me) => me.mode !== 'none';
const admin = (me) => me.role === 'admin' && person(me);

// Route: name, who sees it, module, function.
const PAGES = {
	'': ['Overview', () => true, () => import('./overview.js?v=HASH'), 'overview'],
	people: ['People', admin, () => import('./people.js?v=HASH'), 'people'],
	access: ['Access', admin, () => import('./people.js?v=HASH'), 'access'],
	tokens: ['Tokens', admin, () => import('./keys.js?v=HASH'), 'tokens'],
	channel: ['Channel', () => true, () => import('./channel.js?v=HASH'), 'channel'],
	audit: ['Audit log', admin, () => import('./logs.js?v=HASH'), 'audit'],
	settings: ['Settings', (me) => me.role === 'admin', () => import('./logs.js?v=HASH'), 'settings'],
	you: ['You', person, () => import('./keys.js?v=HASH'), 'you'],
	agent: [null, () => true, () => import('./overview.js?v=HASH'), 'agent'],
};

const main = $('main');
const menu = $('menu');
let leave = new AbortController();

function openMenu(is) {
	document.body.classList.toggle('open', is);
	menu.setAttribute('aria-expanded', is);
}

// #people, #agent/NAME
async function show(first) {
	const [name, ...rest] = location.hash.slice(1).split('/');
	if (name === 'main') {
		main.focus();
		return;
	}
	const [label, sees, load, fn] = PAGES[name] ?? PAGES[''];
	openMenu(false);
	leave.abort();
	leave = new AbortController();
	const { signal } = leave;
	for (const a of $('nav').children)
		if (a.getAttribute('href') === `#${name === 'agent' ? '' : name}`)
			a.setAttribute('aria-current', 'page');
		else
			a.removeAttribute('aria-current');
	let nodes;
	try {
		if (!sees(live.me))
			throw new Refused(403, 'Your role does not open this page. An admin can change that.');
		nodes = await (await load())[fn](live.me, signal, decodeURIComponent(rest.join('/')));
	} catch (error) {
		if (!(error instanceof Refused))
			console.error(error);
		nodes = [title(label ?? name), el('p.bad', { role: 'alert' }, error.message),
			el('p', button('Try again', () => show(), 'plain'))];
	}
	if (signal.aborted)
		return;
	main.replaceChildren(...nodes.flat());
	document.title = `${main.querySelector('h1').textContent} · adit`;
	if (!first) {
		scrollTo(0, 0);
		main.focus({ preventScroll: true });
	}
}

function frame(me) {
	$('nav').replaceChildren(...Object.entries(PAGES).filter(([, [label, sees]]) => label && sees(me))
		.map(([name, [label]]) => el('a', { href: `#${name}`, onclick: (event) =>
			event.target.hasAttribute('aria-current') && event.target.hash === location.hash && show() }, label)));
	menu.hidden = false;
	menu.addEventListener('click', () => openMenu(menu.getAttribute('aria-expanded') === 'false'));
	document.addEventListener('keydown', (event) => {
		if (event.key === 'Escape' && document.body.classList.contains('open')) {
			openMenu(false);
			menu.focus();
		}
	});
	if (person(me))
		$('who').append(el('b', me.user), el('div', me.role), button('Log out', async () => {
			await api('auth/logout', {}, true);
			location.assign('/_adit/login');
		}, 'plain', { id: 'logout' }));
}

async function dashboard() {
	const begun = start();
	try {
		Object.assign(live.me, await api('me'));
	} catch (error) {
		main.replaceChildren(title('Not now'), el('p.bad', { role: 'alert' }, error.message),
		    el('p', button('Try again', () => location.reload())));
		return;
	}
	await begun;
	frame(live.me);
	addEventListener('hashchange', () => show().catch((error) => say(error.message)));
	await show(true);
}

const gate = location.pathname.match(/\/(setup|invite)$/);
if (gate)
	import('./gate.js?v=HASH').then((g) => g[gate[1]](main));
else
	dashboard();
// A page that the browser kept from before logging out shows nothing old.
addEventListener('pageshow', (event) => {
	if (event.persisted && !gate)
		api('auth/check').catch(() => toLogin());
});
