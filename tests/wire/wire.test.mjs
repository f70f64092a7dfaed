// PROTOCOL.md 6 over real sockets: what is cut, held, slow, killed, restarted
// or lossy between relay and agent is a pause. Nearly all of it is waiting, so all
// of it runs at once.

import { after, describe, it } from 'node:test';
import { NEVER_MS, needsRelay, shutDown } from '../e2e/harness.mjs';
import { crashes } from './crashes.mjs';
import { cuts } from './cuts.mjs';
import { networks } from './networks.mjs';
import { outages } from './outages.mjs';

after(shutDown);

describe('real faults', { skip: needsRelay, concurrency: 16 }, () => {
	const test = (name, fn) => it(name, { timeout: NEVER_MS * 3 }, fn);
	cuts(test);
	outages(test);
	crashes(test);
	networks(test);
});
