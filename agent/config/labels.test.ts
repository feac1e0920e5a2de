import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedLabels, labelsSchema, unmet, whereSchema } from './labels.ts';

const SSD = { disk: 'ssd', gpu: '' };

test('a constraint asks for a value, another one, presence or absence, and all of them must hold', () => {
  for (const [where, lacks] of [
    ['', undefined],
    ['  ', undefined],
    ['disk=ssd', undefined],
    ['disk = ssd', undefined],
    ['disk=hdd', 'it wants disk=hdd, and this node has disk=ssd'],
    ['disk!=hdd', undefined],
    ['disk!=ssd', 'it wants disk!=ssd, and this node has disk=ssd'],
    ['rack!=a', undefined],
    ['rack=a', 'it wants rack=a, and this node has no such label'],
    ['gpu', undefined],
    ['gpu=', undefined],
    ['!gpu', 'it wants !gpu, and this node has gpu='],
    ['rack', 'it wants rack, and this node has no such label'],
    ['! rack', undefined],
    ['gpu, disk=ssd ,!rack', undefined],
    ['gpu,disk=hdd,rack', 'it wants disk=hdd, and this node has disk=ssd'],
    ['constructor', 'it wants constructor, and this node has no such label'],
    ['!constructor', undefined],
  ] as const) {
    assert.equal(unmet(where, SSD), lacks, where);
    assert.ok(whereSchema.safeParse(where).success, where);
  }
});

test('what is no constraint is refused, and met by no node should it come all the same', () => {
  for (const where of [
    'disk==ssd',
    'disk=',
    ',',
    'a,,b',
    '!disk=ssd',
    '=ssd',
    'Disk',
    'a b',
    'disk=s sd',
    'in (a)',
  ]) {
    const read = whereSchema.safeParse(where);
    if (where === 'disk=') assert.ok(read.success, 'the empty value is one');
    else assert.match(read.error?.issues[0]?.message ?? '', /^expected disk=ssd/, where);
    assert.notEqual(unmet(where, SSD), undefined, where);
  }
});

test('labels are short words, and few', () => {
  for (const labels of [{ disk: 'ssd' }, { 'a.b_c-d': 'A.1' }, { gpu: '' }])
    assert.ok(labelsSchema.safeParse(labels).success, JSON.stringify(labels));
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, '']));
  const long = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`k${index}`, 'x'.repeat(63)]));
  for (const labels of [{ Disk: 'ssd' }, { disk: 'a b' }, { '-a': '' }, { a: '-' }, { a: 1 }, many, long])
    assert.ok(!labelsSchema.safeParse(labels).success, JSON.stringify(labels).slice(0, 60));
});

test('what an operator changed is laid over the settings, and null takes a label away', () => {
  assert.deepEqual(changedLabels({ disk: 'hdd', gpu: 'a' }, { disk: 'ssd', gpu: null, rack: '7' }), {
    disk: 'ssd',
    rack: '7',
  });
  assert.deepEqual(changedLabels({ disk: 'hdd' }), { disk: 'hdd' });
});
