// odd.mjs: what the tests of odd messages share.

// mulberry32: the same numbers on every machine.
export function random(seed) {
	let a = seed >>> 0;
	const next = () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = Math.imul(a ^ (a >>> 15), a | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return (t ^ (t >>> 14)) >>> 0;
	};
	return {
		below: (n) => next() % n,
		chance: (percent) => next() % 100 < percent,
		pick: (list) => list[next() % list.length],
	};
}
