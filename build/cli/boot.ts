import { randomBytes } from 'node:crypto';
import { homedir, tmpdir } from 'node:os';
import * as path from 'node:path';
import { Option } from 'commander';
import { readClusterKey, readPublicKeys } from '../../firstboot/secrets.ts';
import { type SeedInput, seedFiles } from '../../firstboot/seed.ts';
import { writeVolume } from '../../firstboot/volume.ts';
import { chooseAccelerator } from '../../qemu/accel.ts';
import { FIRMWARE_KINDS, type FirmwareKind } from '../../qemu/argv.ts';
import { waitUntilBooted } from '../../qemu/booted.ts';
import { createFleet, type Fleet } from '../../qemu/fleet.ts';
import type { Machine } from '../../qemu/machine.ts';
import { createMilestones } from '../../qemu/milestones.ts';
import {
  learnHostKeys,
  makeShellKeys,
  openShell,
  SHELL_KEY,
  type ShellKeys,
  sshArgv,
} from '../../qemu/shell.ts';
import { attachConsole } from '../../qemu/terminal.ts';
import { seconds } from '../../qemu/wait.ts';
import { type Definition, loadDefinition } from '../definition/load.ts';
import { OperatorError } from '../errors.ts';
import { clock, files, pasteable } from '../host.ts';
import { assertMayFill } from '../may-write.ts';
import { OUTPUT_FOLDER } from './clean.ts';
import type { Context, Register } from './context.ts';
import { assertSeed, keyFile, wholeNumber } from './seed.ts';

interface BootFlags {
  readonly nodes: number;
  readonly console?: boolean;
  readonly firmware: FirmwareKind;
  readonly image?: string;
  readonly memory: number;
  readonly cpus?: number;
  readonly keep?: string;
}

/** How long an orderly end may take before the machine is ended without it. */
const POWERDOWN_LIMIT_MS = 90_000;

export const registerBoot: Register = (program, context) => {
  program
    .command('boot')
    .description('boot the image in a virtual machine, and open a shell in it')
    .option('--nodes <n>', 'machines on one network, all with one seed', wholeNumber, 1)
    .option('--console', 'the serial console in place of ssh; Ctrl-] leaves it')
    .addOption(
      new Option('--firmware <kind>', 'what starts the machine').choices(FIRMWARE_KINDS).default('bios'),
    )
    .option('--image <file>', `the image (default: the newest in ${OUTPUT_FOLDER}/)`)
    .option('--memory <MiB>', 'memory of each machine', wholeNumber, 1024)
    .option('--cpus <n>', 'processors of each machine (default: 2, and 1 under emulation)', wholeNumber)
    .option('--keep <folder>', 'keep disks, keys and console logs here; boot with it again to go on')
    .addHelpText(
      'after',
      `
Without a terminal, or with --json, the machines run until Ctrl-C. The image is never written to: what the
machines write is thrown away at the end, unless --keep is given.

Examples:
  npx clusteros-build boot
  npx clusteros-build boot --firmware secureboot --console
  npx clusteros-build boot --nodes 3 --keep lab
`,
    )
    .action((flags: BootFlags) => boot(context, flags));
};

async function boot(context: Context, flags: BootFlags): Promise<void> {
  context.stopWithin(POWERDOWN_LIMIT_MS + 30_000);
  const definition = await loadDefinition(context.globals().definition);
  const image = flags.image ? path.resolve(flags.image) : await newestImage();
  const { accel, reason } = await chooseAccelerator(context.signal);
  const work = flags.keep ? path.resolve(flags.keep) : await files.makeWorkFolder(tmpdir(), 'clusteros-boot');
  let fleet: Fleet | undefined;
  try {
    if (flags.keep) await assertMayKeep(work);
    await files.makeFolder(work, 0o700);
    const keys = await makeShellKeys(work);
    const seed = path.join(work, 'seed.iso');
    const input = await throwAwaySeed(definition, flags.nodes, keys, work);
    await writeVolume(seedFiles(input), 'iso', seed, context.signal);
    context.note(`${image}, ${flags.firmware}, ${reason}`);
    const { firmware, memory: memoryMiB, cpus, nodes } = flags;
    fleet = await createFleet({
      nodes,
      image,
      accel,
      firmware,
      memoryMiB,
      cpus,
      seed,
      folder: work,
      isolated: false,
    });
    await use(context, flags, fleet, keys, definition.seed.user);
  } finally {
    const running = fleet?.machines.some((machine) => machine.running);
    if (running) context.note('shutting down');
    await fleet?.end(POWERDOWN_LIMIT_MS);
    if (!flags.keep) await files.remove(work);
  }
}

/** Disks, keys and a seed of ours go there, under names that others use too. @throws OperatorError `output.exists` */
async function assertMayKeep(folder: string): Promise<void> {
  await assertMayFill(folder, { what: 'what boot keeps' });
  const names = await files.listFolder(folder);
  if (names.length === 0 || names.includes(SHELL_KEY)) return;
  throw new OperatorError({
    code: 'output.exists',
    message: `${folder} holds files that boot did not make, such as ${names[0]}`,
    fix: 'name a folder that is empty or not there yet, or one that boot --keep made',
  });
}

/** From power on to when the operator has had enough. */
async function use(
  context: Context,
  flags: BootFlags,
  { machines }: Fleet,
  keys: ShellKeys,
  user: string,
): Promise<void> {
  const started = clock.monotonicMs();
  const [first] = machines;
  if (first === undefined) return;
  await Promise.all(machines.map((machine) => machine.start()));
  const { json } = context.globals();
  const terminal = { input: process.stdin, output: process.stdout };
  if (flags.console && !json) {
    context.note('serial console of n1; Ctrl-] leaves it and ends the machines');
    return attachConsole(first, terminal, context.signal);
  }
  await Promise.all(machines.map((machine) => reportBoot(context, machine, started)));
  await learnHostKeys(machines, keys);
  const shells = machines.map((machine) => ({
    name: machine.name,
    ssh: sshArgv(machine.forwarded(22), user, keys),
    port: machine.forwarded(22),
    console: machine.spec.consoleLog,
    pid: machine.pid,
  }));
  const ready = Math.round(clock.monotonicMs() - started);
  const document = { accel: first.spec.accel, firmware: flags.firmware, readyMs: ready, machines: shells };
  context.answer(document, () => shells.map(({ name, ssh }) => `${name}  ${pasteable(ssh)}`).join('\n'));
  if (json || !terminal.input.isTTY) return stay(context, machines);
  const [{ ssh } = { ssh: [] }] = shells;
  context.note('a shell on n1; its end ends the machines');
  await openShell(ssh, context.signal);
}

/** Say how far a machine is, until it is up. */
async function reportBoot(context: Context, machine: Machine, started: number): Promise<void> {
  const say = (what: string) =>
    context.note(`${machine.name}  ${seconds(clock.monotonicMs() - started).padStart(8)}  ${what}`);
  const look = createMilestones();
  const unlisten = machine.onConsole(() => {
    for (const passed of look(machine.console)) say(passed);
  });
  try {
    await waitUntilBooted(machine, { signal: context.signal, onState: (state) => say(`system is ${state}`) });
  } finally {
    unlisten();
  }
}

/** Until Ctrl-C, which is how it is meant to end, or until the last machine has ended by itself. */
async function stay(context: Context, machines: readonly Machine[]): Promise<void> {
  context.note('running; Ctrl-C ends the machines');
  const stopped = new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve();
    context.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([stopped, Promise.all(machines.map((machine) => machine.ended()))]);
}

/**
 * The seed for a trial: the definition's, but with DHCP as the virtual network has it, without a name for
 * several machines, and with a throw-away cluster key when there is none.
 */
async function throwAwaySeed(
  definition: Definition,
  nodes: number,
  keys: ShellKeys,
  work: string,
): Promise<SeedInput> {
  const input: SeedInput = {
    clusterName: definition.name,
    hostname: nodes === 1 ? definition.seed.hostname : undefined,
    user: definition.seed.user,
    authorizedKeys: [
      ...new Set([keys.publicKey, ...definition.seed.ssh_authorized_keys, ...(await ownPublicKeys())]),
    ],
    timezone: definition.seed.timezone,
    network: 'dhcp',
    clusterKey: await trialKey(definition, work),
    expect: nodes === 1 ? undefined : nodes,
    join: [],
  };
  assertSeed(input);
  return input;
}

async function trialKey(definition: Definition, work: string): Promise<string> {
  const own = keyFile(definition, true);
  if (await files.exists(own)) return readClusterKey(own);
  const kept = path.join(work, 'cluster.key');
  if (!(await files.exists(kept)))
    await files.writeAtomic(kept, `${randomBytes(32).toString('base64')}\n`, 0o600);
  return readClusterKey(kept);
}

/** The operator's own public keys, so that any ssh of theirs gets in. Those that we cannot judge stay out. */
async function ownPublicKeys(): Promise<string[]> {
  const folder = path.join(homedir(), '.ssh');
  const names = (await files.listFolder(folder)).filter((name) => name.endsWith('.pub'));
  const found = await Promise.all(
    names.map((name) =>
      readPublicKeys(path.join(folder, name)).catch((error: unknown) => {
        if (error instanceof OperatorError) return { keys: [] };
        throw error;
      }),
    ),
  );
  return found.flatMap(({ keys }) => keys);
}

async function newestImage(): Promise<string> {
  const found: { file: string; time: number }[] = [];
  for (const folder of await files.listFolder(OUTPUT_FOLDER)) {
    const inside = path.resolve(OUTPUT_FOLDER, folder);
    if (!(await files.statOrUndefined(inside))?.isDirectory()) continue;
    for (const name of await files.listFolder(inside)) {
      const file = path.join(inside, name);
      const status = name.endsWith('.qcow2') ? await files.statOrUndefined(file) : undefined;
      if (status) found.push({ file, time: status.mtimeMs });
    }
  }
  const newest = found.sort((one, other) => other.time - one.time)[0];
  if (newest) return newest.file;
  throw new OperatorError({
    code: 'image.missing',
    exit: 'missing',
    message: `there is no image in ${path.resolve(OUTPUT_FOLDER)}`,
    fix: 'build one: npx clusteros-build image; or name one with --image',
  });
}
