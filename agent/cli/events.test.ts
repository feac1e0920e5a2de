import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Snapshot } from '../api/routes.ts';
import { serveApi } from '../api/server.ts';
import type { Event } from '../events/event.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { events } from './events.ts';

test('who follows the events of an agent that starts anew sees each of them once', async (t) => {
  const { environment, paths } = makeSandbox(t);
  const agent = async (count: number) => {
    const ending = new AbortController();
    const listener = await serveApi(paths, () => ({}) as Snapshot, {
      events: {
        since: async ({ seq = 0 }) => Array.from({ length: count }, (_, n) => event(n + 1)).slice(seq),
        async *follow(signal) {
          await new Promise((resolve) => {
            for (const each of [signal, ending.signal]) each.addEventListener('abort', resolve);
          });
        },
      },
    });
    return {
      end: async () => {
        ending.abort();
        await listener.close();
      },
    };
  };
  const seen: number[] = [];
  const two = Promise.withResolvers<void>();
  const said: string[] = [];
  const print = (stream: string, text: string) => {
    if (stream === 'stderr') return said.push(text);
    seen.push((JSON.parse(text) as Event).seq);
    if (seen.length === 2) two.resolve();
    return seen.length < 3;
  };
  const first = await agent(2);
  const following = events({ environment, paths, print }, { json: true, follow: true });
  await two.promise;
  await first.end();
  const second = await agent(3);
  t.after(() => second.end());
  await following;
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(said.length, 1);
});

test('following an agent that does not run is an error at once', async (t) => {
  const { environment, paths } = makeSandbox(t);
  const following = events({ environment, paths, print: () => {} }, { follow: true });
  await assert.rejects(following, { code: 'agent.not-running' });
});

function event(seq: number): Event {
  return { at: '2026-01-01T00:00:00.000Z', seq, kind: 'x', summary: `${seq}` };
}
