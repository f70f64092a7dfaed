// reach.mjs: the ways in which a client can come to the hard app.
//
// A reach is { kind, front, origin, headers, app, relay, agent }: `origin` is what
// the client opens, `headers` what it must send to be let in, `app` the server at
// the other end. In direct mode relay and agent are absent, and a front stands
// straight before the app.

import { App } from './app.mjs';
import {
	DIRECT, freePorts, login, newSecrets, startAgent, startRelay, stopCleanly,
} from './harness.mjs';
import { startFront } from './fronts.mjs';

export const kinds = ['root', 'port', 'nginx', 'nginx-plain', 'caddy'];
const fronts = ['nginx', 'nginx-plain', 'caddy'];

export async function openReach(kind, options = {}) {
	const front = fronts.includes(kind);
	const app = await App.start({ socketIo: true });
	const reach = { kind, front, app, relayed: !DIRECT, headers: {} };
	if (DIRECT)
		await straight(reach, options);
	else if (kind === 'port')
		await ownPort(reach);
	else if (front)
		await behind(reach, options);
	else
		await root(reach);
	reach.close = async () => {
		if (reach.agent !== undefined)
			await stopCleanly(reach.agent);
		if (reach.relay !== undefined)
			await stopCleanly(reach.relay);
	};
	return reach;
}

async function straight(reach, options) {
	reach.origin = reach.app.origin;
	if (reach.front) {
		const front = await startFront(reach.kind, () => `127.0.0.1:${reach.app.port}`, options);
		reach.origin = front.origin;
	}
}

// The app is what the main site shows.
async function root(reach) {
	reach.relay = await startRelay({ args: ['--root', 'web'] });
	reach.agent = await startAgent({ relay: reach.relay, apps: `web=127.0.0.1:${reach.app.port}` });
	reach.origin = reach.relay.origin;
	reach.headers = (await login(reach.origin, reach.relay.secrets.password)).headers(reach.origin);
}

// The app has a port of its own; the person is handed over from the main site.
async function ownPort(reach) {
	const [port] = await freePorts();
	reach.relay = await startRelay({ args: ['--app-ports', `${port}-${port}`], knownPorts: [port] });
	reach.agent = await startAgent({ relay: reach.relay, apps: `web=127.0.0.1:${reach.app.port}` });
	reach.origin = `http://127.0.0.1:${port}`;
	const jar = await login(reach.relay.origin, reach.relay.secrets.password);
	const page = await jar.open(`${reach.origin}/ok`);
	if (page.status !== 200 || page.body.toString() !== 'ok\n')
		throw new Error(`the handover to ${reach.origin} ended at ${page.url} with ${page.status}`);
	reach.headers = jar.headers(reach.origin);
}

// The app is root, and a front is all that anybody sees: the agent dials it too.
// The plain form sends no X-Forwarded header and a Host without the port, so the
// relay is told by --public-url under which name it is opened.
async function behind(reach, options) {
	const plain = reach.kind === 'nginx-plain';
	const secrets = newSecrets();
	let relay;
	const front = await startFront(reach.kind, async (port) => {
		await relay?.proc.stop();
		const args = ['--root', 'web', ...plain ?
			['--public-url', `http://127.0.0.1:${port}`] : ['--trust-proxy', 'true']];
		relay = await startRelay({ secrets, args, knownPorts: [port] });
		return `127.0.0.1:${relay.port}`;
	}, options);
	reach.relay = relay;
	reach.frontProc = front.proc;
	reach.agent = await startAgent({
		relay, url: front.origin, apps: `web=127.0.0.1:${reach.app.port}`,
	});
	reach.origin = front.origin;
	reach.headers = (await login(reach.origin, secrets.password)).headers(reach.origin);
}
