// Networks of the kernel: one that loses packets, and one that has no names yet.
// Both want root and namespaces; without them they are skipped, and say so.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { App, pattern, patternHash, pump } from '../e2e/app.mjs';
import { ADIT, MIB, cleanEnv, onExit, start, startRelay, tempDir } from '../e2e/harness.mjs';
import { answer, open, request } from '../e2e/http.mjs';
import { deployment, everybody, said } from './people.mjs';

const LOSS = 5;                 // of 100 packets, each way

function sh(command, ...args) {
	const { status, stderr, error } = spawnSync(command, args, { env: cleanEnv({ PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }) });
	return status === 0 ? undefined : `${command} ${args.join(' ')}: ${error?.message ?? stderr.toString().trim()}`;
}

// A namespace with one way out, which loses packets; or why there is none.
function lossy() {
	const name = `adit-${process.pid}`;
	const [here, there] = [`ah${process.pid}`, `at${process.pid}`];
	const net = `10.231.${process.pid % 250}`;
	const inside = ['ip', 'netns', 'exec', name];
	const drop = ['numgen', 'random', 'mod', '100', '<', `${LOSS}`, 'counter', 'drop'];
	onExit(() => {
		sh('ip', 'netns', 'del', name);         // the cable goes with it
	});
	for (const command of [
		['ip', 'netns', 'add', name],
		['ip', 'link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name],
		['ip', 'addr', 'add', `${net}.1/30`, 'dev', here],
		['ip', 'link', 'set', here, 'up'],
		[...inside, 'ip', 'addr', 'add', `${net}.2/30`, 'dev', there],
		[...inside, 'ip', 'link', 'set', there, 'up'],
		[...inside, 'nft', 'add', 'table', 'inet', 'x'],
		...['input', 'output'].flatMap((hook) => [
			[...inside, 'nft', 'add', 'chain', 'inet', 'x', hook,
				`{ type filter hook ${hook} priority 0; }`],
			[...inside, 'nft', 'add', 'rule', 'inet', 'x', hook, ...drop],
		]),
	]) {
		const failed = sh(...command);
		if (failed !== undefined)
			return { failed };
	}
	const lost = () => Number(spawnSync(inside[0], [...inside.slice(1), 'nft', 'list', 'table', 'inet', 'x'])
		.stdout.toString().match(/counter packets (\d+)/)?.[1] ?? 0);
	return { inside, host: `${net}.1`, lost };
}

// The files that names are looked up in are ours, for one process.
const withNames = (hosts, resolv) => ['unshare', '-m', 'sh', '-c',
	'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"',
	'sh', hosts, resolv];

export function networks(test) {
	test(`a network that loses ${LOSS} of 100 packets each way`, async (t) => {
		const ns = lossy();
		if (ns.failed !== undefined) {
			console.log(`# skipped, the lossy network: ${ns.failed}`);
			t.skip(ns.failed);
			return;
		}
		const d = await deployment({ host: ns.host, through: ns.inside });
		const n = 4 * MIB;
		const req = open(d.relay.origin, '/hash', { method: 'POST',
			headers: { ...d.headers, 'content-length': n } });
		const up = answer(req);
		const longest = await everybody(d, async () => {
			await pump(req, pattern(n));
			assert.deepEqual((await up).json, { bytes: n, sha256: patternHash(n) });
			const { body } = await request(d.relay.origin, `/bytes?n=${n}`, { headers: d.headers });
			assert.equal(createHash('sha256').update(body).digest('hex'), patternHash(n));
			d.proxy.cutAll();
			await d.agent.proc.waitFor(/\bresumed\b/, 'resumed');
		});
		assert.ok(ns.lost() > 0);
		assert.equal(said(d.agent, /session lost/), 0);
		console.log(`# lossy network: ${ns.lost()} packets lost on the way in, 1 cut, 2 transfers of 4 MiB whole, ` +
		    `7 people, none noticed, longest pause ${longest} ms`);
	});

	test('an agent that starts before the network: names are looked up afresh at each try', async (t) => {
		const dir = tempDir('names');
		const [hosts, resolv] = [join(dir, 'hosts'), join(dir, 'resolv.conf')];
		writeFileSync(hosts, '127.0.0.1 localhost\n');
		writeFileSync(resolv, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
		const [command, ...args] = withNames(hosts, resolv);
		const failed = existsSync('/etc/resolv.conf') ? sh(command, ...args, 'true') : 'no /etc/resolv.conf';
		if (failed !== undefined) {
			console.log(`# skipped, names that change: ${failed}`);
			t.skip(failed);
			return;
		}
		const app = await App.start();
		const relay = await startRelay({ args: ['--root', 'web'] });
		const proc = start('agent-boots', command, [...args, ADIT, 'agent', '--relay',
			`http://relay.adit.test:${relay.port}`, '--name', 'box', '--data', join(dir, 'data'),
			'--app', `web=127.0.0.1:${app.port}`],
		    { cwd: dir, env: cleanEnv({ RELAY_TOKEN: relay.secrets.token }) });
		let at = 0;
		const next = async (what) => {
			await proc.waitFor(what, `${what}`, at);
			at = proc.lines.length;
		};
		await next(/cannot be resolved/);
		await next(/cannot be resolved/);
		writeFileSync(hosts, '127.0.0.9 relay.adit.test\n');   // nobody is there
		await next(/connecting address=127\.0\.0\.9:/);
		await next(/dial failed/);
		writeFileSync(hosts, '127.0.0.1 relay.adit.test\n');
		await next(/accepted/);
		assert.ok(proc.lines.filter((l) => /\bresolving\b/.test(l)).length >= 4);
	});
}
