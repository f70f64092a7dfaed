// gate.js: the pages before there is a session. First run; an invitation or a
// new password, whose secret stands after # in the link: it is taken out of the
// address at once, kept in this page's memory, and sent by POST only.

import { api, el, field, form, input, put, relative, submit, title } from './ui.js?v=HASH';
import { passwords } from './keys.js?v=HASH';

const NAME = { name: 'user', required: true, maxlength: 32, autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false',
	pattern: '[a-z0-9]([a-z0-9._\\-]*[a-z0-9])?', title: 'small letters and digits, with . _ - between them' };
const nameField = () => field('User name', el('input', NAME), '(small letters and digits)');

const unsafe = () => !isSecureContext && el('p.warn', 'This connection is not encrypted: whoever is on the way can read the password.');

async function enter(path, extra, values) {
	if (values.new !== values.again)
		throw new Error('The two passwords differ.');
	await api(path, { ...extra, user: values.user, password: values.new }, true);
	location.replace('/_adit/');
}

function show(main, ...nodes) {
	main.replaceChildren(...nodes.flat().filter(Boolean));
	document.title = `${main.querySelector('h1').textContent} · adit`;
	main.querySelector('input:not([type=hidden]):not([hidden])')?.focus();
}

export function setup(main) {
	show(main, title('First run', 'This relay has no account yet. Make the first: it is an admin.'), el('section.card', form(
	    (values) => enter('setup', { code: values.code.trim() }, values),
	    field('Setup code', input('code', { required: true, autocapitalize: 'characters', spellcheck: 'false', placeholder: 'XXXX-XXXX-XXXX-XXXX' }),
		'(on the relay\'s machine, in DATA/relay/setup-code)'),
	    nameField(), ...passwords(), unsafe(), el('div.actions', submit('Make the account')))),
	el('p.quiet', 'The code is good for one hour and five tries. A restart of the relay makes a new one; so does adit init, on the relay\'s machine.'));
}

export async function invite(main) {
	const secret = location.hash.slice(1);
	history.replaceState(null, '', location.pathname);
	// The same page with another link: begin again.
	addEventListener('hashchange', () => location.hash && invite(main), { once: true });
	const bad = (text) => show(main, title('This link does not work'), el('p.bad', { role: 'alert' }, text),
	    el('p', 'Links work once and for some days. Ask whoever sent it for a new one.'), el('p', el('a', { href: '/_adit/' }, 'Go to the login')));
	if (secret === '') {
		bad('There is no secret in it: copy the whole link, with what stands after #.');
		return;
	}
	let found;
	try {
		found = await api('invite/look', { secret }, true);
	} catch (error) {
		bad(error.message);
		return;
	}
	const reset = found.kind === 'reset';
	const user = reset ? [el('p', 'For the account ', el('b', found.user), '.'), el('input', { name: 'user', value: found.user,
		hidden: true, autocomplete: 'username' })] : nameField();
	const until = el('p.quiet');
	put(until, `The link ends ${relative(found.expires)}.`);
	show(main, title(reset ? 'A new password' : 'You are invited', !reset &&
	    `Choose a name and a password. Your role will be: ${found.role}.`), el('section.card', form(
	    (values) => enter('invite/accept', { secret }, values), user, ...passwords(), unsafe(),
	    el('div.actions', submit(reset ? 'Set it' : 'Join')))), until);
}
