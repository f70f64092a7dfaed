// workstation.mjs: the real workstation registers, a client joins it, logs in, syncs and
// makes a terminal session; the relay is started anew, and the id is the same.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cleanEnv, freePorts, restartRelay, shutDown, start, stopCleanly, tempDir } from '../e2e/harness.mjs';
import { Talker, secret, startChannel } from '../e2e/channel-rig.mjs';
import { request } from '../e2e/http.mjs';

const authKey = secret();
let relay, proc, dir, root, id;

function begin(port) {
	const found = proc?.lines.length ?? 0;
	proc ??= start('workstation', process.execPath, [process.env.WORKSTATION], {
		cwd: dir,
		env: cleanEnv({
			HOME: dir, SHELL: '/bin/sh', TUNNEL_URL: relay.ws, TUNNEL_API_KEY: relay.key,
			WORKSTATION_AUTH_KEY: authKey, WORKSTATION_NAME: 'real', WORKSPACES_ROOT: root,
			DATA_DIR: join(dir, 'data'), HOST: '127.0.0.1', PORT: String(port), NODE_ENV: 'production',
			LOG_LEVEL: 'info', AGENT_API_KEY: 'none',
		}),
	});
	return found;
}

const health = async () => JSON.parse((await request(relay.origin, '/health')).body.toString()).connections;

// The id as the relay's log names it, from line `from` on.
const online = async (from) => (await relay.proc.waitFor(/workstation online tunnel_id=(\S+)/, 'the workstation', from))[1];

async function join_(device) {
	const c = await Talker.dial(relay.ws);
	c.answer = await c.ask({ type: 'connect', payload: { tunnel_id: id, auth_key: authKey, device_id: device } });
	assert.equal(c.answer.type, 'connected');
	c.say({ type: 'auth', payload: { auth_key: authKey, device_id: device } });
	const alive = setInterval(() => c.say({ type: 'ping', timestamp: Date.now() }), 5000);
	c.ws.on('close', () => clearInterval(alive));
	return c;
}

before(async () => {
	relay = await startChannel();
	dir = tempDir('workstation');
	root = join(dir, 'work');
	mkdirSync(join(root, 'space', 'project'), { recursive: true });
	begin((await freePorts())[0]);
	id = await online(0);
});
after(shutDown);

test('it registers', async () => {
	assert.match(id, /^[A-Za-z0-9_-]{12}$/);
	assert.equal((await health()).workstations, 1);
});

test('a client logs in, syncs and makes a terminal session', async () => {
	const c = await join_('phone-1');
	await c.until('auth.success');
	c.say({ type: 'sync', id: 's1' });
	await c.until('sync.state');
	c.say({ type: 'supervisor.create_session', id: 'c1', payload: { session_type: 'terminal', workspace: 'space', project: 'project' } });
	const made = await c.until('session.created');
	assert.ok(JSON.stringify(made).includes('terminal'));
	await c.close();
});

test('the relay is started anew: the workstation comes back to its id', async () => {
	await stopCleanly(relay);
	const { key } = relay;
	relay = await restartRelay(relay, { env: { TUNNEL_REGISTRATION_API_KEY: key } });
	relay.key = key;
	relay.ws = `ws://127.0.0.1:${relay.port}/ws`;
	assert.equal(await online(0), id);
	const c = await join_('phone-2');
	await c.until('auth.success');
	await c.close();
});
