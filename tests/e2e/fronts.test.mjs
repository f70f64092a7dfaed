// The forms of configuration that people copy: nginx with each of the usual
// timeouts, with and without X-Forwarded headers; Caddy's one line. The hard
// app's whole suite runs in hard-nginx, hard-nginx-plain and hard-caddy; here is
// what every form must do: a login, a page, a WebSocket, events, the tunnel.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { App } from './app.mjs';
import { DIRECT, NEVER_MS, login, newSecrets, shutDown, startAgent, startRelay } from './harness.mjs';
import { startFront } from './fronts.mjs';
import { Reader, open, request, values } from './http.mjs';
import { wsClient } from './ws-client.mjs';

after(shutDown);

const forms = [];
for (const readTimeout of ['60s', '3600s', '86400s']) {
	forms.push(['nginx', { readTimeout }], ['nginx-plain', { readTimeout, forwarded: false }],
	    ['nginx-plain', { readTimeout, forwarded: true }]);
}
forms.push(['caddy', {}]);

describe('usual configurations', () => {
	for (const [kind, options] of forms)
		it(`${kind} ${JSON.stringify(options)}`, { timeout: NEVER_MS }, async () => {
			const app = await App.start();
			const secrets = newSecrets();
			const believed = kind !== 'nginx-plain' || options.forwarded;
			let relay;
			const front = await startFront(kind, async () => {
				if (DIRECT)
					return `127.0.0.1:${app.port}`;
				await relay?.proc.stop();
				relay = await startRelay({ secrets, args: ['--root', 'web', ...believed ? ['--trust-proxy', 'true'] : []] });
				return `127.0.0.1:${relay.port}`;
			}, options);
			let headers = {};
			if (!DIRECT) {
				await startAgent({ relay, url: front.origin, apps: `web=127.0.0.1:${app.port}` });
				headers = (await login(front.origin, secrets.password)).headers(front.origin);
			}
			const { headers: seen } = (await request(front.origin, '/head', { headers, localAddress: '127.0.0.5' })).json;
			if (!DIRECT)
				assert.deepEqual(values(seen, 'x-forwarded-for'), [believed ? '127.0.0.5' : '127.0.0.1']);
			assert.equal(values(seen, 'upgrade').length, 0);

			const echo = app.onWs('echo', {}, (s) => s.on('message', (m) => s.send(m)));
			const client = await wsClient(front.origin.replace('http', 'ws') + echo, [], { headers }).opened();
			client.send('through');
			assert.equal((await client.message()).data.toString(), 'through');
			client.close(4001, 'enough');
			assert.equal((await client.closed()).code, 4001);

			let events;
			const path = app.on('events', (req, res) => {
				res.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
				res.write('data: 0\n\n');
				events = res;
			});
			const req = open(front.origin, path, { headers });
			req.end();
			const [res] = await once(req, 'response');
			const stream = new Reader(res);
			for (let i = 0; i < 10; i++) {
				assert.equal((await stream.take(9)).toString(), `data: ${i}\n\n`);
				events.write(`data: ${i + 1}\n\n`);
			}
			events.end();
			const post = await request(front.origin, '/hash', { method: 'POST', headers, body: Buffer.alloc(500_000) });
			assert.equal(post.json.bytes, 500_000);
		});
});
