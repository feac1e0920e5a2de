import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { renderBlock, withBlock } from './hosts-block.ts';
import { namesOf, resolveNames } from './node-names.ts';
import { knownCard } from './testing/cards.ts';

const hash = (id: string, length: number) => createHash('sha256').update(id).digest('hex').slice(0, length);
const named = (...pairs: [id: string, name: string][]) => pairs.map(([id, name]) => ({ id, name }));

test('who has a name alone has it, and of two the registry decides, then the lower id', () => {
  const nodes = named(['b', 'web'], ['a', 'web'], ['c', 'db']);
  const names = (registered = {}) => Object.fromEntries(resolveNames(nodes, registered));
  assert.deepEqual(names(), { a: 'web', b: `web-${hash('b', 4)}`, c: 'db' });
  assert.deepEqual(names({ web: 'b' }), { b: 'web', a: `web-${hash('a', 4)}`, c: 'db' });
  assert.deepEqual(names({ db: 'unseen' }).c, `db-${hash('c', 4)}`);
});

test('nobody takes the name that another was given in place of his own', () => {
  const clash = `web-${hash('b', 4)}`;
  const names = resolveNames(named(['a', 'web'], ['b', 'web'], ['A', clash]), {});
  assert.equal(new Set(names.values()).size, 3);
  assert.equal(names.get('A'), clash);
});

test('a name that is none, or would break the machine, is not used', () => {
  for (const name of ['localhost', 'a b', 'x\n1.2.3.4 evil', 'Web', '', 'a.b', '-']) {
    assert.equal(resolveNames(named(['a', name]), {}).get('a'), `node-${hash('a', 6)}`, name);
  }
  const long = resolveNames(named(['a', 'x'.repeat(63)], ['b', 'x'.repeat(63)]), {}).get('b');
  assert.equal(long?.length, 63);
});

test('an evicted node has no name', () => {
  const cards = [knownCard('a', { name: 'web' })];
  const own = { id: 'own', name: 'web' };
  const registry = { names: {}, evicted: ['a'] };
  assert.deepEqual([...namesOf(own, cards, registry)], [['own', 'web']]);
  assert.equal(namesOf(own, cards, undefined).get('a'), 'web');
});

const ENTRIES = [
  { name: 'web', address: '10.42.1.2' },
  { name: 'db', address: '10.42.7.7' },
];

test('the block is sorted by name, whatever the order of the nodes', () => {
  assert.equal(renderBlock(ENTRIES), renderBlock(ENTRIES.toReversed()));
  assert.match(
    renderBlock(ENTRIES),
    /^# BEGIN .*\n10\.42\.7\.7 db db\.clusteros\.internal\n10\.42\.1\.2 web .*\n# END clusteros\n$/,
  );
});

test('what is outside of the block stays byte by byte, also without a line break at the end', () => {
  for (const rest of ['', '\n', '127.0.0.1 localhost', '127.0.0.1 localhost\n\n# \xe9\r\n\n']) {
    const once = withBlock(rest, ENTRIES);
    assert.ok(once.endsWith(rest));
    assert.equal(withBlock(once, ENTRIES), once);
    assert.equal(withBlock(withBlock(once, ENTRIES.slice(1)), []), rest);
  }
});

test('a block that an administrator moved or a crash cut in two takes nothing of his with it', () => {
  const block = renderBlock(ENTRIES);
  assert.equal(withBlock(`a\n${block}b\n`, []), 'a\nb\n');
  const cut = block.replace('# END clusteros\n', '');
  assert.equal(
    withBlock(`a\n${cut}127.0.0.1 localhost\n10.0.0.1 nas\n`, []),
    'a\n127.0.0.1 localhost\n10.0.0.1 nas\n',
  );
  assert.equal(withBlock(`${block}${block}x`, []), 'x');
});
