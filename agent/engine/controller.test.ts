import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentError } from '../errors.ts';
import { createLog } from '../log.ts';
import { type Controller, runControllers } from './controller.ts';
import type { Gossip, Resources } from './resources.ts';
import { createStore } from './store.ts';
import { engineFor, eventually, GOSSIP } from './testing/engine.ts';

test('a controller is called again when an input changes, and not for the same value', async (t) => {
  const seen: (Gossip | undefined)[] = [];
  const { store } = engineFor(t, [
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
  await eventually(() => seen.length === 1);
  assert.ok(store.set('gossip', GOSSIP));
  await eventually(() => seen.length === 2);
  assert.ok(!store.set('gossip', { ...GOSSIP }), 'an equal value is no change');
  await delay(50);
  assert.deepEqual(seen, [undefined, GOSSIP]);
});

test('an input that changes during a pass is not missed', async (t) => {
  let passes = 0;
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { store } = engineFor(t, [
    {
      name: 'slow',
      inputs: ['gossip'],
      outputs: [],
      reconcile: async () => {
        passes += 1;
        if (passes === 1) await gate;
        return {};
      },
    },
  ]);
  await eventually(() => passes === 1);
  store.set('gossip', GOSSIP);
  release();
  await eventually(() => passes === 2);
});

test('a failure becomes a condition with its fix, is told once, and goes when its cause does', async (t) => {
  let broken = true;
  const { engine, lines, store } = engineFor(t, [
    {
      name: 'frail',
      inputs: ['gossip'],
      outputs: ['gossip'],
      reconcile: async () => {
        if (broken)
          throw new AgentError({ code: 'x.y', exit: 'internal', message: 'broken', fix: 'mend it' });
        return { outputs: { gossip: GOSSIP } };
      },
    },
  ]);
  await eventually(() => engine.conditions()[0]?.code === 'x.y');
  assert.equal(engine.conditions()[0]?.endedBy, 'mend it');
  await delay(700);
  broken = false;
  await eventually(() => engine.conditions().length === 0);
  assert.deepEqual(store.get('gossip'), GOSSIP);
  assert.equal(lines.filter((line) => line.includes('broken')).length, 1);
});

test('while the node is halted only those go on that may, and nothing is said to be missing', async (t) => {
  let halted = true;
  const passes = { always: 0, other: 0 };
  const { engine } = engineFor(
    t,
    (['always', 'other'] as const).map((name) => ({
      name,
      inputs: [],
      outputs: [],
      whileHalted: name === 'always',
      reconcile: async () => {
        passes[name] += 1;
        return { againMs: 5, conditions: [{ code: name, state: 'waiting', summary: name, endedBy: 'x' }] };
      },
    })),
    () => halted,
  );
  await eventually(() => passes.always > 3);
  assert.equal(passes.other, 0);
  assert.deepEqual(
    engine.conditions().map(({ code }) => code),
    ['always'],
  );
  halted = false;
  await eventually(() => passes.other > 0);
});

test('two controllers may not write one resource', () => {
  const one: Controller = { name: 'one', inputs: [], outputs: ['mesh'], reconcile: async () => ({}) };
  assert.throws(
    () =>
      runControllers({
        controllers: [one, { ...one, name: 'two' }],
        store: createStore<Resources>(),
        log: createLog({ write: () => {}, format: 'text' }),
        stop: AbortSignal.abort(),
        halted: () => false,
        giveUp: assert.fail,
      }),
    /two and one both write mesh/,
  );
});

test('while a controller rests many changes are one pass; a nudge is heard at once', async (t) => {
  let passes = 0;
  let nudge = () => {};
  const { store } = engineFor(t, [
    {
      name: 'rests',
      inputs: ['gossip'],
      outputs: [],
      reconcile: async (view) => {
        passes += 1;
        nudge = view.nudge;
        return { restMs: passes < 3 ? 60_000 : 100, againMs: 120_000 };
      },
    },
  ]);
  await eventually(() => passes === 1);
  store.set('gossip', GOSSIP);
  await delay(100);
  assert.equal(passes, 1);
  nudge();
  await eventually(() => passes === 2);
  nudge();
  await eventually(() => passes === 3);
  for (const port of [1, 2, 3]) store.set('gossip', { ...GOSSIP, advertise: `10.0.0.${port}` });
  await eventually(() => passes === 4);
  await delay(150);
  assert.equal(passes, 4);
});
