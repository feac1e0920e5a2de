import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howMany } from '../../test/depth.ts';
import type { Operations } from '../operations/operations.ts';
import { randomFrom } from '../testing/random.ts';
import { createApi } from './api.ts';
import { ROUTES, type Snapshot } from './routes.ts';

const ROUNDS = howMany(10_000, 100_000, '100,000 fuzz rounds of requests to the agent', 1);
const PIECES = [
  ...['{', '}', '[', ']', ':', ',', '"', '\\u0000', '\0', '1e999', '-1', 'null', 'true', '\xff', ' '],
  ...['"node"', '"id"', '"address"', '"ttlSeconds"', '"uses"', '"mode"', '"from-snapshot"', '"__proto__"'],
];

test(`${ROUNDS} made-up bodies and queries are each answered, and never by an error of ours`, async () => {
  const random = randomFrom(1).below;
  const words = (most: number) =>
    Array.from({ length: random(most) }, () => PIECES[random(PIECES.length)]).join('');
  const operations = new Proxy({} as Operations, { get: () => async () => ({ done: '' }) });
  const api = createApi({
    snapshot: () => ({ status: {}, info: {} }) as unknown as Snapshot,
    operations,
    events: { since: async () => [], follow: async function* () {} },
    now: () => new Date(0),
  });
  const { signal } = new AbortController();
  for (let round = 0; round < ROUNDS; round += 1) {
    const route = ROUTES[random(ROUTES.length)] ?? assert.fail();
    const body = Buffer.from(words(24), 'latin1');
    const query = new URLSearchParams({ since: words(4) });
    const { status } = await api({ method: route.method, path: route.path, query, body, signal });
    assert.ok([200, 400, 503].includes(status), `round ${round}: ${status}`);
  }
});
