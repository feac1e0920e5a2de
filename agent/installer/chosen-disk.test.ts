import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differences } from './chosen-disk.ts';
import type { Disk } from './disks.ts';

const identity = { number: '8:16', sequence: '21', size: 8_000_000_000 };
const chosen: Disk = {
  name: 'sdb',
  path: '/dev/sdb',
  size: 8_000_000_000,
  logicalSector: 512,
  physicalSector: 512,
  model: 'ACME',
  serial: 'S1',
  wwn: '0x5000',
  identity,
  number: '8:16',
  transport: 'sata',
  removable: false,
  readOnly: false,
  uses: [],
  contents: [],
  labels: [],
  members: ['sdb'],
  otherPaths: [],
};

test('a disk that is what it was when it was chosen differs in nothing', () => {
  assert.deepEqual(differences(chosen, { ...chosen }, { identity }), []);
  const full = { ...chosen, contents: ['b', 'a'] };
  assert.deepEqual(differences(full, { ...full, contents: ['a', 'b'] }, { identity }), []);
});

for (const [what, now, opened, told] of [
  ['serial', { serial: 'S2' }, {}, 'its serial was S1 and is S2'],
  ['serial that is gone', { serial: undefined }, {}, 'its serial was S1 and is none'],
  ['WWN', { wwn: '0x6000' }, {}, 'its WWN was 0x5000 and is 0x6000'],
  ['model', { model: 'OTHER' }, {}, 'its model was ACME and is OTHER'],
  ['size', {}, { size: 4_000_000_000 }, 'its size was 8000000000 bytes and is 4000000000 bytes'],
  ['sector', { logicalSector: 4096 }, {}, 'its sector was 512 bytes and is 4096 bytes'],
  ['disk sequence', {}, { sequence: '22' }, 'its sequence number was 21 and is 22'],
  ['device number', {}, { number: '8:32' }, 'its device number was 8:16 and is 8:32'],
  ['contents', { contents: ['a file system'] }, {}, 'its contents was nothing and is a file system'],
] as const) {
  test(`a disk with another ${what} than the chosen one is told from it`, () => {
    const found = differences(chosen, { ...chosen, ...now }, { identity: { ...identity, ...opened } });
    assert.deepEqual(found, [told]);
  });
}
