import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { View } from '../engine/controller.ts';
import type { Resources } from '../engine/resources.ts';
import { IDS } from '../testing/scene.ts';
import { worldOf } from './world.ts';

const [ME = ''] = IDS;
const SETTINGS = { ...DEFAULT_SETTINGS, labels: { disk: 'hdd' } };
const EMPTY = { nodes: [], addresses: {}, names: {}, holders: [], evicted: [], tokens: [] };

function worldWith(registry: Resources['registry'] | undefined) {
  const resources = {
    facts: { identity: { id: ME }, settings: { settings: SETTINGS } },
    consensus: { place: 'voter', quorum: true, endpoints: ['x'], voters: [ME], learners: [] },
    mesh: { ready: true },
    registry,
  } as unknown as Resources;
  const view: View = { get: (name) => resources[name], nudge: () => {} };
  const world = worldOf(view, undefined);
  assert.ok(world);
  return world;
}

test('a node goes by its settings and by what operators changed of its labels', () => {
  assert.deepEqual(worldWith(EMPTY).labels, { disk: 'hdd' });
  assert.equal(worldWith(EMPTY).may, true);
  const changed = worldWith({ ...EMPTY, labels: { [ME]: { disk: null, retired: '' } } });
  assert.deepEqual(changed.labels, { retired: '' });
});

test('a node that does not know yet what operators changed holds no role', () => {
  const { may } = worldWith(undefined);
  assert.ok(may !== true);
  assert.match(may.reason, /registry/);
});
