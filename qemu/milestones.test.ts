import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMilestones } from './milestones.ts';

test('each milestone of a boot is told once, in order', () => {
  const look = createMilestones();
  assert.deepEqual(look({ text: '' }), []);
  assert.deepEqual(look({ text: 'BdsDxe: starting Boot0001\n' }), ['firmware started']);
  assert.deepEqual(look({ text: 'BdsDxe: starting Boot0001\n' }), []);
  const text = 'BdsDxe: x\n[    0.000000] Linux version 6.12\n[    2.1] systemd[1]: Hello\n';
  assert.deepEqual(look({ text }), ['kernel started', 'systemd starts services']);
  assert.deepEqual(look({ text: `${text}node-1 login: ` }), ['login prompt']);
});

test('a kernel that is told to be quiet is not said to start when another program prints a time stamp', () => {
  const look = createMilestones();
  let text = "GRUB\n  Booting `Cluster-OS (debian-13)'\n";
  assert.deepEqual(look({ text }), ['boot loader started', 'boot loader loads the kernel']);
  text += '[   31.304637] cloud-init[482]: Cloud-init v. 25.1.4\n';
  assert.deepEqual(look({ text }), []);
  text += '         Starting ssh.service - OpenBSD Secure Shell server...\n';
  assert.deepEqual(look({ text }), ['systemd starts services']);
});

test('a milestone that was missed is not told after a later one', () => {
  const look = createMilestones();
  assert.deepEqual(look({ text: 'Welcome to Debian' }), ['systemd starts services']);
  assert.deepEqual(look({ text: 'GRUB Welcome to Debian' }), []);
});
