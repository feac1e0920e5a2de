import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../../log.ts';
import { type Controller, runControllers } from '../controller.ts';
import type { Gossip, Mesh, Resources } from '../resources.ts';
import { createStore } from '../store.ts';

export const GOSSIP: Gossip = { running: true, members: [] };
export const MESH: Mesh = { ready: true, driver: 'kernel', address: '10.42.0.1', peers: [] };

export function engineFor(t: TestContext, controllers: readonly Controller[], halted = () => false) {
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

export async function eventually(check: () => boolean): Promise<void> {
  for (let left = 500; !check(); left -= 1) {
    assert.ok(left > 0, 'never came true');
    await delay(10);
  }
}
