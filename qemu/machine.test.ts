import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { files, which } from '../build/host.ts';
import { createMachine, type Machine } from './machine.ts';
import { bootSector } from './testing/boot-sector.ts';

// Real QEMU, with a boot sector as the guest: it says how often it has been booted, and powers off at a 'q'.
const skip = (await which('qemu-system-x86_64')) === undefined && 'QEMU is not installed';
const folder = await files.makeWorkFolder(tmpdir(), 'cosmachine');
const machines: Machine[] = [];
after(async () => {
  for (const machine of machines) await machine.dispose();
  await files.remove(folder);
});

async function machineThatSays(message: string, name = 'm1'): Promise<Machine> {
  const image = path.join(folder, `${machines.length}.raw`);
  await files.writeAtomic(image, bootSector(message));
  const machine = await createMachine({ name, accel: 'tcg', image, memoryMiB: 64, cpus: 1 });
  machines.push(machine);
  return machine;
}

const soon = { deadlineMs: 300_000 };

test('a machine boots its image, is heard, and ends by its own power off', { skip }, async () => {
  const machine = await machineThatSays('boot ');
  await machine.start();
  await machine.waitForConsole(/boot 1/, soon);
  assert.deepEqual(((await machine.qmp.execute('query-status')) as { status: string }).status, 'running');
  machine.type('q');
  await assert.rejects(machine.waitForConsole(/boot 2/, soon), {
    code: 'wait.hopeless',
    message: /QEMU of m1 ended with exit code 0/,
  });
  assert.equal(machine.running, false);
});

test('a power cut keeps the disk, the image stays as it was, and reset counts as a boot', {
  skip,
}, async () => {
  const machine = await machineThatSays('boot ');
  const image = path.join(folder, `${machines.length - 1}.raw`);
  const before = await files.readBytes(image);
  await machine.start();
  await machine.waitForConsole(/boot 1/, soon);
  await machine.crash();
  assert.equal(machine.running, false);
  await machine.start();
  await machine.waitForConsole(/boot 2/, soon);
  await machine.reset();
  await machine.waitForConsole(/boot 3/, soon);
  assert.ok(before.equals(await files.readBytes(image)));
});

test('a guest that ignores the power button is reported in time, and can still be ended', {
  skip,
}, async () => {
  const machine = await machineThatSays('boot ');
  await machine.start();
  await machine.waitForConsole(/boot 1/, soon);
  await assert.rejects(machine.powerdown(500), { code: 'wait.timeout', message: /m1 to power down/ });
  assert.equal(machine.running, true);
  const { pid } = machine;
  await machine.dispose();
  assert.throws(() => process.kill(pid ?? 0, 0), { code: 'ESRCH' });
});

test('a panic on the console ends a wait at once', { skip }, async () => {
  const machine = await machineThatSays('Kernel panic - not syncing: no ');
  await machine.start();
  await assert.rejects(machine.waitForConsole(/login:/, soon), {
    code: 'wait.hopeless',
    message: /kernel panic on the console of m1: Kernel panic - not syncing: no 1/,
  });
});

test('the screen becomes a PNG file', { skip }, async () => {
  const machine = await machineThatSays('boot ');
  await machine.start();
  await machine.waitForConsole(/boot 1/, soon);
  const file = path.join(folder, 'screen.png');
  await machine.screendump(file);
  assert.equal((await files.readBytes(file)).subarray(1, 4).toString(), 'PNG');
});

test('when QEMU does not start, its own words are in the error, and the next start can succeed', {
  skip,
}, async () => {
  const machine = await machineThatSays('boot ');
  const vanished = machine.spec.disks[0]?.file ?? '';
  await files.moveIntoPlace(vanished, `${vanished}.away`);
  await assert.rejects(machine.start(), { code: 'qemu.ended', evidence: /disk\.qcow2.*No such file/ });
  await files.moveIntoPlace(`${vanished}.away`, vanished);
  await machine.start();
  await machine.waitForConsole(/boot 1/, soon);
});

test('an image that is not there is an error that names it, and nothing is left behind', async () => {
  const image = path.join(folder, 'none.qcow2');
  await assert.rejects(createMachine({ name: 'm', accel: 'tcg', image }), {
    code: 'image.missing',
    message: /none\.qcow2/,
  });
});
