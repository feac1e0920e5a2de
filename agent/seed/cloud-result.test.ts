import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Facts } from '../gather.ts';
import { conditionsOf } from '../status.ts';
import { parseCloudStatus } from './cloud-result.ts';
import { cloudResultOffer } from './offers.ts';

const status = (stages: object) =>
  JSON.stringify({ v1: { datasource: 'DataSourceNoCloud', stage: null, ...stages } });

test('errors and warnings of cloud-init are counted by stage, of old and new releases, deprecations are not', () => {
  const old = status({ init: { errors: ['secret'], start: 1, finished: 2 }, 'init-local': { errors: [] } });
  assert.deepEqual(parseCloudStatus(old), { errors: ['init: 1'], warnings: [] });
  const recent = status({
    init: { errors: [], recoverable_errors: { WARNING: ['secret', 'x'], DEPRECATED: ['y'] } },
    'modules-final': { errors: [], recoverable_errors: { DEPRECATED: ['y'] } },
  });
  assert.deepEqual(parseCloudStatus(recent), { errors: [], warnings: ['init: 2'] });
  for (const text of ['', '{', '[]', '{"v1": 3}', 'null']) assert.equal(parseCloudStatus(text), undefined);
});

test('an error of cloud-init is a condition, a warning is told of the seed, and neither shows its words', () => {
  const failed = cloudResultOffer({ errors: ['init: 1'], warnings: [] });
  assert.deepEqual(failed?.content, {
    refusal: 'cloud-init reports errors (init: 1); see: sudo cloud-init status --long',
  });
  const degraded = cloudResultOffer({ errors: [], warnings: ['init: 2'] });
  assert.deepEqual(degraded?.content, {
    ignored: 'cloud-init reports warnings (init: 2); see: sudo cloud-init status --long',
  });
  assert.equal(cloudResultOffer({ errors: [], warnings: [] }), undefined);
  const facts = {
    identity: {},
    key: Buffer.alloc(32),
    settings: { settings: {} },
    spoilt: [],
    seed: [{ item: 'cloud-init', source: 'seed', outcome: 'refused', reason: 'errors', at: '' }],
  } as unknown as Facts;
  const [condition] = conditionsOf(facts, [], [], 0);
  assert.deepEqual([condition?.code, condition?.evidence], ['seed.cloud-init', 'errors']);
});
