import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDocument } from './document.ts';
import { describeProblem } from './problems.ts';

const said = (text: string) => readDocument('node.yaml', text).problems.map(describeProblem);

test('an empty file, comments alone and empty sections set nothing and are no mistake', () => {
  for (const text of ['', '# nothing\n', '---\n', 'mesh:\n  # port: 1\n', '{}']) {
    const source = readDocument('node.yaml', text);
    assert.deepEqual(source.problems, [], text);
  }
});

test('every mistake is told at once, with line, column, expectation and the nearest word', () => {
  const text = `name: Bad_Name
mesh:
  prot: 51820
gossip:
  port: many
consensus:
  expect: 0
  bootstrap: "yes"
log:
  level: warnign
discovery:
  join:
    - good.example:7946
    - "http://bad"
`;
  assert.deepEqual(said(text), [
    'node.yaml:1:1: name: expected lower-case letters, digits and inner hyphens, at most 63',
    'node.yaml:3:3: mesh.prot: unknown key; expected one of port, range, interface, mtu; did you mean port?',
    'node.yaml:5:3: gossip.port: expected a whole number',
    'node.yaml:7:3: consensus.expect: expected 1 or more',
    'node.yaml:8:3: consensus.bootstrap: expected true or false',
    'node.yaml:10:3: log.level: expected one of error, warning, info, debug; did you mean warning?',
    'node.yaml:14:7: discovery.join[1]: expected host, host:port or [IPv6]:port',
  ]);
});

test('a duplicate key is a mistake at its place', () => {
  assert.deepEqual(said('name: a\nname: b\n'), ['node.yaml:2:1: duplicate key']);
});

test('values are not repeated: a misplaced secret must not reach a log', () => {
  const text = readDocument('node.yaml', 'name: SECRETSECRET=\ngossip: {port: SECRETSECRET}\n');
  assert.equal(text.problems.length, 2);
  assert.ok(!JSON.stringify(text.problems).includes('SECRET'));
});

test('broken YAML, binary rubbish, a list, aliases that explode and deep nesting are mistakes, never a crash', () => {
  const bomb = `a: &a [1,1]\n${Array.from({ length: 30 }, (_, i) => `k${i}: &k${i} [${'*a,'.repeat(20)}*a]`).join('\n')}\n`;
  for (const text of [
    'mesh: [',
    '\0\0\0',
    '\uFFFD',
    '- a\n- b\n',
    'just text',
    bomb,
    '['.repeat(60_000),
    '- '.repeat(30_000),
    '{'.repeat(500),
    'a: b: c',
    '---\na: 1\n---\nb: 2\n',
  ]) {
    const started = performance.now();
    assert.notDeepEqual(readDocument('node.yaml', text).problems, [], text.slice(0, 40));
    assert.ok(performance.now() - started < 2_000, text.slice(0, 40));
  }
});
