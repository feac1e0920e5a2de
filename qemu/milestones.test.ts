import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMilestones } from './milestones.ts';

test('each milestone of a boot is told once, in order', () => {
  const look = createMilestones();
  assert.deepEqual(look({ text: '' }), []);
  assert.deepEqual(look({ text: 'BdsDxe: starting Boot0001\n' }), ['firmware started']);
  assert.deepEqual(look({ text: 'BdsDxe: starting Boot0001\n' }), []);
  const text = 'BdsDxe: x\n[    0.000000] Linux version 6.12\n[    2.1] systemd[1]: Hello\n';
  assert.deepEqual(look({ text }), ['kernel started', 'systemd started']);
  assert.deepEqual(look({ text: `${text}node-1 login: ` }), ['login prompt']);
});

test('a milestone that was missed is not told after a later one', () => {
  const look = createMilestones();
  assert.deepEqual(look({ text: 'Welcome to Debian' }), ['systemd started']);
  assert.deepEqual(look({ text: 'GRUB Welcome to Debian' }), []);
});
