import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { files, which } from '../build/host.ts';
import { createMachine, type Machine } from './machine.ts';
import { attachConsole, type Terminal } from './terminal.ts';
import { bootSector } from './testing/boot-sector.ts';

// Real QEMU; the terminal is two pipes that say they are one.
const skip = (await which('qemu-system-x86_64')) === undefined && 'QEMU is not installed';
const folder = await files.makeWorkFolder(tmpdir(), 'costerm');
const machines: Machine[] = [];
after(async () => {
  for (const machine of machines) await machine.dispose();
  await files.remove(folder);
});

async function runningMachine(): Promise<Machine> {
  const image = path.join(folder, `${machines.length}.raw`);
  await files.writeAtomic(image, bootSector('boot '));
  const machine = await createMachine({ name: 'm', accel: 'tcg', image, memoryMiB: 64, cpus: 1 });
  machines.push(machine);
  await machine.start();
  await machine.waitForConsole(/boot 1/, { deadlineMs: 300_000 });
  return machine;
}

function fakeTerminal() {
  const input = new PassThrough();
  const output = new PassThrough();
  const modes: boolean[] = [];
  const tty = Object.assign(input, { isTTY: true, setRawMode: (on: boolean) => modes.push(on) });
  return { terminal: { input: tty, output } as unknown as Terminal, input, output, modes };
}

const never = new AbortController().signal;

test('what was said before is shown, and what is typed reaches the machine', { skip }, async () => {
  const machine = await runningMachine();
  const { terminal, input, output, modes } = fakeTerminal();
  const attached = attachConsole(machine, terminal, never);
  input.write('q');
  await attached;
  assert.equal(machine.running, false);
  assert.match(String(output.read()), /boot 1\r\n/);
  assert.deepEqual(modes, [true, false]);
});

test('Ctrl-] gives the terminal back and leaves the machine running', { skip }, async () => {
  const machine = await runningMachine();
  const { terminal, input, modes } = fakeTerminal();
  const attached = attachConsole(machine, terminal, never);
  input.write('x\x1dq');
  await attached;
  assert.equal(machine.running, true);
  assert.deepEqual(modes, [true, false]);
});

test('a stop gives the terminal back', { skip }, async () => {
  const machine = await runningMachine();
  const { terminal, modes } = fakeTerminal();
  const stop = new AbortController();
  const attached = attachConsole(machine, terminal, stop.signal);
  stop.abort();
  await assert.rejects(attached, { code: 'interrupted' });
  assert.deepEqual(modes, [true, false]);
});
