import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endingOf, refusalsIn } from './log-lines.ts';

test('refusals of both sides are understood, with the address of the peer', () => {
  const time = '2026/11/21 03:36:33';
  for (const [entry, address, reason] of [
    [
      `${time} [ERR] memberlist: failed to receive: No installed keys could decrypt the message from=127.0.0.1:49572`,
      '127.0.0.1',
      'gossip with another key',
    ],
    [
      `${time} [ERR] memberlist: Decrypt packet failed: No installed keys could decrypt the message from=[fd00::9]:7946`,
      'fd00::9',
      'gossip with another key',
    ],
    [
      `${time} [ERR] memberlist: failed to receive: Encryption is configured but remote state is not encrypted from=10.0.0.9:49582`,
      '10.0.0.9',
      'gossip without encryption',
    ],
    [
      `${time} [WARN] agent: error joining: 1 error occurred:\n\t* Failed to join 127.0.0.3: No installed keys could decrypt the message\n`,
      '127.0.0.3',
      'gossip with another key',
    ],
  ] as const) {
    assert.deepEqual(refusalsIn(entry), [{ address, reason }]);
  }
});

test('other lines are no refusals', () => {
  for (const entry of [
    '',
    '[WARN] memberlist: Refuting a suspect message (from: n1)',
    '[WARN] agent: error joining: 1 error occurred:\n\t* Failed to join 127.0.0.9: dial tcp 127.0.0.9:1: connect: connection refused\n',
    'No installed keys could decrypt the message from=<unknown address>',
  ]) {
    assert.deepEqual(refusalsIn(entry), []);
  }
});

test('the reason of an end is taken from the last start only', () => {
  const busy =
    '==> Failed to start the Serf agent: Error creating Serf: Failed to create memberlist: Could not set up network transport: failed to obtain an address: Failed to start TCP listener on "0.0.0.0" port 7946: listen tcp 0.0.0.0:7946: bind: address already in use';
  const rpc = '==> Error starting RPC listener: listen tcp 127.0.0.1:7950: bind: address already in use';
  const begin = '==> Starting Serf agent...';
  assert.equal(endingOf([begin, busy]), 'port-busy');
  assert.equal(endingOf([begin, busy, begin, rpc]), 'rpc-busy');
  assert.equal(endingOf([begin, busy, begin, 'panic: oh']), 'other');
  assert.equal(endingOf([]), 'other');
});
