// page.js: what the demo page does. Addresses are relative: it works under any host.

const $ = (id) => document.getElementById(id);

// --- what the app was told

fetch('whoami').then((r) => r.json()).then((who) => {
	$('user').textContent = who.user ?? 'nobody in particular (no relay in front)';
	$('address').textContent = who.address;
	$('opened').textContent = `${who.scheme}://${who.host}/`;
}).catch((error) => {
	$('user').textContent = `could not ask: ${error.message}`;
});

// --- clock

const clock = new EventSource('clock');
let ticks = 0;
let reconnects = -1;
clock.onopen = () => {
	$('reconnects').textContent = String(++reconnects);
};
clock.onmessage = (event) => {
	const { time } = JSON.parse(event.data);
	$('time').textContent = new Date(time).toLocaleTimeString();
	$('time').title = time;
	$('ticks').textContent = String(++ticks);
};

// --- chat

let socket;
let wait = 500;

function state(name, text) {
	$('state').dataset.state = name;
	$('state').textContent = text;
}

function line(text, quiet) {
	const li = document.createElement('li');
	li.textContent = text;
	li.className = quiet ? 'quiet' : '';
	$('log').append(li);
	while ($('log').children.length > 200)
		$('log').firstChild.remove();
	$('log').scrollTop = $('log').scrollHeight;
}

function connect() {
	const url = new URL('ws', location.href);
	url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
	socket = new WebSocket(url);
	socket.binaryType = 'arraybuffer';
	socket.onopen = () => {
		wait = 500;
		state('open', 'connected');
		socket.send(Float64Array.of(performance.now()));
	};
	socket.onclose = (event) => {
		state('closed', `closed (${event.code}${event.reason ? `: ${event.reason}` : ''}), trying again`);
		setTimeout(connect, wait);
		wait = Math.min(wait * 2, 10000);
	};
	socket.onmessage = (event) => {
		if (event.data instanceof ArrayBuffer) {
			const ms = performance.now() - new Float64Array(event.data)[0];
			$('ping').textContent = `, there and back in ${ms.toFixed(1)} ms`;
			return;
		}
		const m = JSON.parse(event.data);
		if (m.type === 'hello')
			line(`you are ${m.name}; ${m.here} here`, true);
		else if (m.type === 'said')
			line(`${m.name}: ${m.text}`);
		else
			line(`${m.name} ${m.type}; ${m.here} here`, true);
	};
}
connect();

$('say').onsubmit = (event) => {
	event.preventDefault();
	if (socket.readyState !== WebSocket.OPEN)
		return;
	socket.send($('text').value);
	socket.send(Float64Array.of(performance.now()));
	$('text').value = '';
};

// --- upload

const size = (n) => n < 1024 ? `${n} bytes` : n < 1 << 20 ?
	`${(n / 1024).toFixed(1)} KiB` : `${(n / (1 << 20)).toFixed(1)} MiB`;

// crypto.subtle exists only on https and localhost; elsewhere there is nothing to compare with.
async function sha256(bytes) {
	if (!globalThis.crypto?.subtle)
		return null;
	const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
	return Array.from(hash, (b) => b.toString(16).padStart(2, '0')).join('');
}

$('send').onsubmit = (event) => {
	event.preventDefault();
	const file = $('file').files[0];
	const began = performance.now();
	const xhr = new XMLHttpRequest();       // fetch cannot tell how far an upload is
	xhr.open('POST', 'upload');
	xhr.upload.onprogress = (e) => {
		if (e.lengthComputable)
			$('progress').value = e.loaded / e.total;
	};
	xhr.onloadend = () => {
		$('progress').hidden = true;
		if (xhr.status !== 200) {
			$('result').className = 'bad';
			$('result').textContent = xhr.status === 0 ? 'the upload was cut off' :
				`refused: ${xhr.status} ${xhr.statusText}`;
			return;
		}
		const { bytes, sha256: hash } = JSON.parse(xhr.responseText);
		const seconds = (performance.now() - began) / 1000;
		const code = document.createElement('code');
		code.textContent = hash;
		$('result').className = bytes === file.size ? 'good' : 'bad';
		$('result').replaceChildren(`${size(bytes)} (${bytes}) arrived in ${seconds.toFixed(2)} s, SHA-256 `, code);
		$('result').dataset.sha256 = hash;
	};
	$('progress').value = 0;
	$('progress').hidden = false;
	$('result').textContent = '';
	xhr.send(file);
};

// --- download

$('verify').onclick = async () => {
	const out = $('verified');
	out.className = '';
	out.textContent = 'fetching';
	try {
		const began = performance.now();
		const bytes = await (await fetch('download?mib=8')).arrayBuffer();
		const seconds = (performance.now() - began) / 1000;
		const want = await (await fetch('checksum?mib=8')).json();
		const have = await sha256(bytes);
		const same = bytes.byteLength === want.bytes && (have === null || have === want.sha256);
		out.className = same ? 'good' : 'bad';
		out.textContent = `${size(bytes.byteLength)} in ${seconds.toFixed(2)} s, ` +
			(have === null ? 'length compared (SHA-256 needs https or localhost)' :
			same ? 'SHA-256 equal' : 'NOT the bytes that were sent');
	} catch (error) {
		out.className = 'bad';
		out.textContent = `failed: ${error.message}`;
	}
};
