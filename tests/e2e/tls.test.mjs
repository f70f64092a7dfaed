// https: our server against curl, openssl and Chromium; our agent against relays
// that are who they should be and others that are not, behind nginx and Caddy,
// through a proxy. Nobody here wrote those.

import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ADIT, cleanEnv, freePorts, newSecrets, onExit, restartRelay, run, shutDown, start, startAgent, startRelay, stopCleanly, tempDir, within } from './harness.mjs';
import { newPki } from './pki.mjs';

let pki;
let good;       // localhost, P-256, with its chain
let app;        // a port

before(async () => {
	pki = await newPki();
	good = await pki.sign('good');
	const server = createServer((req, res) => res.end(`app ${req.url} ${req.headers['x-forwarded-proto']}`));
	await new Promise((go) => server.listen(0, '127.0.0.1', go));
	app = server.address().port;
	onExit(() => new Promise((done) => {
		server.closeAllConnections?.();
		server.close(done);
	}));
});

after(shutDown);

async function secureRelay(certs = [good], { args = [], secrets = newSecrets(), ...options } = {}) {
	const tls = certs.flatMap((c) => ['--tls-cert', c.cert, '--tls-key', c.key]);
	const relay = await startRelay({ secrets, args: ['--root', 'web', ...tls, ...args], ...options });
	relay.origin = `https://localhost:${relay.port}`;
	return relay;
}

async function curl(...args) {
	const r = await run('curl', ['-sS', '--max-time', '20', '--noproxy', '*', ...args]);
	return { ...r, text: r.stdout.toString() };
}

async function sClient(port, args, input = '') {
	const r = await run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], { input });
	return { ...r, text: r.stdout.toString() + r.stderr };
}

// Logs in by curl and gets a page of the app.
async function openApp(relay, origin = relay.origin, ca = pki.ca) {
	const jar = join(tempDir('jar'), 'jar');
	const login = await curl('--cacert', ca, '-c', jar, '-H', 'content-type: application/json',
	    '-d', JSON.stringify({ password: relay.secrets.password }), `${origin}/_adit/api/auth/login`);
	assert.equal(login.text, '{"ok":true}', login.stderr);
	assert.match(readFileSync(jar, 'utf8'), /\tTRUE\t\d+\t__Host-adit\t/);
	return (await curl('--cacert', ca, '-b', jar, `${origin}/page`)).text;
}

const agent = (relay, url, args, options = {}) =>
	startAgent({ relay, url, apps: `web=127.0.0.1:${app}`, args, ...options });

describe('our server', () => {
	let relay;
	let rsa;

	before(async () => {
		rsa = await pki.sign('rsa', { kind: 'rsa', names: 'DNS:rsa.test' });
		const p384 = await pki.sign('p384', { kind: 'secp384r1', names: 'DNS:p384.test' });
		relay = await secureRelay([good, rsa, p384]);
		await agent(relay, relay.origin, ['--ca', pki.ca]);
	});

	it('serves an app over https, with Secure cookies, whatever a client says of its scheme', async () => {
		assert.equal(await openApp(relay), 'app /page https');
		const lie = await curl('--cacert', pki.ca, '-i', '-H', 'x-forwarded-proto: http', `${relay.origin}/_adit/login`);
		assert.doesNotMatch(lie.text, /http:\/\//);
	});

	it('speaks TLS 1.2 and nothing else', async () => {
		const yes = await sClient(relay.port, ['-tls1_2', '-CAfile', pki.ca]);
		assert.match(yes.text, /Verify return code: 0 \(ok\)/);
		assert.match(yes.text, /Secure Renegotiation IS supported/);
		assert.match(yes.text, /ECDHE-ECDSA-(AES128-GCM-SHA256|CHACHA20-POLY1305)/);
		for (const no of [['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], ['-tls1_3']])
			assert.notEqual((await sClient(relay.port, no)).code, 0, no[0]);
		for (const cipher of ['AES128-SHA', 'AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-SHA'])
			assert.notEqual((await sClient(relay.port, ['-tls1_2', '-cipher', cipher])).code, 0, cipher);
	});

	it('picks http/1.1 by ALPN, also for clients that would rather have h2', async () => {
		const r = await sClient(relay.port, ['-alpn', 'h2,http/1.1']);
		assert.match(r.text, /ALPN protocol: http\/1\.1/);
	});

	it('chooses the certificate by name, the first where none fits', async () => {
		for (const [name, want] of [['rsa.test', 'rsa'], ['p384.test', 'p384'], ['localhost', 'good'], ['nobody.test', 'good']]) {
			const r = await sClient(relay.port, ['-servername', name, '-CAfile', pki.ca]);
			assert.match(r.text, new RegExp(`subject=CN = ${want}\n`), name);
			assert.match(r.text, /Verify return code: 0/);
		}
		assert.match((await sClient(relay.port, ['-noservername'])).text, /subject=CN = good\n/);
	});

	it('resumes a session', async () => {
		const file = join(tempDir('session'), 's');
		assert.match((await sClient(relay.port, ['-sess_out', file])).text, /\nNew, TLSv1\.2/);
		assert.match((await sClient(relay.port, ['-sess_in', file])).text, /\nReused, TLSv1\.2/);
	});

	it('does not renegotiate', async () => {
		const r = await sClient(relay.port, ['-tls1_2'], 'R\nGET /healthz HTTP/1.1\r\n\r\n');
		assert.match(r.text, /RENEGOTIATING[^]*(no renegotiation|alert|closed|error)/i);
	});

	it('survives garbage and half a handshake, which it ends after some seconds', async () => {
		const ends = [];
		for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x40\x00', '\xff'.repeat(600), '\x16\x03\x01\x00\x05\x01\x00', '']) {
			const socket = connect(relay.port, '127.0.0.1');
			socket.on('error', () => {});
			socket.resume();
			socket.write(Buffer.from(bytes, 'latin1'));
			ends.push(new Promise((go) => socket.once('close', go)));
		}
		assert.equal(await openApp(relay), 'app /page https');
		await within(Promise.all(ends), 'their ends');
	});

	it('shows the page of login to Chromium', async () => {
		const r = await run('chromium', ['--headless=new', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors',
			`--user-data-dir=${tempDir('chromium')}`, '--dump-dom', `${relay.origin}/`]);
		assert.match(r.stdout.toString(), /type="password"/, r.stderr);
	});

	it('tells in /health how long the certificate is good', async () => {
		const dashboard = await secureRelay();
		const r = await curl('--cacert', pki.ca, `${dashboard.origin}/_adit/health`);
		assert.match(r.text, /"tls":\{"until":"[^"]+","days":2\d\}/);
		assert.ok(dashboard.proc.lines.some((l) => /certificate .*days=2\d/.test(l)));
		await stopCleanly(dashboard);
	});

	it('counts handshakes by their end in /metrics', async () => {
		const own = await secureRelay();
		const jar = join(tempDir('jar'), 'jar');
		const file = join(tempDir('session'), 's');
		await sClient(own.port, ['-sess_out', file]);
		await sClient(own.port, ['-sess_in', file]);
		const socket = connect(own.port, '127.0.0.1');
		socket.on('error', () => {});
		socket.resume();
		socket.write('GET / HTTP/1.1\r\n\r\n');
		await new Promise((go) => socket.once('close', go));
		await curl('--cacert', pki.ca, '-c', jar, '-H', 'content-type: application/json',
		    '-d', JSON.stringify({ password: own.secrets.password }), `${own.origin}/_adit/api/auth/login`);
		const { text } = await curl('--cacert', pki.ca, '-b', jar, `${own.origin}/_adit/metrics`);
		for (const [end, n] of [['full', 3], ['resumed', 1], ['failed', 1]])
			assert.ok(text.includes(`\nadit_tls_handshakes_total{end="${end}"} ${n}\n`), text);
		assert.match(text, /^adit_tls_days_left 2\d$/m);
		await stopCleanly(own);
	});

	it('refuses a key of another certificate, an encrypted one, none, at start', async () => {
		for (const [cert, key, why] of [[good.cert, rsa.key, /does not belong/], [good.cert, good.cert, /no private key/],
			['/nowhere/x.pem', good.key, /tls-cert .*No such file/]]) {
			const r = await run(ADIT, ['relay', '--check', '--no-login', '--tls-cert', cert, '--tls-key', key]);
			assert.equal(r.code, 2);
			assert.match(r.stderr, why);
		}
	});
});

describe('plain http beside it', () => {
	it('is sent to https, and https is remembered', async () => {
		const named = await pki.sign('named', { names: 'DNS:relay.test' });
		const [port] = await freePorts();
		const relay = await secureRelay([named], { args: ['--listen-http', `127.0.0.1:${port}`, '--domain', 'relay.test'], knownPorts: [port] });
		const to = ['--resolve', `relay.test:${port}:127.0.0.1`, '--resolve', `relay.test:${relay.port}:127.0.0.1`];
		const r = await curl(...to, '-i', '-d', 'x=1', `http://relay.test:${port}/a/b?c=d`);
		assert.match(r.text, /^HTTP\/1\.1 308 /);
		assert.ok(r.text.includes(`Location: https://relay.test:${relay.port}/a/b?c=d\r\n`), r.text);
		const other = await curl('-i', '-H', 'Host: evil.test', `http://127.0.0.1:${port}/`);
		assert.match(other.text, /^HTTP\/1\.1 421 /);
		const page = await curl(...to, '--cacert', pki.ca, '-i', `https://relay.test:${relay.port}/_adit/login`);
		assert.match(page.text, /\r\nStrict-Transport-Security: max-age=\d+\r\n/);
		await stopCleanly(relay);
	});

	it('warns beyond this machine, with the commands that end it', async () => {
		const relay = await startRelay({ listen: '0.0.0.0:0' });
		await relay.proc.waitFor(/plain http beyond this machine.*init --self-signed.*--tls-cert.*--pin/, 'the warning');
		await stopCleanly(relay);
		const far = start('far', ADIT, ['agent', '--relay', 'http://192.0.2.1:4000', '--data', tempDir('far')],
		    { env: cleanEnv({ RELAY_TOKEN: relay.secrets.token }) });
		await far.waitFor(/plain http to the relay.*init --self-signed.*--tls-cert.*--pin/, 'the warning');
		await far.stop();
	});
});

describe('certificates that change', () => {
	it('are read again at SIGHUP and by themselves; a bad pair is not used', async () => {
		const dir = tempDir('live');
		const live = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
		const use = (c) => {
			copyFileSync(c.cert, live.cert);
			copyFileSync(c.key, live.key);
		};
		const subject = async (relay) => (await sClient(relay.port, [])).text.match(/subject=CN = (\S+)/)[1];
		const next = await pki.sign('next');
		const third = await pki.sign('third');
		use(good);
		const relay = await secureRelay([live]);
		assert.equal(await subject(relay), 'good');
		use(next);
		relay.proc.child.kill('SIGHUP');
		await relay.proc.waitFor(/read again/, 'read again');
		assert.equal(await subject(relay), 'next');
		writeFileSync(live.key, 'nothing');
		relay.proc.child.kill('SIGHUP');
		await relay.proc.waitFor(/the old pair stays/, 'kept');
		assert.equal(await subject(relay), 'next');
		const from = relay.proc.lines.length;
		use(third);
		await relay.proc.waitFor(/read again/, 'seen without a signal', from);
		assert.equal(await subject(relay), 'third');
		await stopCleanly(relay);
	});
});

describe('our agent', () => {
	it('joins by CA and by pin, and an app is served through it', async () => {
		const relay = await secureRelay();
		for (const [url, args, env] of [
			[relay.origin, ['--ca', pki.ca]],
			[relay.origin.replace('https', 'wss'), [], { SSL_CERT_FILE: pki.ca }],
			[`https://127.0.0.1:${relay.port}`, ['--pin', good.pin]],
			[relay.origin, ['--pin', `sha256:${'A'.repeat(43)}=`, '--pin', good.pin]],
		]) {
			const one = await agent(relay, url, args, { env });
			assert.equal(await openApp(relay), 'app /page https');
			await stopCleanly(one);
		}
		await stopCleanly(relay);
	});

	it('reads its authorities again when they have changed', async () => {
		const other = await newPki();
		const next = await other.sign('next');
		const ca = join(tempDir('roots'), 'roots.pem');
		chmodSync(dirname(ca), 0o755);
		copyFileSync(pki.ca, ca);
		const files = (pair) => ['--root', 'web', '--tls-cert', pair.cert, '--tls-key', pair.key];
		let relay = await secureRelay();
		const one = await agent(relay, relay.origin, ['--ca', ca]);
		// In place, which the sandbox lets it read.
		await stopCleanly(relay);
		let from = one.proc.lines.length;
		writeFileSync(ca, readFileSync(pki.ca, 'utf8') + readFileSync(other.ca, 'utf8'));
		relay = await restartRelay(relay, { args: files(next) });
		await one.proc.waitFor(/certificate authorities read again.* n=2/, 'both of them', from);
		await one.proc.waitFor(/agent: accepted/, 'the relay of the new one', from);
		assert.equal(await openApp(relay, `https://localhost:${relay.port}`, other.ca), 'app /page https');
		// Another file, which it does not.
		await stopCleanly(relay);
		from = one.proc.lines.length;
		copyFileSync(pki.ca, `${ca}.new`);
		renameSync(`${ca}.new`, ca);
		relay = await restartRelay(relay, { args: files(next) });
		await one.proc.waitFor(/authorities have changed and cannot be read.*Permission denied/, 'why not', from);
		await one.proc.waitFor(/agent: accepted/, 'the relay once more', from);
		await stopCleanly(one);
		await stopCleanly(relay);
	});

	it('sends its token to nobody else', async () => {
		const relays = [
			['expired', { from: -9, to: -2 }, /expired on \d{4}-.*clock says/],
			['early', { from: 2, to: 9 }, /not valid before/],
			['foreign', { names: 'DNS:other.test' }, /for another name/],
			['selfmade', { self: true }, /no CA that is trusted here/],
			['alone', { alone: true }, /chain is incomplete/],
		];
		for (const [name, options, why] of relays) {
			const relay = await secureRelay([await pki.sign(name, options)]);
			const one = await agent(relay, relay.origin, ['--ca', pki.ca], { wait: false });
			await one.proc.waitFor(why, `${name}: ${why}`);
			assert.ok(!relay.proc.lines.some((l) => /agent connected|token/.test(l) && !/joins with/.test(l)), name);
			await one.proc.stop();
			await relay.proc.stop();
		}
		const relay = await secureRelay();
		const untrusting = await agent(relay, relay.origin, [], { wait: false });
		await untrusting.proc.waitFor(/no CA that is trusted here/, 'the system does not know our CA');
		const pinned = await agent(relay, relay.origin, ['--pin', `sha256:${'A'.repeat(43)}=`], { wait: false });
		await pinned.proc.waitFor(/not the pinned one but sha256:/, 'the wrong key');
		await untrusting.proc.stop();
		await pinned.proc.stop();
		await stopCleanly(relay);
	});

	it('names servers that speak another TLS, or none', async () => {
		const relay = await secureRelay();
		for (const [flags, why] of [
			[['-tls1_3'], /does not speak TLS 1\.2/],
			[['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], /does not speak TLS 1\.2|older than TLS 1\.2/],
		]) {
			const [port] = await freePorts();
			const server = start('s_server', 'openssl', ['s_server', '-accept', `127.0.0.1:${port}`,
				'-www', '-cert', good.cert, '-key', good.key, ...flags]);
			await server.waitFor(/ACCEPT/, 'listening');
			const one = await agent(relay, `https://localhost:${port}`, ['--ca', pki.ca], { wait: false });
			await one.proc.waitFor(why, String(why));
			await one.proc.stop();
			await server.stop();
		}
		const plain = await agent(relay, `https://localhost:${app}`, ['--ca', pki.ca], { wait: false });
		await plain.proc.waitFor(/does not speak TLS/, 'plain http');
		await plain.proc.stop();
		await stopCleanly(relay);
	});

	it('refuses an address without a pin, and a pin without https', async () => {
		const env = cleanEnv({ RELAY_TOKEN: newSecrets().token });
		for (const [args, why] of [[['--relay', 'https://192.0.2.1'], /--pin/], [['--relay', 'http://x.test', '--pin', good.pin], /pin is for https/]]) {
			const r = await run(ADIT, ['agent', '--check', ...args], { env });
			assert.equal(r.code, 2);
			assert.match(r.stderr, why);
		}
	});

	for (const kind of ['nginx', 'caddy']) {
		it(`joins a relay behind ${kind}`, async () => {
			const [port] = await freePorts();
			const relay = await startRelay({ args: ['--root', 'web', '--trust-proxy', 'true'], knownPorts: [port] });
			const front = startFront(kind, port, relay.port);
			await front.waitFor(kind === 'nginx' ? /start worker process/ : /serving initial configuration/, 'ready');
			const origin = `https://localhost:${port}`;
			const one = await agent(relay, origin, ['--ca', pki.ca]);
			assert.equal(await openApp(relay, origin), 'app /page https');
			await stopCleanly(one);
			await front.stop(kind === 'nginx' ? 'SIGTERM' : 'SIGKILL');
			await stopCleanly(relay);
		});
	}
});

function startFront(kind, port, upstream) {
	const dir = tempDir(kind);
	const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((t) => `${t}_temp_path ${join(dir, t)};`);
	if (kind === 'nginx') {
		writeFileSync(join(dir, 'nginx.conf'), `${process.getuid() === 0 ? 'user root;' : ''}
daemon off; worker_processes 1; pid ${dir}/pid; error_log stderr notice;
events { worker_connections 256; }
http {
	access_log off;
	${temporary.join('\n\t')}
	server {
		listen 127.0.0.1:${port} ssl;
		ssl_certificate ${good.cert};
		ssl_certificate_key ${good.key};
		location / {
			proxy_pass http://127.0.0.1:${upstream};
			proxy_http_version 1.1;
			proxy_set_header Host $http_host;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $http_connection;
			proxy_set_header X-Forwarded-For $remote_addr;
			proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
}
`);
		return start('nginx', '/usr/sbin/nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'], { stopBy: 'SIGTERM' });
	}
	writeFileSync(join(dir, 'Caddyfile'), `{
	admin off
	auto_https disable_redirects
	skip_install_trust
	default_bind 127.0.0.1
}
https://localhost:${port} {
	tls ${good.cert} ${good.key}
	reverse_proxy 127.0.0.1:${upstream}
}
`);
	mkdirSync(join(dir, 'home'));
	return start('caddy', '/usr/bin/caddy', ['run', '--config', join(dir, 'Caddyfile'), '--adapter', 'caddyfile'],
	    { env: cleanEnv({ HOME: join(dir, 'home'), XDG_DATA_HOME: join(dir, 'home'), XDG_CONFIG_HOME: join(dir, 'home') }) });
}

describe('through a proxy (tinyproxy)', () => {
	async function tinyproxy(extra) {
		const [port] = await freePorts();
		const conf = join(tempDir('tinyproxy'), 'conf');
		writeFileSync(conf, `Port ${port}\nListen 127.0.0.1\nTimeout 600\nLogLevel Info\nAllow 127.0.0.1\n${extra}`);
		const proc = start('tinyproxy', 'tinyproxy', ['-d', '-c', conf]);
		await proc.waitFor(/Accepting connections|Starting main loop/, 'ready');
		return { proc, port };
	}

	it('reaches the relay with CONNECT, with and without credentials', async () => {
		const relay = await secureRelay();
		const open = await tinyproxy('');
		const shut = await tinyproxy('BasicAuth user pass-word\n');
		for (const [proxy, url] of [[open, `http://127.0.0.1:${open.port}`], [shut, `http://user:pass%2Dword@localhost:${shut.port}/`]]) {
			const one = await agent(relay, relay.origin, ['--ca', pki.ca], { env: { HTTPS_PROXY: url } });
			assert.equal(await openApp(relay), 'app /page https');
			await proxy.proc.waitFor(/CONNECT localhost/, 'the proxy was used');
			await stopCleanly(one);
		}
		const [nobody] = await freePorts();
		await stopCleanly(await agent(relay, relay.origin, ['--ca', pki.ca],
		    { env: { HTTPS_PROXY: `http://127.0.0.1:${nobody}`, NO_PROXY: 'example.org,localhost' } }));
		const stranger = await agent(relay, relay.origin, ['--ca', pki.ca],
		    { env: { HTTPS_PROXY: `http://127.0.0.1:${shut.port}` }, wait: false });
		await stranger.proc.waitFor(/the proxy wants credentials/, '407');
		await stranger.proc.stop();
		await stopCleanly(relay);
	});
});

describe('adit init --self-signed', () => {
	it('makes a pair that openssl reads, and two commands that work', async () => {
		const dir = tempDir('init');
		const made = await run(ADIT, ['init', '--self-signed', '--name', '127.0.0.1', '--data', dir]);
		assert.equal(made.code, 0, made.stderr);
		const pin = made.stdout.toString().match(/--pin (sha256:\S{44})/)[1];
		const it = { cert: join(dir, 'relay/tls-cert.pem'), key: join(dir, 'relay/tls-key.pem'), pin };
		assert.equal(statSync(it.key).mode & 0o777, 0o600);
		const text = (await run('openssl', ['x509', '-in', it.cert, '-noout', '-text'])).stdout.toString();
		assert.match(text, /Version: 3 \(0x2\)[^]*ecdsa-with-SHA256[^]*CN = 127\.0\.0\.1[^]*CA:FALSE[^]*IP Address:127\.0\.0\.1/);
		assert.equal((await run('openssl', ['verify', '-x509_strict', '-CAfile', it.cert, it.cert])).code, 0);
		assert.equal((await run('openssl', ['pkey', '-in', it.key, '-noout', '-check'])).code, 0);
		const relay = await secureRelay([it]);
		await agent(relay, `https://127.0.0.1:${relay.port}`, ['--pin', pin]);
		assert.equal(await openApp(relay, `https://127.0.0.1:${relay.port}`, it.cert), 'app /page https');
		// Agents have the pin: a pair that is there stays.
		const again = await run(ADIT, ['init', '--self-signed', '--data', dir]);
		assert.match(again.stdout.toString(), /There already, and kept/);
		assert.ok(again.stdout.toString().includes(pin));
		await stopCleanly(relay);
	});

	it('adit start with it is an agent of its own relay', async () => {
		const [port] = await freePorts();
		const dir = tempDir('start');
		const secrets = newSecrets();
		const both = start('start', ADIT, ['start', '--listen', `127.0.0.1:${port}`, '--data', dir, '--root', 'web',
			'--app', `web=127.0.0.1:${app}`, '--tls-cert', good.cert, '--tls-key', good.key],
		{ env: cleanEnv({ RELAY_PASSWORD: secrets.password }) });
		await both.waitFor(/\baccepted\b/, 'accepted');
		assert.equal(await openApp({ secrets }, `https://localhost:${port}`), 'app /page https');
		assert.equal((await within(both.stop(), 'the end')).code, 0);
	});
});
