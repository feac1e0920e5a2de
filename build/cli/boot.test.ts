import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { Command } from 'commander';
import { bootSector } from '../../qemu/testing/boot-sector.ts';
import { waitFor } from '../../qemu/wait.ts';
import { files, which } from '../host.ts';
import { registerBoot } from './boot.ts';
import type { Context } from './context.ts';

// Real QEMU with a boot sector: it shows that nothing is left. test/integration boots the real image.
const missing = (await Promise.all(['qemu-system-x86_64', 'xorriso', 'ssh-keygen'].map(which))).includes(
  undefined,
);
const skip = missing && 'qemu, xorriso or ssh is not installed';
const folder = await files.makeWorkFolder(tmpdir(), 'cosboot');
after(() => files.remove(folder));
// Whatever is made for a boot is made here, where nobody else's machines are.
process.env.TMPDIR = folder;
const definition = path.join(folder, 'cluster.yaml');
await files.writeAtomic(definition, 'name: lab\n');
const image = path.join(folder, 'sector.raw');
await files.writeAtomic(image, bootSector('boot '));

function program(signal: AbortSignal, notes: string[] = []) {
  const context: Context = {
    signal,
    stopWithin: () => undefined,
    globals: () => ({ definition, json: true }),
    answer: () => undefined,
    emit: () => undefined,
    note: (line) => void notes.push(line),
    exitWith: () => undefined,
  };
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerBoot(command, context);
  return (...args: string[]) => command.parseAsync(['boot', ...args], { from: 'user' });
}

const remains = async () =>
  (await files.listFolder(tmpdir())).filter((name) => /^(clusteros-boot|cosvm|cosnet)\./.test(name));

test('Ctrl-C during a boot ends every machine and removes what was made', { skip }, async () => {
  const before = await remains();
  const stop = new AbortController();
  const keep = path.join(folder, 'keep');
  const run = program(stop.signal)('--image', image, '--nodes', '2', '--memory', '64', '--keep', keep);
  const booted = (name: string) => {
    const log = path.join(keep, name, 'console.log');
    const look = async () => {
      const said = (await files.exists(log)) ? await files.readText(log) : 'nothing';
      return /boot 1/.test(said) ? { done: true as const, value: said } : { done: false as const, saw: said };
    };
    return waitFor(`${name} to boot`, look, { deadlineMs: 300_000, signal: stop.signal });
  };
  try {
    // A boot that fails says why; waiting for its consoles would not.
    await Promise.race([Promise.all([booted('n1'), booted('n2')]), run]);
  } finally {
    stop.abort();
  }
  await assert.rejects(run, { code: 'interrupted' });
  assert.deepEqual(await remains(), before);
  // What was to be kept is: disks, seed, keys, the last for the owner only.
  const kept = await files.listFolder(keep);
  assert.deepEqual(kept, ['cluster.key', 'n1', 'n2', 'seed.iso', 'ssh-key', 'ssh-key.pub']);
  for (const name of ['cluster.key', 'seed.iso', 'ssh-key', '.']) {
    assert.equal(((await files.statOrUndefined(path.join(keep, name)))?.mode ?? 0) & 0o077, 0, name);
  }
});

test('an image that is not there is told before anything is left behind', { skip }, async () => {
  const before = await remains();
  const run = program(new AbortController().signal);
  await assert.rejects(run('--image', path.join(folder, 'none.qcow2')), { code: 'image.missing' });
  assert.deepEqual(await remains(), before);
});

test('flags that make no sense are refused', async () => {
  const run = program(new AbortController().signal);
  for (const args of [
    ['--nodes', '0'],
    ['--nodes', 'x'],
    ['--firmware', 'coreboot'],
    ['--memory', '-5'],
  ]) {
    await assert.rejects(run(...args), { code: 'commander.invalidArgument' }, args.join(' '));
  }
});
