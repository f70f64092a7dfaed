// qr.js: QR codes (ISO/IEC 18004), bytes, error correction level M, versions 1
// to 10: up to 213 bytes. qr(text) gives rows of booleans, dark is true; null
// when the text is too long. Each of the eight masks is drawn and the one with
// the fewest penalty points kept, as the standard has it.

// Per version: check bytes per block, then the data bytes of each block.
const times = (n, size) => Array(n).fill(size);
const BLOCKS = [null,
	[10, [16]], [16, [28]], [26, [44]], [18, times(2, 32)], [24, times(2, 43)],
	[16, times(4, 27)], [18, times(4, 31)], [22, [38, 38, 39, 39]],
	[22, [36, 36, 36, 37, 37]], [26, [43, 43, 43, 43, 44]]];
const CENTRES = [null, [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34],
	[6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

// GF(256) with x^8 + x^4 + x^3 + x^2 + 1.
const EXP = [];
const LOG = [];
for (let i = 0, x = 1; i < 255; i++) {
	EXP[i] = EXP[i + 255] = x;
	LOG[x] = i;
	x = x << 1 ^ (x > 127 ? 0x11d : 0);
}
const mul = (a, b) => a === 0 || b === 0 ? 0 : EXP[LOG[a] + LOG[b]];

// The remainder of data * x^n by the generator polynomial of degree n.
export function checkBytes(data, n) {
	let generator = [1];
	for (let i = 0; i < n; i++)
		generator = [...generator, 0].map((g, k) => g ^ mul(generator[k - 1] ?? 0, EXP[i]));
	const rest = [...data, ...Array(n).fill(0)];
	for (let i = 0; i < data.length; i++) {
		const factor = rest[i];
		generator.forEach((g, k) => {
			rest[i + k] ^= mul(g, factor);
		});
	}
	return rest.slice(data.length);
}

function codewords(bytes, version) {
	const [check, sizes] = BLOCKS[version];
	const room = sizes.reduce((a, b) => a + b);
	const wide = version > 9 ? 16 : 8;
	let bits = '0100' + bytes.length.toString(2).padStart(wide, '0');
	for (const b of bytes)
		bits += b.toString(2).padStart(8, '0');
	bits += '0'.repeat(Math.min(4, room * 8 - bits.length));
	bits += '0'.repeat(-bits.length & 7);
	const data = bits.match(/.{8}/g).map((b) => parseInt(b, 2));
	for (let pad = 0xec; data.length < room; pad ^= 0xec ^ 0x11)
		data.push(pad);
	const blocks = sizes.map((size) => data.splice(0, size));
	const checks = blocks.map((block) => checkBytes(block, check));
	const out = [];
	for (const group of [blocks, checks])
		for (let i = 0; i < Math.max(...group.map((b) => b.length)); i++)
			out.push(...group.filter((b) => i < b.length).map((b) => b[i]));
	return out;
}

// `value` followed by its remainder by `generator`, of `n` bits.
export function bch(value, generator, n) {
	let rest = value << n;
	for (let bit = 31 - Math.clz32(rest); bit >= n; bit = 31 - Math.clz32(rest))
		rest ^= generator << bit - n;
	return value << n | rest;
}

const MASKS = [
	(x, y) => (x + y) % 2, (x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3,
	(x, y) => ((y >> 1) + Math.floor(x / 3)) % 2, (x, y) => x * y % 2 + x * y % 3,
	(x, y) => (x * y % 2 + x * y % 3) % 2, (x, y) => ((x + y) % 2 + x * y % 3) % 2];

// The fixed patterns; `undefined` is left where data goes.
function frame(version) {
	const size = 17 + 4 * version;
	const m = Array.from({ length: size }, () => Array(size));
	const square = (cx, cy, r, on) => {
		for (let y = cy - r; y <= cy + r; y++)
			for (let x = cx - r; x <= cx + r; x++)
				if (m[y] !== undefined && x >= 0 && x < size)
					m[y][x] = on(Math.max(Math.abs(x - cx), Math.abs(y - cy)));
	};
	for (let i = 8; i < size - 8; i++)
		m[6][i] = m[i][6] = i % 2 === 0;
	const last = size - 7;
	for (const cy of CENTRES[version])
		for (const cx of CENTRES[version])
			if (!((cx === 6 && (cy === 6 || cy === last)) || (cy === 6 && cx === last)))
				square(cx, cy, 2, (d) => d !== 1);
	for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]])
		square(cx, cy, 4, (d) => d !== 2 && d !== 4);
	if (version > 6) {
		const info = bch(version, 0x1f25, 12);
		for (let i = 0; i < 18; i++) {
			const a = size - 11 + i % 3;
			const b = Math.floor(i / 3);
			m[a][b] = m[b][a] = (info >> i & 1) === 1;
		}
	}
	return m;
}

// Level M is 00, so that the five bits are the mask's number alone.
function putFormat(m, mask) {
	const size = m.length;
	const bits = bch(mask, 0x537, 10) ^ 0x5412;
	for (let i = 0; i < 15; i++) {
		const on = (bits >> i & 1) === 1;
		m[i < 6 ? i : i < 8 ? i + 1 : size - 15 + i][8] = on;
		m[8][i < 8 ? size - 1 - i : i < 9 ? 7 : 14 - i] = on;
	}
	m[size - 8][8] = true;
}

// Two columns at a time from the right, up and down by turns.
function fill(m, words, mask) {
	const size = m.length;
	let at = 0;
	for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
		if (right === 6)
			right = 5;
		for (let i = 0; i < size; i++) {
			const y = up ? size - 1 - i : i;
			for (const x of [right, right - 1]) {
				if (m[y][x] !== undefined)
					continue;
				const bit = words[at >> 3] >> 7 - (at & 7) & 1;
				m[y][x] = (bit === 1) !== (MASKS[mask](x, y) === 0);
				at++;
			}
		}
	}
}

function penalty(m) {
	const size = m.length;
	const turned = m.map((_, x) => m.map((row) => row[x]));
	let points = 0;
	for (const row of [...m, ...turned]) {
		const text = row.map(Number).join('');
		for (const [run] of text.matchAll(/0{5,}|1{5,}/g))
			points += run.length - 2;
		points += 40 * [...text.matchAll(/(?=10111010000|00001011101)/g)].length;
	}
	for (let y = 1; y < size; y++)
		for (let x = 1; x < size; x++)
			if (m[y][x] === m[y][x - 1] && m[y][x] === m[y - 1][x] && m[y][x] === m[y - 1][x - 1])
				points += 3;
	const dark = m.flat().filter(Boolean).length / size / size;
	return points + 10 * Math.floor(Math.abs(dark * 20 - 10));
}

export function qr(text) {
	const bytes = [...new TextEncoder().encode(text)];
	const version = BLOCKS.findIndex((v, i) => v !== null &&
	    v[1].reduce((a, b) => a + b) >= bytes.length + (i > 9 ? 3 : 2));
	if (version < 0)
		return null;
	const words = codewords(bytes, version);
	const drawn = MASKS.map((_, mask) => {
		const m = frame(version);
		putFormat(m, mask);
		fill(m, words, mask);
		return m;
	});
	const points = drawn.map(penalty);
	return drawn[points.indexOf(Math.min(...points))];
}
