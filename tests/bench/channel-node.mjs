// channel-node.mjs: a minimal relay of the channel on npm ws, to compare with: it registers
// one kind of workstation and client, parses each message, sets device_id and broadcasts. No
// limits, no keys kept, no polling: less than a relay has to do.

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';

const { WebSocketServer } = createRequire(new URL('../', import.meta.url))('ws');
const stations = new Map();
const server = createServer((_, response) => response.end('{}'));
const wss = new WebSocketServer({ server, path: '/ws', perMessageDeflate: false, maxPayload: 50 << 20 });

wss.on('connection', (ws) => {
	let station;
	let device;
	const say = (message) => ws.send(JSON.stringify(message));
	ws.on('message', (data) => {
		const text = data.toString();
		const message = JSON.parse(text);
		if (message.type === 'ping') {
			say({ type: 'pong', timestamp: message.timestamp });
		} else if (message.type === 'workstation.register') {
			const id = randomBytes(9).toString('base64url');
			station = { ws, clients: new Map() };
			stations.set(id, station);
			say({ type: 'workstation.registered', payload: { tunnel_id: id, public_url: 'ws://x/ws' } });
		} else if (message.type === 'connect') {
			station = stations.get(message.payload.tunnel_id);
			device = message.payload.device_id;
			station.clients.set(device, ws);
			say({ type: 'connected', payload: { tunnel_id: message.payload.tunnel_id } });
		} else if (device !== undefined) {
			station.ws.send(JSON.stringify({ ...message, device_id: device }));
		} else if (message.type === 'forward.to_device') {
			station.clients.get(message.device_id)?.send(message.payload);
		} else {
			for (const client of station.clients.values())
				client.send(text);
		}
	});
	ws.on('close', () => device !== undefined && station.clients.delete(device));
});
server.listen(0, '127.0.0.1', () => console.error(`open http://127.0.0.1:${server.address().port}/`));
