// channel.test.mjs: the channel with workstations and clients on the package ws:
// registration, connection, forwarding, presence, and what must not work.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { App } from './app.mjs';
import { ADIT, cleanEnv, login, peakMib, restartRelay, run, shutDown, startAgent, stopCleanly, tempDir } from './harness.mjs';
import { request } from './http.mjs';
import { wsClient } from './ws-client.mjs';
import { Talker, client, get, post, secret, startChannel, who, workstation } from './channel-rig.mjs';

let relay;

before(async () => {
	relay = await startChannel();
});
after(shutDown);

const code = (message) => message.payload.code;

// A command with the relay's data, while it runs: what it says.
async function adit(own, ...args) {
	const { code: status, stdout, stderr } = await run(ADIT, args, { cwd: own.dir, env: cleanEnv() });
	assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
	return stdout.toString().trimEnd();
}

describe('the channel registers workstations', () => {
	test('a new one gets an id of 12 characters and the URL to come to', async () => {
		const w = await workstation(relay);
		assert.match(w.id, /^[A-Za-z0-9_-]{12}$/);
		assert.equal(w.answer.payload.public_url, relay.ws);
		assert.ok(!('restored' in w.answer.payload));
		await w.close();
	});

	test('it comes back to its id with the same auth_key, and has its new name then', async () => {
		const first = await workstation(relay, { name: 'old' });
		await first.close();
		const again = await workstation(relay, { id: first.id, authKey: first.authKey, name: 'new' });
		assert.deepEqual(again.answer.payload, { tunnel_id: first.id, public_url: relay.ws, restored: true });
		const got = await post(relay, 'connect', who(again, 'watch'));
		assert.equal(got.json.workstation_name, 'new');
		await again.close();
	});

	test('an id of an auth_key is not given to another one', async () => {
		const w = await workstation(relay);
		const thief = await workstation(relay, { id: w.id });
		assert.notEqual(thief.id, w.id);
		assert.ok(!('restored' in thief.answer.payload));
		const c = await client(relay, w);
		c.say({ type: 'mine' });
		assert.equal((await w.until('mine')).device_id, c.device);
		await Promise.all([w.close(), thief.close(), c.close()]);
	});

	test('a workstation that changed its auth_key is there under it at once, and the old one opens nothing of it', async () => {
		const old = await workstation(relay);
		const now = await workstation(relay, { id: old.id });
		assert.equal((await client(relay, now)).answer.type, 'connected');
		assert.equal(code((await client(relay, { id: now.id, authKey: old.authKey })).answer), 'INVALID_AUTH_KEY');
		await Promise.all([old.close(), now.close()]);
	});

	test('an id from another relay is accepted, if it is one', async () => {
		const id = `x-${secret().slice(0, 10)}`;
		const w = await workstation(relay, { id });
		assert.equal(w.id, id);
		assert.ok(!('restored' in w.answer.payload));
		const odd = await workstation(relay, { id: '../../x y ......' });
		assert.match(odd.id, /^[A-Za-z0-9_-]{12}$/);
		await Promise.all([w.close(), odd.close()]);
	});

	test('a wrong API key, a short one, fields that are missing', async () => {
		const s = await Talker.dial(relay.ws);
		const payload = { api_key: 'x'.repeat(32), name: 'n', auth_key: secret() };
		assert.equal(code(await s.ask({ type: 'workstation.register', payload })), 'INVALID_API_KEY');
		const short = await s.ask({ type: 'workstation.register', payload: { ...payload, api_key: 'x' } });
		assert.equal(short.payload.message, 'Invalid registration payload');
		assert.equal(short.payload.details.fieldErrors.payload.length, 1);
		const none = await s.ask({ type: 'workstation.register' });
		assert.deepEqual(none.payload.details.fieldErrors.payload, ['Required', 'Required', 'Required']);
		await s.close();
	});

	test('a workstation\'s own key is as good as the shared one, until it is revoked', async () => {
		const own = await startChannel({ name: 'relay-own-key' });
		const data = ['--data', join(own.dir, 'data')];
		const key = await adit(own, 'token', 'add', '--channel', 'desk', ...data);
		const shared = await workstation(own);
		const desk = await workstation(own, { key });
		assert.equal(desk.answer.type, 'workstation.registered');
		const c = await client(own, desk);
		const tokens = JSON.parse(await adit(own, 'token', 'list', '--json', ...data));
		assert.deepEqual(tokens.map((t) => [t.kind, t.name]), [['channel', 'desk']]);
		await adit(own, 'token', 'revoke', tokens[0].id, ...data);
		assert.deepEqual(await desk.ended(), { code: 1008, reason: 'The key was removed' });
		assert.equal((await c.hear()).type, 'connection.workstation_offline');
		assert.equal(code((await workstation(own, { key, id: desk.id, authKey: desk.authKey })).answer), 'INVALID_API_KEY');
		assert.deepEqual(await shared.heard(), []);
		const back = await workstation(own, { id: desk.id, authKey: desk.authKey });
		assert.equal(back.answer.payload.restored, true);
		await stopCleanly(own);
		assert.ok(!own.proc.lines.join('\n').includes(key), 'the key is not in the log');
	});

	test('a second registration on a socket leaves the first id', async () => {
		const w = await workstation(relay);
		const c = await client(relay, w);
		const second = await w.ask({ type: 'workstation.register', payload: { api_key: relay.key, name: 'b', auth_key: w.authKey } });
		assert.notEqual(second.payload.tunnel_id, w.id);
		assert.equal((await c.until('connection.workstation_offline')).payload.tunnel_id, w.id);
		w.say({ type: 'news' });
		assert.deepEqual(await c.heard(), []);
		await Promise.all([w.close(), c.close()]);
	});
});

describe('the channel connects clients', () => {
	test('connected, with versions', async () => {
		const w = await workstation(relay);
		const c = await client(relay, w);
		assert.equal(c.answer.type, 'connected');
		assert.equal(c.answer.payload.protocol_version, '1.0.0');
		assert.ok(!('restored' in c.answer.payload));
		const again = await client(relay, w, { device: c.device, reconnect: true });
		assert.equal(again.answer.payload.restored, true);
		await Promise.all([w.close(), c.close(), again.close()]);
	});

	test('unknown id, then the key, then offline', async () => {
		const w = await workstation(relay);
		const s = await Talker.dial(relay.ws);
		const ask = (payload) => s.ask({ type: 'connect', payload });
		const right = { tunnel_id: ` ${w.id} `, auth_key: w.authKey, device_id: 'd' };
		assert.equal((await ask({ ...right, tunnel_id: 'nobody' })).payload.message, 'Tunnel not found: nobody');
		assert.equal(code(await ask({ ...right, auth_key: `${w.authKey} ` })), 'INVALID_AUTH_KEY');
		await w.close();
		assert.equal((await ask(right)).payload.message, `Workstation is offline: ${w.id}`);
		assert.equal(code(await ask({ ...right, auth_key: secret() })), 'INVALID_AUTH_KEY');
		assert.equal((await ask({})).payload.message, 'Invalid connection payload');
		await s.close();
	});

	test('errors end nothing, and say what they are', async () => {
		const s = await Talker.dial(relay.ws);
		for (const [said, text] of [['no json', 'Invalid JSON'], ['{"type":"a",}', 'Invalid JSON'], ['[]', 'Missing message type'],
			['null', 'Missing message type'], ['1', 'Missing message type'], ['{"type":1}', 'Missing message type'],
			['{"type":"a"}', 'Not authenticated'], ['{"type":1,"type":"a"}', 'Not authenticated'],
			[`{"type":"a","x":"${'y'.repeat(100_000)}"}`, 'Not authenticated']])
			assert.deepEqual(await s.ask(said), { type: 'error', payload: { code: 'INVALID_PAYLOAD', message: text } }, said.slice(0, 40));
		assert.deepEqual(await s.ask('{"timestamp":1700000000000,"typ\\u0065":"ping"}'), { type: 'pong', timestamp: 1700000000000 });
		s.say({ type: 'ping' });
		s.say({ type: 'ping', timestamp: 'x' });
		assert.deepEqual(await s.heard(), []);
		await s.close();
	});

	test('a key that is guessed is no secret in the log, and the right one is not refused', async () => {
		const own = await startChannel({ name: 'relay-guess' });
		const w = await workstation(own);
		const s = await Talker.dial(own.ws);
		for (let i = 0; i < 12; i++)
			assert.equal(code(await s.ask({ type: 'connect', payload: { ...who(w, 'd'), auth_key: secret() } })), 'INVALID_AUTH_KEY');
		const c = await client(own, w);
		assert.equal(c.answer.type, 'connected');
		await stopCleanly(own);
		const log = own.proc.lines.join('\n');
		assert.ok(!log.includes(w.authKey) && !log.includes(own.key), 'no key is in the log');
	});
});

describe('the channel forwards', () => {
	let w, c, other;

	before(async () => {
		w = await workstation(relay);
		c = await client(relay, w, { device: 'dev-1' });
		other = await client(relay, w, { device: 'dev-2' });
	});

	test('upward with the device_id of the socket, however it was spelled, and else unchanged', async () => {
		for (const [said, want] of [
			['{"type":"a","n":1.0,"big":12345678901234567890}', '"type":"a","n":1.0,"big":12345678901234567890}'],
			['{"device_id":"dev-2","type":"a"}', '"type":"a"}'],
			['{"type":"a","device_id":"dev-2"}', '"type":"a"}'],
			['{"\\u0064evice_id":"dev-2","type":"a","device\\u005fid":{"x":[1]},"device_id":null}', '"type":"a"}'],
			['{"type":"a","inner":{"device_id":"keep"}}', '"type":"a","inner":{"device_id":"keep"}}'],
		]) {
			c.say(said);
			const raw = await w.raw();
			assert.equal(raw.replace(/ +/g, ''), `{"device_id":"dev-1",${want}`, said);
			assert.equal(JSON.parse(raw).device_id, 'dev-1');
		}
	});

	test('downward byte for byte, to all', async () => {
		const said = ' {"type" : "news",\t"n":1.0, "é":"\\u00e9", "type":"news"} ';
		w.say(said);
		assert.equal(await c.raw(), said);
		assert.equal(await other.raw(), said);
	});

	test('to one device: the string is the message', async () => {
		const payload = '{"type":"x","t":"\u{1f600} \\n"}';
		w.say({ type: 'forward.to_device', device_id: 'dev-1', payload });
		assert.equal(await c.raw(), payload);
		w.say(`{"type":"forward.to_device","payload":"\\ud83d\\ude00 no json \\ud800 \\/","device_id":"d\\u0065v-1"}`);
		assert.equal(await c.raw(), '\u{1f600} no json \ufffd /');
		w.say({ type: 'forward.to_device', device_id: 'nobody', payload });
		w.say({ type: 'forward.to_device', device_id: 'dev-1', payload: {} });
		assert.equal((await w.until('error')).payload.message, 'Invalid forward.to_device payload');
		assert.deepEqual(await other.heard(), []);
	});

	test('binary frames are text, and are mended', async () => {
		c.say(Buffer.from('{"type":"b","x":"\xff\xc3"}', 'latin1'));
		const got = await w.ws.message();
		assert.equal(got.binary, false);
		assert.equal(JSON.parse(got.data.toString()).x, '\ufffd\ufffd');
	});

	test('a client cannot speak in the relay\'s name', async () => {
		for (const type of ['workstation.registered', 'workstation.x', 'client.disconnected', 'pong', 'error', 'registered', 'connected',
			'connection.workstation_offline', '\\u0065rror'])
			c.say(`{"type":"${type}","payload":{"tunnel_id":"SPOOFED","device_id":"dev-2"}}`);
		assert.equal((await c.ask({ type: 'forward.to_device', device_id: 'dev-2', payload: 'x' })).payload.message,
		    'Invalid forward.to_device payload');
		c.say({ type: 'after' });
		assert.equal((await w.hear()).type, 'after');
		assert.deepEqual(await other.heard(), []);
	});

	test('large messages both ways; above the limit 1009', async () => {
		const big = 'x"\n'.repeat(3 << 18);
		c.say({ type: 'audio', big, device_id: 'y' });
		const up = await w.hear();
		assert.ok(up.big === big);
		assert.equal(up.device_id, 'dev-1');
		w.say({ type: 'forward.to_device', device_id: 'dev-2', payload: JSON.stringify({ big }) });
		assert.ok((await other.hear()).big === big);
		const s = await client(relay, w, { device: 'big' });
		s.say(`{"type":"a","x":"${'x'.repeat(8 << 20)}"}`);
		assert.equal((await s.ended()).code, 1009);
		assert.deepEqual((await w.until('client.disconnected')).payload, { device_id: 'big', tunnel_id: w.id });
	});

	test('the same device on another tunnel is another device', async () => {
		const w2 = await workstation(relay);
		const c2 = await client(relay, w2, { device: 'dev-1' });
		c.say({ type: 'one' });
		c2.say({ type: 'two' });
		assert.equal((await w.hear()).type, 'one');
		assert.equal((await w2.hear()).type, 'two');
		w2.say({ type: 'only-two' });
		assert.deepEqual(await c.heard(), []);
		await Promise.all([w2.close(), c2.close()]);
	});

	test('the workstation is told of a device that leaves, however it does', async () => {
		for (const leave of [(ws) => ws.close(), (ws) => ws.terminate()]) {
			const one = await client(relay, w);
			leave(one.ws);
			assert.deepEqual((await w.until('client.disconnected')).payload, { device_id: one.device, tunnel_id: w.id });
		}
	});

	test('the newest socket has the device, whatever becomes of the older one', async () => {
		const old = await client(relay, w, { device: 'twice' });
		const now = await client(relay, w, { device: 'twice' });
		await old.close();
		w.say({ type: 'forward.to_device', device_id: 'twice', payload: '{"type":"here"}' });
		assert.equal((await now.hear()).type, 'here');
		assert.deepEqual(await w.heard(), []);
		await now.close();
		assert.equal((await w.until('client.disconnected')).payload.device_id, 'twice');
	});
});

test('the vectors', async () => {
	const vectors = JSON.parse(readFileSync(new URL('../vectors/channel/messages.json', import.meta.url)));
	const w = await workstation(relay);
	const c = await client(relay, w, { device: 'one' });
	for (const [list, from, to] of [[vectors.up, c, w], [vectors.down, w, c]])
		for (const { why, in: said, out } of list) {
			from.say(said);
			if (out === null) {
				await from.heard();
				assert.deepEqual(await to.heard(), [], why);
			} else {
				assert.equal(await to.raw(), out, why);
			}
		}
	for (const { in: said, out } of vectors.error)
		assert.deepEqual(await c.ask(said), { type: 'error', payload: { code: out[0], message: out[1] } }, said);
	await Promise.all([w.close(), c.close()]);
});

describe('presence', () => {
	test('offline once and online once, also when the older socket closes later', async () => {
		const w = await workstation(relay);
		const c = await client(relay, w);
		const again = await workstation(relay, { id: w.id, authKey: w.authKey });
		assert.equal((await c.hear()).type, 'connection.workstation_online');
		await w.close();
		assert.deepEqual(await c.heard(), []);
		c.say({ type: 'still' });
		assert.equal((await again.until('still')).device_id, c.device);
		again.ws.terminate();
		assert.deepEqual(await c.hear(), { type: 'connection.workstation_offline', payload: { tunnel_id: w.id } });
		assert.equal(code(await c.ask({ type: 'x' })), 'WORKSTATION_OFFLINE');
		assert.deepEqual(await c.heard(), []);
		await c.close();
	});

	test('who does not ping is closed, data and control pings or not', async () => {
		const w = await workstation(relay);
		const c = await client(relay, w);
		const alive = setInterval(() => w.say({ type: 'ping', timestamp: 1 }), 4000);
		const busy = setInterval(() => {
			c.say({ type: 'data' });
			c.ws.ping();
		}, 2000);
		const end = await c.ended();
		clearInterval(busy);
		clearInterval(alive);
		assert.deepEqual(end, { code: 1000, reason: 'Connection timed out' });
		assert.equal((await w.until('client.disconnected')).payload.device_id, c.device);
		await w.close();
	});
});

describe('the relay around the channel', () => {
	test('exact path, WebSocket only', async () => {
		for (const path of ['/ws', '/ws?x=1']) {
			const got = await request(relay.origin, path);
			assert.equal(got.status, 404);
			assert.equal(JSON.parse(got.body.toString()).code, 'NOT_FOUND');
		}
		const s = wsClient(`${relay.ws}?token=x`);
		await s.opened();
		s.terminate();
	});

	test('health and status have its numbers', async () => {
		const own = await startChannel({ name: 'relay-numbers' });
		const w = await workstation(own, { name: 'mac <b>' });
		const c = await client(own, w);
		c.say({ type: 'x' });
		await w.hear();
		const health = JSON.parse((await request(own.origin, '/health')).body.toString());
		assert.equal(health.connections.workstations, 1);
		assert.equal(health.connections.clients, 1);
		assert.equal('workstations' in JSON.parse((await request(own.origin, '/api/relay/status')).body.toString()), false);
		await w.close();
		const later = JSON.parse((await request(own.origin, '/health')).body.toString());
		assert.equal(later.connections.workstations, 0);
		await stopCleanly(own);
	});

	test('the status tells who is here and who was, to those who may know', async () => {
		for (const open of [false, true]) {
			const own = await startChannel({ name: `relay-status-${open}`, noPassword: open, args: open ? ['--no-login'] : [] });
			const here = await workstation(own, { name: 'here' });
			const gone = await workstation(own, { name: 'gone' });
			const c = await client(own, here);
			for (let i = 0; i < 3; i++)
				here.say({ type: 'news' });
			c.say({ type: 'x' });
			await here.until('x');
			await c.until('news');
			assert.equal((await get(own, 'state', who(here, 'watch'))).status, 200);
			await gone.close();
			const headers = open ? {} : (await login(own.origin, own.secrets.password)).headers(own.origin);
			const status = JSON.parse((await request(own.origin, '/api/relay/status', { headers })).body.toString());
			assert.equal(status.wsPath, '/ws');
			const times = status.workstations.map((row) => Math.abs(row.seen - Date.now() / 1000) < 60);
			assert.deepEqual(times, [true, true]);
			assert.deepEqual(status.workstations.map(({ seen: _, ...row }) => row), [
				{ name: 'here', tunnelId: here.id, online: true, clients: 1, watches: 1, messagesIn: 3, messagesOut: 1 },
				{ name: 'gone', tunnelId: gone.id, online: false, clients: 0, watches: 0, messagesIn: 0, messagesOut: 0 },
			]);
			const text = await adit(own, 'status', '--relay', own.origin);
			const rows = 'workstation here\n  clients  1\n  polling  1\n(offline)   gone';
			assert.equal(text.includes(rows), open, text);
			assert.equal(/here|gone/.test(text), open, text);
			if (!open) {
				const made = await adit(own, 'token', 'add', '--api', '--scope', 'read', '--name', 'watcher',
				    '--data', join(own.dir, 'data'));
				const token = made.match(/adit_\S+/)[0];
				const told = await run(ADIT, ['status', '--relay', own.origin],
				    { env: cleanEnv({ ADIT_TOKEN: token }) });
				assert.ok(told.stdout.toString().includes(rows), told.stderr);
			}
			await stopCleanly(own);
		}
	});

	test('an app at the root has the channel\'s paths only while the channel is off', async () => {
		const app = await App.start();
		const body = (req, res) => res.end('the app');
		for (const path of ['/ws', '/wsx', '/api/v1/watch', '/api/v1/watch/state'])
			app.handlers.set(path, body);
		let echoed = '';
		app.upgrades.set('/ws', (req, socket) => {
			echoed = req.url;
			socket.end('HTTP/1.1 418 The app\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
		});
		for (const on of [true, false]) {
			const own = await startChannel({ name: `relay-root-${on}`, args: ['--root', 'web'],
				env: on ? {} : { TUNNEL_REGISTRATION_API_KEY: '' } });
			await startAgent({ relay: own, apps: `web=127.0.0.1:${app.port}` });
			const headers = (await login(own.origin, own.secrets.password)).headers(own.origin);
			for (const [path, kept] of [['/ws', 404], ['/api/v1/watch/state', 400], ['/wsx', 200], ['/api/v1/watch', 200]]) {
				const got = await request(own.origin, path, { headers });
				assert.equal(got.status, on ? kept : 200, `${path} while the channel is ${on ? 'on' : 'off'}`);
				assert.equal(got.body.toString() === 'the app', got.status === 200, path);
			}
			const dial = wsClient(own.ws, undefined, { headers });
			if (on) {
				const s = new Talker(await dial.opened());
				assert.equal(code(await s.ask({ type: 'x' })), 'INVALID_PAYLOAD');
				await s.close();
				assert.equal((await workstation(own)).answer.type, 'workstation.registered');
				assert.equal(echoed, '');
				assert.ok(!app.saw('/ws?') && !app.seen.includes('GET /ws'));
			} else {
				await assert.rejects(dial.opened(), /418/);
				assert.equal(echoed, '/ws');
			}
			await stopCleanly(own);
		}
	});

	test('messages are not logged, and no key is, at any level', async () => {
		for (const level of ['info', 'trace']) {
			const own = await startChannel({ name: `relay-${level}`, args: ['--log-level', level] });
			const w = await workstation(own);
			const c = await client(own, w);
			const wrong = secret();
			await client(own, { id: w.id, authKey: wrong });
			const before = own.proc.lines.length;
			for (let i = 0; i < 50; i++) {
				c.say({ type: 'up', text: 'a message of mine' });
				w.say({ type: 'down', text: 'a message of mine' });
			}
			await w.heard();
			await c.heard();
			for (let i = 0; i < 5; i++)
				await get(own, 'messages', who(w, 'watch'));
			await get(own, 'messages', { ...who(w, 'watch'), auth_key: wrong });
			await post(own, 'command', { ...who(w, 'watch'), message: { type: 'x' } });
			await stopCleanly(own);
			const log = own.proc.lines.join('\n');
			for (const hidden of [w.authKey, wrong, own.key, 'a message of mine'])
				assert.ok(!log.includes(hidden), `${hidden} at level ${level}`);
			if (level === 'info')
				assert.ok(own.proc.lines.length - before < 50, log);
		}
	});

	test('off without a key', async () => {
		const off = await startChannel({ name: 'relay-off', env: { TUNNEL_REGISTRATION_API_KEY: '' } });
		assert.equal((await request(off.origin, '/ws')).status, 404);
		await assert.rejects(wsClient(off.ws).opened());
		await stopCleanly(off);
	});

	test('1001 at shutdown; ids survive it, and a damaged file stops the start', async () => {
		const own = await startChannel({ name: 'relay-restart', env: { WS_PATH: '/talk', PUBLIC_BASE_URL: 'https://relay.example/sub/' } });
		const dial = wsClient(own.ws, undefined, { headers: { host: 'relay.example' } });
		await dial.opened();
		const w = new Talker(dial);
		const authKey = secret();
		const answer = await w.ask({ type: 'workstation.register', payload: { api_key: own.key, name: 'n', auth_key: authKey } });
		assert.equal(answer.payload.public_url, 'wss://relay.example/sub/talk');
		const ended = w.ended();
		await stopCleanly(own);
		assert.deepEqual(await ended, { code: 1001, reason: 'Server shutting down' });
		const file = join(own.dir, 'data', 'relay', 'channel.json');
		const text = readFileSync(file, 'utf8');
		assert.ok(text.includes(answer.payload.tunnel_id) && !text.includes(authKey));
		const env = { TUNNEL_REGISTRATION_API_KEY: own.key };
		const again = await restartRelay(own, { env });
		again.key = own.key;
		again.ws = `ws://127.0.0.1:${again.port}/ws`;
		const back = await workstation(again, { id: answer.payload.tunnel_id, authKey });
		assert.equal(back.answer.payload.restored, true);
		await stopCleanly(again);
		writeFileSync(file, text.replace('"id"', '"id'));
		const got = await run(ADIT, ['relay', '--listen', '127.0.0.1:0', '--data', join(own.dir, 'data')],
		    { cwd: tempDir('damaged'), env: cleanEnv({ RELAY_PASSWORD: own.secrets.password, ...env }) });
		assert.equal(got.code, 2);
		assert.match(got.stderr, /channel\.json:2: /);
	});

	test('200 MiB to clients that do not read take no more memory than was given', async () => {
		const own = await startChannel({ name: 'relay-resident', args: ['--memory', '48MiB'] });
		const w = await workstation(own);
		const idle = [];
		for (let i = 0; i < 3; i++)
			idle.push(await client(own, w));
		const text = JSON.stringify({ type: 'n', x: 'x'.repeat(1 << 20) });
		for (let i = 0; i < 200; i++) {
			if (i % 10 === 0) {             // others come in the place of those that were closed
				idle.push(await client(own, w));
				idle.at(-1).ws._socket.pause();
			}
			w.say(text);
			await w.heard();
		}
		assert.ok(peakMib(own.pid) <= 48, `${peakMib(own.pid)} MiB`);
		await stopCleanly(own);
	});

	test('a reader that stands still is closed, and nobody waits for it', async () => {
		const own = await startChannel({ name: 'relay-slow', args: ['--channel-message', '64k'] });
		const w = await workstation(own);
		const slow = await client(own, w);
		const fast = await client(own, w);
		slow.ws._socket.pause();
		const text = JSON.stringify({ type: 'n', x: 'x'.repeat(60_000) });
		let got = 0;
		for (let i = 0; i < 600; i++) {
			w.say(text);
			if (i % 8 === 7)
				for (let k = 0; k < 8; k++)
					got += (await fast.hear()).x.length;
		}
		assert.equal(got, 600 * 60_000);
		assert.equal((await w.until('client.disconnected')).payload.device_id, slow.device);
		slow.ws._socket.resume();
		assert.equal((await slow.ended()).code, 1008);
		await stopCleanly(own);
	});
});

describe('devices that poll', () => {
	let w;
	const poll = (query) => get(relay, 'messages', { ...who(w, 'watch'), ...query });

	before(async () => {
		w = await workstation(relay, { name: 'mac' });
	});

	test('connect says who is there, and tells the workstation', async () => {
		const got = await post(relay, 'connect', who(w, 'watch'));
		assert.deepEqual(got.json, { success: true, tunnel_id: w.id, workstation_online: true, workstation_name: 'mac' });
		assert.equal(got.headers['cache-control'], 'no-store');
		assert.deepEqual(await w.hear(), { type: 'auth', payload: { auth_key: w.authKey, device_id: 'watch' } });
	});

	test('messages, numbered; acknowledged ones are gone', async () => {
		for (let i = 1; i <= 3; i++)
			w.say({ type: `e${i}` });
		await w.heard();
		const got = (await poll({ since: 1 })).json;
		assert.deepEqual(got.messages.map((m) => [m.sequence, m.data]), [[2, { type: 'e2' }], [3, { type: 'e3' }]]);
		assert.ok(Math.abs(Date.parse(got.messages[0].timestamp) - Date.now()) < 60_000);
		assert.equal(got.current_sequence, 3);
		assert.equal(got.oldest_available_sequence, 1);
		assert.equal(got.may_have_missed_messages, false);
		assert.equal(got.workstation_online, true);
		assert.equal((await poll({ ack: 2 })).json.oldest_available_sequence, 3);
		assert.deepEqual((await get(relay, 'state', who(w, 'watch'))).json,
		    { connected: true, workstation_online: true, workstation_name: 'mac', queue_size: 1, current_sequence: 3 });
		assert.deepEqual((await poll({ since: 'abc' })).json.messages, []);
		assert.equal((await poll({ since: -5 })).json.messages.length, 1);
	});

	test('a counter of an older queue gets all, and is told', async () => {
		const got = (await poll({ since: 99 })).json;
		assert.equal(got.messages.length, 1);
		assert.equal(got.may_have_missed_messages, true);
	});

	test('what is not JSON is a string, and fails nobody', async () => {
		w.say({ type: 'forward.to_device', device_id: 'watch', payload: 'no "json"' });
		w.say({ type: 'forward.to_device', device_id: 'watch', payload: '{"type":"one"}' });
		await w.heard();
		assert.deepEqual((await poll({ since: 3 })).json.messages.map((m) => m.data), ['no "json"', { type: 'one' }]);
	});

	test('100 are kept; who asks for older ones is told', async () => {
		for (let i = 0; i < 130; i++)
			w.say({ type: 'many', i });
		await w.heard();
		const got = (await poll({ since: 3 })).json;
		assert.equal(got.messages.length, 100);
		assert.equal(got.messages[0].data.i, 30);
		assert.equal(got.may_have_missed_messages, true);
		assert.equal((await poll({ since: 0 })).json.may_have_missed_messages, false);
	});

	test('an answer is cut, not the queue', async () => {
		const start = (await poll({})).json.current_sequence;
		const x = 'x'.repeat(100_000);
		for (let i = 0; i < 6; i++)
			w.say({ type: 'large', i, x });
		await w.heard();
		const seen = [];
		for (let since = start; seen.length < 6;) {
			const got = (await poll({ since })).json;
			assert.ok(got.messages.length > 0 && got.messages.length < 6);
			seen.push(...got.messages.map((m) => m.data.i));
			since = got.current_sequence;
		}
		assert.deepEqual(seen, [0, 1, 2, 3, 4, 5]);
	});

	test('wait answers when something comes, and when nothing did', async () => {
		const { current_sequence: since } = (await get(relay, 'state', who(w, 'watch'))).json;
		const waiting = poll({ since, wait: 25 });
		w.say({ type: 'ping', timestamp: 1 });
		await w.until('pong');
		w.say({ type: 'now' });
		assert.deepEqual((await waiting).json.messages.map((m) => m.data.type), ['now']);
		assert.deepEqual((await poll({ since: since + 1, wait: 1 })).json.messages, []);
	});

	test('command: auth and then the message, with the device_id', async () => {
		await w.heard();
		assert.deepEqual((await post(relay, 'command', { ...who(w, 'watch'), message: { device_id: 'x', type: 'go', n: 1 } })).json, { success: true });
		const [auth, message] = await w.heard();
		assert.equal(auth.type, 'auth');
		assert.deepEqual(message, { device_id: 'watch', type: 'go', n: 1 });
		await post(relay, 'command', { ...who(w, 'watch'), message: { type: 'workstation.registered', payload: {} } });
		assert.deepEqual((await w.heard()).map((m) => m.type), ['auth']);
		const audio = 'a'.repeat(900_000);
		await post(relay, 'command', { ...who(w, 'watch'), message: { type: 'audio', audio } });
		assert.equal((await w.heard())[1].audio, audio);
	});

	test('nobody reads another tunnel\'s queue', async () => {
		const v = await workstation(relay);
		const got = await get(relay, 'messages', who(v, 'watch'));
		assert.deepEqual(got.json.messages, []);
		assert.equal((await get(relay, 'messages', { ...who(w, 'watch'), auth_key: v.authKey })).status, 401);
		await v.close();
	});

	test('errors have their status and name', async () => {
		const right = who(w, 'watch');
		for (const [call, body, status, error] of [
			['connect', {}, 400, 'missing_parameters'],
			['connect', 'null', 400, 'missing_parameters'],
			['connect', { ...right, device_id: 7 }, 400, 'missing_parameters'],
			['connect', { ...right, auth_key: 'short' }, 401, 'invalid_auth_key'],
			['connect', { ...right, tunnel_id: 'nobody' }, 404, 'tunnel_not_found'],
			['command', right, 400, 'missing_parameters'],
			['command', { ...right, message: 'text' }, 400, 'missing_parameters'],
		]) {
			const got = await post(relay, call, body);
			assert.deepEqual([got.status, got.json.error], [status, error], JSON.stringify(body));
			assert.equal(typeof got.json.message, 'string');
		}
		for (const [body, headers, status, fst] of [
			['{', {}, 400, 'FST_ERR_CTP_INVALID_JSON_BODY'],
			['', {}, 400, 'FST_ERR_CTP_EMPTY_JSON_BODY'],
			['x', { 'content-type': 'text/plain' }, 415, 'FST_ERR_CTP_INVALID_MEDIA_TYPE'],
			['x'.repeat((1 << 20) + 1), {}, 413, 'FST_ERR_CTP_BODY_TOO_LARGE'],
		]) {
			const got = await post(relay, 'connect', body, headers);
			assert.deepEqual([got.status, got.json.code], [status, fst]);
		}
		assert.equal((await get(relay, 'connect', right)).status, 404);
		assert.equal((await get(relay, 'messages', { ...right, auth_key: '' })).json.error, 'missing_parameters');
		await w.close();
		assert.equal((await post(relay, 'command', { ...right, message: { type: 'x' } })).json.error, 'workstation_offline');
		assert.equal((await post(relay, 'connect', right)).json.workstation_online, false);
		const again = await workstation(relay, { id: w.id, authKey: w.authKey });
		assert.deepEqual((await post(relay, 'disconnect', right)).json, { success: true });
		assert.equal((await again.until('client.disconnected')).payload.device_id, 'watch');
		assert.deepEqual((await post(relay, 'disconnect', right)).json, { success: false });
		await again.close();
	});
});
