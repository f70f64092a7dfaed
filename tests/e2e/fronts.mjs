// fronts.mjs: Debian's nginx and Caddy, with the files of deploy/ and nothing
// changed in them but where they listen and where they pass requests to.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEPLOY, cleanEnv, freePorts, start, tempDir } from './harness.mjs';

// Replaces text that must be there: a template that changed is not passed over.
function put(text, from, to) {
	if (!text.includes(from))
		throw new Error(`deploy template: no "${from}"`);
	return text.split(from).join(to);
}

function nginx(folder, file, port, upstream, { readTimeout, forwarded }) {
	let site = readFileSync(join(DEPLOY, file), 'utf8');
	site = put(site, 'listen 80;', `listen 127.0.0.1:${port};`);
	site = put(site, '127.0.0.1:4000', upstream);
	if (readTimeout !== undefined)
		site = site.replace(/proxy_read_timeout \w+;/, `proxy_read_timeout ${readTimeout};`);
	if (forwarded === true && !site.includes('X-Forwarded-For'))
		site = put(site, 'proxy_set_header Host $host;', `proxy_set_header Host $host;
		proxy_set_header X-Real-IP $remote_addr;
		proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		proxy_set_header X-Forwarded-Proto $scheme;`);
	const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
	const conf = join(folder, 'nginx.conf');
	writeFileSync(join(folder, 'site.conf'), site);
	// Started by root, nginx would drop to a user who may not enter this folder.
	writeFileSync(conf, `${process.getuid() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr notice;
events { worker_connections 512; }
http {
	access_log off;
	${temporary.map((t) => `${t}_temp_path ${join(folder, t)};`).join('\n\t')}
	include ${join(folder, 'site.conf')};
}
`);
	return ['/usr/sbin/nginx', ['-p', folder, '-c', conf, '-e', 'stderr'], /start worker process/];
}

function caddy(folder, file, port, upstream) {
	let site = readFileSync(join(DEPLOY, file), 'utf8');
	site = put(site, 'relay.example.org {', `http://127.0.0.1:${port} {`);
	site = put(site, '127.0.0.1:4000', upstream);
	const conf = join(folder, 'Caddyfile');
	writeFileSync(conf, `{
	admin off
	auto_https off
	skip_install_trust
	default_bind 127.0.0.1
}
${site}`);
	return ['/usr/bin/caddy', ['run', '--config', conf, '--adapter', 'caddyfile'],
		/serving initial configuration/];
}

const kinds = {
	nginx: [nginx, 'nginx.conf'],
	'nginx-plain': [nginx, 'nginx-plain.conf'],
	caddy: [caddy, 'Caddyfile'],
};

// startFront: `upstreamOf(port)` is asked for the upstream's address once the
// front's own port is chosen (a relay may have to be told it first).
export async function startFront(kind, upstreamOf, options = {}) {
	const [make, file] = kinds[kind];
	for (let attempt = 0; ; attempt++) {
		const [port] = await freePorts();
		const folder = tempDir(kind);
		mkdirSync(join(folder, 'home'));
		const [command, args, ready] = make(folder, file, port, await upstreamOf(port, attempt), options);
		// nginx has workers to end; Caddy would wait for every open connection.
		const proc = start(kind, command, args, {
			stopBy: kind === 'caddy' ? 'SIGKILL' : 'SIGTERM',
			cwd: folder,
			env: cleanEnv({
				HOME: join(folder, 'home'),
				XDG_DATA_HOME: join(folder, 'home'),
				XDG_CONFIG_HOME: join(folder, 'home'),
			}),
		});
		try {
			await proc.waitFor(ready, 'ready');
			return { kind, proc, port, origin: `http://127.0.0.1:${port}` };
		} catch (error) {
			await proc.stop('SIGKILL');
			// Somebody took the port in between: another one, a few times.
			if (attempt === 4 || !/address already in use|Address already in use/.test(proc.lines.join('\n')))
				throw error;
		}
	}
}
