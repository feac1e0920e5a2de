import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsoleText, inspectLine, stripEscapes } from './console.ts';

const FATAL: readonly [string, string][] = [
  [
    'kernel panic',
    '[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
  ],
  ['kernel oops', '[   12.0] BUG: kernel NULL pointer dereference, address: 0000000000000008'],
  ['kernel oops', '[   12.0] Oops: 0000 [#1] PREEMPT SMP PTI'],
  ['emergency mode', 'You are in emergency mode. After logging in, type "journalctl -xb" to view'],
  ['emergency mode', 'Give root password for maintenance'],
  ['emergency mode', 'Cannot open access to console, the root account is locked.'],
  ['initramfs shell', '(initramfs) '],
  ['initramfs shell', 'ALERT!  UUID=abcd does not exist.  Dropping to a shell!'],
  ['GRUB rescue', 'grub rescue> '],
  ['Secure Boot violation', 'Verification failed: (0x1A) Security Violation'],
  ['Secure Boot violation', 'error: bad shim signature.'],
  [
    'Secure Boot violation',
    'BdsDxe: failed to load Boot0002 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0): Access Denied',
  ],
  ['nothing to boot', 'No bootable device.'],
];
const WARNINGS: readonly [string, string][] = [
  ['kernel warning', '[   10.1] WARNING: CPU: 1 PID: 33 at kernel/workqueue.c:1 x+0x1/0x2'],
  ['soft lockup', '[   60.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]'],
  ['failed unit', '[FAILED] Failed to start node-agent.service - Cluster-OS agent.'],
];
const FINE = [
  '[    0.0] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable',
  '[  OK  ] Reached target multi-user.target - Multi-User System.',
  '[    0.1] Kernel command line: root=UUID=x panic=30 oops=panic',
  '[    1.0] systemd[1]: Listening on systemd-initctl.socket.',
  'BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM" from PciRoot(0x0): Not Found',
  'node1 login: ',
];

test('lines that mean the end of a boot are fatal, by name', () => {
  for (const [kind, line] of FATAL) {
    const { kind: found, severity } = inspectLine(line) ?? {};
    assert.deepEqual({ found, severity }, { found: kind, severity: 'fatal' }, line);
  }
});

test('lines that are bad but let the boot go on are warnings', () => {
  for (const [kind, line] of WARNINGS) {
    const { kind: found, severity } = inspectLine(line) ?? {};
    assert.deepEqual({ found, severity }, { found: kind, severity: 'warning' }, line);
  }
});

test('what an ordinary boot says is nothing', () => {
  for (const line of FINE) assert.equal(inspectLine(line), undefined, line);
});

test('colours, cursor moves, window titles and carriage returns do not hide a word, wherever the stream is cut', () => {
  const stream =
    '\x1b[2J\x1b[01;01H\x1b]0;title\x07[\x1b[0;1;31mFAI\x1b[0mLED\x1b[0m] Failed to start x.service\r\n\x1b(BYou are in \x1b[1memergency\x1b[0m mode.';
  for (let size = 1; size <= stream.length; size++) {
    const console = new ConsoleText();
    for (let from = 0; from < stream.length; from += size) console.feed(stream.slice(from, from + size));
    assert.equal(
      console.text,
      '[FAILED] Failed to start x.service\nYou are in emergency mode.',
      `cut by ${size}`,
    );
    assert.deepEqual(
      console.findings.map(({ kind }) => kind),
      ['failed unit', 'emergency mode'],
      `cut by ${size}`,
    );
  }
});

test('a prompt without a line feed is found, and once only', () => {
  const console = new ConsoleText();
  console.feed('(initra');
  assert.equal(console.fatal(), undefined);
  console.feed('mfs) ');
  console.feed('ls\n');
  assert.equal(console.fatal()?.kind, 'initramfs shell');
  assert.equal(console.findings.length, 1);
  assert.equal(console.findings[0]?.line, '(initramfs) ls');
});

test('findings of an earlier start can be left out', () => {
  const console = new ConsoleText();
  console.feed('Kernel panic - not syncing: x\n');
  assert.equal(console.fatal(console.findings.length), undefined);
});

test('positions stay true when the oldest text has been forgotten', () => {
  const console = new ConsoleText();
  for (let line = 0; line < 6; line++) console.feed(`${String(line).repeat(1024 * 1024)}\n`);
  const before = console.position;
  console.feed('the end\n');
  assert.equal(console.since(before), 'the end\n');
  assert.ok(console.text.length < 5 * 1024 * 1024);
});

test('an escape that is cut is kept for later, and a lone one does not eat text', () => {
  assert.deepEqual(stripEscapes('a\x1b[3'), { clean: 'a', rest: '\x1b[3' });
  assert.deepEqual(stripEscapes('a\x1bcb'), { clean: 'ab', rest: '' });
});
