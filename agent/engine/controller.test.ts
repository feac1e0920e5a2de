import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentError } from '../errors.ts';
import { createLog } from '../log.ts';
import { type Controller, type Outcome, runControllers } from './controller.ts';
import type { Gossip, Mesh, Resources } from './resources.ts';
import { createStore } from './store.ts';

const GOSSIP: Gossip = { running: true, members: [] };
const MESH: Mesh = { ready: true, driver: 'kernel', address: '10.42.0.1', peers: [] };

function engineFor(t: TestContext, controllers: readonly Controller[], halted = () => false) {
  const store = createStore<Resources>();
  const end = new AbortController();
  const lines: string[] = [];
  const log = createLog({ write: (line) => lines.push(line), format: 'text' });
  const gaveUp: string[] = [];
  const engine = runControllers({
    controllers,
    store,
    log,
    stop: end.signal,
    halted,
    giveUp: (reason) => gaveUp.push(reason),
  });
  t.after(async () => {
    end.abort();
    await engine.done;
  });
  return { store, engine, lines, end, gaveUp };
}

async function eventually(check: () => boolean): Promise<void> {
  for (let left = 500; !check(); left -= 1) {
    assert.ok(left > 0, 'never came true');
    await delay(10);
  }
}

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
