import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryOf, misnamed } from './names.ts';

test('letters may be large or small, and the exact name comes first', () => {
  assert.equal(entryOf(['CLUSTER.KEY', 'x'], 'cluster.key'), 'CLUSTER.KEY');
  assert.equal(entryOf(['Cluster.key', 'cluster.key'], 'cluster.key'), 'cluster.key');
  assert.equal(entryOf(['cluster.key.txt'], 'cluster.key'), undefined);
  assert.deepEqual(misnamed(['CLUSTEROS', 'USER-DATA', 'Meta-Data'], ['CLUSTER.KEY', 'Node.yaml']), []);
});

test('names that look like ours are told with the right one', () => {
  for (const [name, right] of [
    ['cluster.key.txt', 'cluster.key'],
    ['CLUSTER.KEY.TXT', 'cluster.key'],
    ['cluster.key (1)', 'cluster.key'],
    ['cluster (1).key', 'cluster.key'],
    ['cluster_key', 'cluster.key'],
    ['cluster-key.txt', 'cluster.key'],
    ['Copy of cluster.key', 'cluster.key'],
    ['cluster.kez', 'cluster.key'],
    ['cluster.token.txt', 'cluster.token'],
    ['node.yml', 'node.yaml'],
    ['node.yaml.yaml', 'node.yaml'],
    ['node', 'node.yaml'],
    ['install.yml.txt', 'install.yaml'],
    ['install.yaml~', 'install.yaml'],
  ] as const) {
    const [found] = misnamed(['clusteros'], [name]);
    assert.equal(found?.reason, `expected clusteros/${right}: rename it`, name);
  }
  for (const [name, right] of [
    ['user-data.txt', 'user-data'],
    ['user_data', 'user-data'],
    ['user-data.yaml', 'user-data'],
    ['metadata', 'meta-data'],
    ['network-config.yml', 'network-config'],
    ['cluster.key', 'clusteros/cluster.key'],
    ['install.yaml', 'clusteros/install.yaml'],
    ['Cluster-OS', 'the folder clusteros'],
  ] as const) {
    const [found] = misnamed([name], []);
    assert.equal(found?.reason, `expected ${right}: rename it`, name);
  }
  assert.equal(misnamed(['clusteros'], ['user-data'])[0]?.reason, 'expected user-data: rename it');
});

test('a seed that lies one folder too deep is told; the examples and other folders are not', () => {
  const deeper = {
    'my seed': ['clusteros', 'user-data'],
    lab: ['CLUSTER.KEY'],
    examples: ['cluster.key', 'user-data'],
    photos: ['holiday.jpg'],
  };
  const told = misnamed(Object.keys(deeper), [], deeper);
  assert.deepEqual(
    told.map(({ name }) => name),
    ['my seed', 'lab'],
  );
  assert.match(told[0]?.reason ?? '', /one folder too deep: move/);
});

test('a copy beside the file itself is told as that, and what computers leave behind is not told', () => {
  const copies = misnamed(['clusteros'], ['cluster.key', 'cluster.key.bak', 'Cluster.Key']);
  assert.deepEqual(
    copies.map(({ name, reason }) => [name, reason]),
    ['cluster.key.bak', 'Cluster.Key'].map((name) => [
      `clusteros/${name}`,
      'cluster.key is there too, and is the one that is read',
    ]),
  );
  const litter = ['._cluster.key', '.DS_Store', 'System Volume Information', 'Thumbs.db'];
  assert.deepEqual(misnamed([...litter, 'README.txt', 'examples', 'holiday.jpg'], litter), []);
});
