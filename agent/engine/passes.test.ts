import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from './controller.ts';
import type { Gossip } from './resources.ts';
import { engineFor, eventually, GOSSIP, MESH } from './testing/engine.ts';

test('a pass that takes too long is aborted and waited for: the next one never runs beside it', async (t) => {
  let [running, most, passes, others] = [0, 0, 0, 0];
  let aborted = false;
  let end = () => {};
  const { engine, gaveUp } = engineFor(t, [
    {
      name: 'slow',
      inputs: [],
      outputs: [],
      timeoutMs: 50,
      reconcile: async (_view, signal) => {
        passes += 1;
        running += 1;
        most = Math.max(most, running);
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        if (passes === 1) await new Promise<void>((resolve) => (end = resolve));
        running -= 1;
        return {};
      },
    },
    {
      name: 'other',
      inputs: [],
      outputs: [],
      reconcile: async () => {
        others += 1;
        return { againMs: 5 };
      },
    },
  ]);
  await eventually(() => engine.conditions().some(({ summary }) => /no end after 0.05 s/.test(summary)));
  assert.ok(aborted);
  const before = others;
  await eventually(() => others > before + 100);
  assert.deepEqual([passes, running], [1, 1]);
  end();
  await eventually(() => passes === 2 && engine.conditions().length === 0);
  assert.deepEqual([most, gaveUp], [1, []]);
});

test('a pass that goes on long after it was aborted ends the process, and says which', async (t) => {
  let [passes, end] = [0, () => {}];
  const { gaveUp } = engineFor(t, [
    {
      name: 'hung',
      inputs: [],
      outputs: [],
      timeoutMs: 20,
      abortedMs: 30,
      reconcile: async () => {
        passes += 1;
        await new Promise<void>((resolve) => (end = resolve));
        return {};
      },
    },
  ]);
  await eventually(() => gaveUp.length === 1);
  assert.deepEqual(gaveUp, ['hung was aborted after 0.02 s and has not ended 0.03 s later']);
  assert.equal(passes, 1);
  end();
});

test('an output that a pass no longer produces is removed; a failed pass leaves it', async (t) => {
  let say: () => Outcome = () => ({ outputs: { gossip: GOSSIP } });
  const seen: (Gossip | undefined)[] = [];
  let nudge = () => {};
  const { store, engine } = engineFor(t, [
    {
      name: 'writer',
      inputs: [],
      outputs: ['gossip'],
      reconcile: async (view) => {
        nudge = view.nudge;
        return say();
      },
    },
    {
      name: 'reader',
      inputs: ['gossip'],
      outputs: [],
      reconcile: async (view) => {
        seen.push(view.get('gossip'));
        return {};
      },
    },
  ]);
  await eventually(() => seen.at(-1) !== undefined);
  say = () => {
    throw new Error('not now');
  };
  nudge();
  await eventually(() => engine.conditions().length === 1);
  assert.deepEqual(store.get('gossip'), GOSSIP);
  say = () => ({});
  await eventually(() => store.get('gossip') === undefined && seen.at(-1) === undefined);
});

test('a node that is halted keeps no output but of those that go on, whatever pass is under way', async (t) => {
  let [halted, underWay] = [false, false];
  let release = () => {};
  const { store } = engineFor(
    t,
    [
      {
        name: 'waits',
        inputs: [],
        outputs: ['gossip'],
        reconcile: async () => ({ outputs: { gossip: GOSSIP }, againMs: 600_000 }),
      },
      {
        name: 'busy',
        inputs: [],
        outputs: ['mesh'],
        reconcile: async (view, signal) => {
          if (view.get('mesh') !== undefined) {
            underWay = true;
            await new Promise<void>((resolve) => {
              release = resolve;
              signal.addEventListener('abort', () => resolve());
            });
          }
          return { outputs: { mesh: MESH }, againMs: 1 };
        },
      },
      {
        name: 'goes on',
        inputs: [],
        outputs: ['links'],
        whileHalted: true,
        reconcile: async () => ({ outputs: { links: [] } }),
      },
    ],
    () => halted,
  );
  await eventually(() => underWay && store.get('gossip') !== undefined);
  halted = true;
  await eventually(() => store.get('mesh') === undefined && store.get('gossip') === undefined);
  release();
  await delay(50);
  assert.equal(store.get('mesh'), undefined, 'what a pass of before says is not believed');
  assert.deepEqual(store.get('links'), []);
  halted = false;
  await eventually(() => store.get('mesh') !== undefined && store.get('gossip') !== undefined);
});
