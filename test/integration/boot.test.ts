// needs: images, cpu 0.9, memory 1.5 GiB
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { FirmwareKind } from '../../qemu/argv.ts';
import { rebootGuest } from '../../qemu/booted.ts';
import type { Machine } from '../../qemu/machine.ts';
import { depth } from '../depth.ts';
import { type TestImage, testImage } from '../images.ts';
import { agentStatus, bootedMachine, fileOf } from '../nodes.ts';

const GIB = 2 ** 30;

/** A boot after the first, which first-boot.test.ts has too, by BIOS after a power cut. */
const REBOOT = depth('the same node after a reboot, with Secure Boot', 2);

/** What Secure Boot says of itself: the EFI variable SecureBoot, and the kernel's lockdown that follows from it. */
const SECURE_BOOT: Record<FirmwareKind, RegExp> = {
  bios: /EFI variables are not supported/,
  uefi: /SecureBoot disabled/,
  secureboot: /SecureBoot enabled/,
};

/** The boot chains that other files use anyhow are depth here: first-boot.test.ts starts by BIOS. */
const SKIP: Record<FirmwareKind, string | false> = {
  bios: depth('the image of debian-13 started by BIOS', 5),
  uefi: depth('the image of debian-13 started by UEFI without Secure Boot', 5),
  secureboot: false,
};

describe('an image of debian-13', () => {
  let image: TestImage;
  before(async () => {
    image = await testImage('debian-13');
  });

  for (const firmware of ['bios', 'uefi', 'secureboot'] as const) {
    describe(`started by ${firmware}`, { skip: SKIP[firmware] }, () => {
      let machine: Machine;
      before(async () => {
        machine = await bootedMachine({
          name: `boot-${firmware}`,
          image: image.image,
          firmware,
          diskBytes: 20 * GIB,
        });
      });
      after(() => machine?.dispose());

      test('comes up with no failed unit, by the boot chain that was asked for', async () => {
        assert.equal((await machine.guest.run(['systemctl', 'is-system-running'])).stdout.trim(), 'running');
        const said = await machine.guest.run(['mokutil', '--sb-state']);
        assert.match(said.stdout + said.stderr, SECURE_BOOT[firmware]);
      });

      test('has grown its root to the disk', async () => {
        const size = await machine.guest.run(['findmnt', '--noheadings', '--bytes', '--output', 'SIZE', '/']);
        assert.ok(Number(size.stdout) > 19 * GIB, `root has ${size.stdout.trim()} bytes of a disk of 20 GiB`);
        const table = await machine.guest.run(['sfdisk', '--verify', '/dev/vda']);
        assert.equal(table.exitCode, 0, table.stdout + table.stderr);
      });

      test('runs the agent, which has an identity and says that it waits for a key', async () => {
        const status = await agentStatus(machine);
        assert.equal(status.state, 'waiting');
        assert.match(JSON.stringify(status), /CIDATA/);
        assert.ok(status.id !== undefined);
        await machine.waitForConsole(new RegExp(status.id), { deadlineMs: 300_000 });
      });

      test('is the same node after a reboot', { skip: REBOOT }, async () => {
        const earlier = await Promise.all([agentStatus(machine), ...identifyingFiles(machine)]);
        await rebootGuest(machine);
        const later = await Promise.all([agentStatus(machine), ...identifyingFiles(machine)]);
        assert.equal(later[0].id, earlier[0].id);
        assert.deepEqual(later.slice(1), earlier.slice(1));
      });

      test('offers nothing to the network but SSH, and SSH without passwords', async () => {
        const sockets = await machine.guest.run(['ss', '-H', '-lntu']);
        const open = sockets.stdout
          .split('\n')
          .map((line) => line.trim().split(/\s+/)[4] ?? '')
          .filter(
            (address) => address !== '' && !/^(127\.|\[::1\])/.test(address) && !/:(68|546)$/.test(address),
          );
        assert.deepEqual(
          [...new Set(open.map((address) => address.replace(/^.*:/, '')))],
          ['22'],
          sockets.stdout,
        );
        const sshd = await machine.guest.run(['sshd', '-T']);
        assert.match(sshd.stdout, /^passwordauthentication no$/m);
        assert.match(sshd.stdout, /^permitrootlogin no$/m);
      });
    });
  }
});

/** docker.test.ts has its systemd and its agent, without a kernel. */
const OLDER = depth('the image of debian-12 started by UEFI', 4);

describe('an image of debian-12', { skip: OLDER }, () => {
  test('builds, boots and runs the agent', async () => {
    const { image } = await testImage('debian-12');
    const machine = await bootedMachine({ name: 'boot-debian-12', image, firmware: 'uefi' });
    try {
      assert.equal((await agentStatus(machine)).state, 'waiting');
      assert.match(await fileOf(machine, '/etc/os-release'), /VERSION_ID="12"/);
    } finally {
      await machine.dispose();
    }
  });
});

function identifyingFiles(machine: Machine): Promise<string>[] {
  return ['/etc/machine-id', '/etc/ssh/ssh_host_ed25519_key.pub'].map((file) => fileOf(machine, file));
}
