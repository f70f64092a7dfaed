// pki.mjs: certificates for the tests, made by openssl on the spot.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnv, run, tempDir } from './harness.mjs';

async function openssl(dir, args, input) {
	const r = await run('openssl', args, {
		cwd: dir, input, env: cleanEnv({ OPENSSL_CONF: join(dir, 'conf') }),
	});
	if (r.code !== 0)
		throw new Error(`openssl ${args.join(' ')}: ${r.stderr}`);
	return r.stdout;
}

const day = (n) => new Date(Date.now() + n * 86400e3).toISOString().replace(/[-:T]|\.\d+/g, '');

// An authority and one below it. sign() gives { cert, key, pin }: paths of the
// chain and the key, and the pin.
export async function newPki() {
	const dir = tempDir('pki');
	writeFileSync(join(dir, 'index'), '');
	writeFileSync(join(dir, 'conf'), `[req]
distinguished_name=dn
[dn]
[ca]
default_ca=d
[d]
database=index
new_certs_dir=.
rand_serial=yes
default_md=sha256
policy=p
unique_subject=no
[p]
commonName=supplied
[authority]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign
[leaf]
basicConstraints=CA:FALSE
`);
	const make = async (name, { kind = 'ec', names, by, from = -1, to = 30, ca = false }) => {
		const key = `${name}.key`;
		if (kind === 'rsa')
			await openssl(dir, ['genrsa', '-out', key, '2048']);
		else
			await openssl(dir, ['ecparam', '-name', kind === 'ec' ? 'prime256v1' : kind, '-genkey', '-noout', '-out', key]);
		let section = ca ? 'authority' : 'leaf';
		const conf = join(dir, 'conf');
		if (names !== undefined) {
			section = `san-${name}`;
			writeFileSync(conf, `${readFileSync(conf, 'utf8')}[${section}]\nbasicConstraints=CA:FALSE\nsubjectAltName=${names}\n`);
		}
		await openssl(dir, ['req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', 'csr']);
		await openssl(dir, ['ca', '-batch', '-notext', '-config', 'conf', '-extensions', section,
			...(by === undefined ? ['-selfsign', '-keyfile', key] : ['-cert', `${by}.pem`, '-keyfile', `${by}.key`]),
			'-startdate', day(from), '-enddate', day(to), '-in', 'csr', '-out', `${name}.pem`]);
		const pub = await openssl(dir, ['x509', '-in', `${name}.pem`, '-pubkey', '-noout']);
		const der = await openssl(dir, ['pkey', '-pubin', '-outform', 'der'], pub);
		const hash = await openssl(dir, ['dgst', '-sha256', '-binary'], der);
		return { cert: join(dir, `${name}.pem`), key: join(dir, key), pin: `sha256:${hash.toString('base64')}` };
	};
	const root = await make('test-root', { ca: true });
	await make('test-mid', { ca: true, by: 'test-root' });
	return {
		dir,
		ca: root.cert,
		// { names, kind, from, to, self, alone: without the intermediate }
		async sign(name, options = {}) {
			const it = await make(name, { names: 'DNS:localhost,IP:127.0.0.1', by: options.self ? undefined : 'test-mid', ...options });
			if (!options.self && !options.alone)
				writeFileSync(it.cert, readFileSync(it.cert, 'utf8') + readFileSync(join(dir, 'test-mid.pem'), 'utf8'));
			return it;
		},
	};
}
