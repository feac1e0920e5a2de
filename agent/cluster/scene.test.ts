import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resources } from '../engine/resources.ts';
import { createStore } from '../engine/store.ts';
import { fingerprint } from '../identity/keys.ts';
import type { FoundCondition } from '../status.ts';
import { scene as world } from '../testing/scene.ts';
import type { HaltReason } from './halt.ts';
import { createScene } from './scene.ts';

const LEFT: HaltReason = {
  code: 'node.left',
  condition: {
    code: 'node.left',
    state: 'waiting',
    summary: 'this node has left its cluster',
    endedBy: 'node-agent join ADDRESS',
  },
};

test('a node that has left says so at once, also while its engines are being stopped', () => {
  const store = createStore<Resources>();
  const { ownCard, gossip, mesh, consensus, registry, roles } = world();
  for (const [name, value] of Object.entries({ ownCard, gossip, mesh, consensus, registry, roles })) {
    store.set(name as keyof Resources, value as never);
  }
  let halted: HaltReason | undefined;
  let found: readonly FoundCondition[] = [];
  const scene = createScene({
    store,
    events: { recent: () => [], count: () => 0 },
    refusals: () => [],
    key: () => Buffer.alloc(32, 7),
    found: () => found,
    halted: () => halted,
  });
  assert.deepEqual(scene.conditions(), []);
  assert.equal(scene.view().members.length, 4);
  assert.equal(scene.view().cluster.keyFingerprint, fingerprint(Buffer.alloc(32, 7)));

  halted = LEFT;
  assert.deepEqual(
    scene.conditions().map(({ code }) => code),
    ['node.stopping'],
  );
  assert.match(scene.conditions()[0]?.summary ?? '', /^this node has left its cluster;/);
  found = LEFT.condition === undefined ? [] : [LEFT.condition];
  assert.deepEqual(scene.conditions(), found);
});
