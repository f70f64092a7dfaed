#!/usr/bin/env node
// tests/bench/channel.mjs: the channel beside a minimal relay of the same behaviour on npm ws.
//
//	tests/bench/channel.mjs [RUNS]	(5)
//
// 200 clients and one workstation. Broadcast: 64 messages of 200 bytes in flight, each to all
// clients; a message is done when the last client has it. Up: each client has one message
// in flight. CPU is the relay's own (utime + stime), per message that it delivers. Idle: resident
// memory that 200 connected clients add. Medians of RUNS; both relays alternate.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WebSocket = createRequire(new URL('../', import.meta.url))('ws');
const here = fileURLToPath(new URL('.', import.meta.url));

const RUNS = Number(process.argv[2] ?? 5);
const CLIENTS = 200;
const FLIGHT = 64;
const MESSAGES = 3000;
const KEY = 'bench-9Zp2Lr7wXk4Qd8Tn3Vb6Hs1Jm5Gc0F';
const AUTH = 'a-key-of-the-workstation';
const HZ = 100;

const relays = {
	adit: (dir) => spawn(process.env.ADIT_BIN ?? join(here, '../../build/adit'),
	    ['relay', '--listen', '127.0.0.1:0', '--data', join(dir, 'data'), '--no-login', '--max-per-address', '1000'],
	    { cwd: dir, env: { PATH: process.env.PATH, TUNNEL_REGISTRATION_API_KEY: KEY, RELAY_TOKEN: KEY }, stdio: ['ignore', 'ignore', 'pipe'] }),
	node: () => spawn(process.execPath, [join(here, 'channel-node.mjs')], { stdio: ['ignore', 'ignore', 'pipe'] }),
};

// Of the process and its children: adit's keeper too.
function procs(pid) {
	const kids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean);
	return [pid, ...kids.flatMap((kid) => procs(kid))];
}
function cpuS(pid) {
	const f = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /, '').split(' ');
	return (Number(f[11]) + Number(f[12])) / HZ;
}
const rssKib = (pid) => procs(pid).reduce((sum, p) =>
    sum + Number(readFileSync(`/proc/${p}/status`, 'latin1').match(/VmRSS:\s+(\d+)/)[1]), 0);

const port = (child) => new Promise((resolve, reject) => {
	let text = '';
	child.stderr.on('data', (data) => {
		text += data;
		const m = text.match(/http:\/\/127\.0\.0\.1:(\d+)/);
		if (m)
			resolve(Number(m[1]));
	});
	child.on('exit', (code) => reject(new Error(`the relay ended with ${code}\n${text}`)));
});

function dial(url, hello) {
	return new Promise((resolve, reject) => {
		const ws = new WebSocket(url, { perMessageDeflate: false });
		ws.on('error', reject);
		ws.on('open', () => ws.send(JSON.stringify(hello)));
		ws.once('message', (data) => resolve(Object.assign(ws, { answer: JSON.parse(data) })));
	});
}

const q = (list, p) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * p))];

async function broadcast(w, clients) {
	const pad = 'x'.repeat(150);
	const sent = new Float64Array(MESSAGES);
	const left = new Uint16Array(MESSAGES).fill(clients.length);
	const took = [];
	let next = 0;
	const say = () => {
		sent[next] = performance.now();
		w.send(`{"type":"news","i":${next++},"x":"${pad}"}`);
	};
	const begun = performance.now();
	await new Promise((done) => {
		for (const c of clients) {
			let i = 0;
			c.removeAllListeners('message');
			c.on('message', () => {
				if (--left[i++] > 0)
					return;
				took.push(performance.now() - sent[i - 1]);
				if (next < MESSAGES)
					say();
				else if (took.length === MESSAGES)
					done();
			});
		}
		for (let i = 0; i < FLIGHT; i++)
			say();
	});
	return { s: (performance.now() - begun) / 1000, delivered: MESSAGES * clients.length, p99: q(took, 0.99) };
}

async function up(w, clients) {
	const total = 40000;
	const took = [];
	const at = new Map();
	let n = 0;
	const say = (k) => {
		at.set(`d${k}`, performance.now());
		clients[k].send(`{"type":"key","n":${n++},"payload":{"text":"${'x'.repeat(100)}"}}`);
	};
	const begun = performance.now();
	await new Promise((done) => {
		w.removeAllListeners('message');
		w.on('message', (data) => {
			const { device_id: d } = JSON.parse(data);
			took.push(performance.now() - at.get(d));
			if (took.length === total)
				done();
			else if (n < total)
				say(Number(d.slice(1)));
		});
		clients.forEach((_, k) => say(k));
	});
	return { s: (performance.now() - begun) / 1000, delivered: total, p99: q(took, 0.99) };
}

async function once(name) {
	const dir = mkdtempSync(join(tmpdir(), 'adit-bench-channel-'));
	const child = relays[name](dir);
	try {
		const url = `ws://127.0.0.1:${await port(child)}/ws`;
		const w = await dial(url, { type: 'workstation.register', payload: { api_key: KEY, name: 'w', auth_key: AUTH } });
		const before = rssKib(child.pid);
		const clients = [];
		for (let k = 0; k < CLIENTS; k++)
			clients.push(await dial(url, { type: 'connect',
				payload: { tunnel_id: w.answer.payload.tunnel_id, auth_key: AUTH, device_id: `d${k}` } }));
		const idle = (rssKib(child.pid) - before) / CLIENTS;
		const rows = { 'KiB per idle client': idle };
		for (const [what, run] of [['broadcast', broadcast], ['up', up]]) {
			const cpu = cpuS(child.pid);
			const got = await run(w, clients);
			rows[`${what}: messages/s`] = got.delivered / got.s;
			rows[`${what}: CPU µs per message`] = (cpuS(child.pid) - cpu) * 1e6 / got.delivered;
			rows[`${what}: p99 ms`] = got.p99;
		}
		for (const ws of [w, ...clients])
			ws.terminate();
		return rows;
	} finally {
		child.removeAllListeners('exit');
		child.kill('SIGKILL');
		rmSync(dir, { recursive: true, force: true });
	}
}

async function main() {
	const all = { adit: [], node: [] };
	for (let i = 0; i < RUNS; i++)
		for (const name of Object.keys(all))
			all[name].push(await once(name));
	console.log(`| ${CLIENTS} clients, median of ${RUNS} | adit | Node's ws | adit / ws |\n| --- | ---: | ---: | ---: |`);
	for (const row of Object.keys(all.adit[0])) {
		const [a, b] = [all.adit, all.node].map((list) => q(list.map((r) => r[row]), 0.5));
		const show = (v) => v >= 100 ? Math.round(v).toString() : v.toFixed(v < 10 ? 2 : 1);
		console.log(`| ${row} | ${show(a)} | ${show(b)} | ${(a / b).toFixed(2)} |`);
	}
	process.exit(0);
}
main().catch((error) => {
	console.error(error);
	process.exit(1);
});
