import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportAsText } from '../cli/doctor.ts';
import { bootSector, GREETED_EXIT, probeArgv } from './boot-sector.ts';
import { judgeProbe } from './kvm.ts';
import { versionIn } from './programs.ts';

test('the guest of the probe is a boot sector', () => {
  const sector = bootSector();
  assert.equal(sector.length, 512);
  assert.deepEqual([...sector.subarray(510)], [0x55, 0xaa]);
  // The far jump goes to where the 64-bit code is, and lgdt to where the table is described.
  const hex = Buffer.from(sector).toString('hex');
  assert.equal(hex.indexOf('b9002d3101') / 2, 0x73);
  assert.equal(hex.indexOf('0f00887c0000') / 2, 0x98);
  assert.ok(probeArgv('/x', 'kvm').includes('isa-debug-exit,iobase=244,iosize=1'));
});

test('only a guest that answered counts as KVM', () => {
  assert.equal(judgeProbe(GREETED_EXIT, '').accel, 'kvm');
  assert.match(judgeProbe(137, '').reason, /^KVM opens, but a guest did not run within \d+ s: using TCG$/);
  assert.match(
    judgeProbe(1, 'x\nfailed to initialize kvm: Bad address\n').reason,
    /failed to initialize kvm: Bad address/,
  );
  assert.match(judgeProbe(127, '').reason, /missing/);
  for (const code of [0, 1, 3, 35, 124, 127, 128, 137])
    assert.equal(judgeProbe(code, '').accel, 'tcg', String(code));
});

test('versions are found in the words of real programs', () => {
  assert.equal(versionIn('QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'), '7.2.22');
  assert.equal(versionIn('OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0'), '9.2p1');
  assert.equal(versionIn('mke2fs 1.47.0 (5-Feb-2023)'), '1.47.0');
  assert.equal(versionIn('no number'), undefined);
});

test('the report says what is missing, for what, and how to get it', () => {
  const text = reportAsText({
    programs: [
      {
        name: 'zstd',
        present: false,
        required: true,
        version: undefined,
        neededBy: 'image',
        install: 'sudo apt-get install zstd',
      },
      {
        name: 'ubuntu-keyring',
        present: false,
        required: false,
        version: undefined,
        neededBy: 'x',
        install: 'y',
      },
    ],
    mayBuild: { ok: false, reason: 'no subordinate ids', fix: 'usermod' },
    accelerator: { accel: 'tcg', reason: 'no /dev/kvm' },
    memoryBytes: 2 ** 30,
    freeBytes: 2 ** 40,
    cacheFolder: '/c',
    ok: false,
  });
  assert.match(text, /MISSING {2}zstd +sudo apt-get install zstd\n +for image/);
  assert.match(text, /absent {3}ubuntu-keyring/);
  assert.match(text, /memory +1 GiB available \(low/);
  assert.match(text, /building +no subordinate ids/);
  assert.match(text, /doctor --fix\nimages cannot be built here; fix: usermod$/);
});
