import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Resources } from '../../engine/resources.ts';
import { identityFromSeed } from '../../identity/identity.ts';
import type { Command, Report } from './mesh-node.ts';

const MARK = 'CLUSTEROS_TEST_NAMESPACE';
const DEADLINE_MS = 60_000;

/**
 * Run the tests of a file in network, mount and process namespaces of their own, all of which end with them. The
 * file is run twice: from outside it holds one test, which runs it inside.
 */
export function inNamespaces(file: string, define: () => void): void {
  if (process.env[MARK] !== undefined) {
    define();
    return;
  }
  test(`in namespaces: ${path.basename(file)}`, { timeout: 8 * DEADLINE_MS }, () => {
    const words = '--net --mount --pid --fork --kill-child --mount-proc'.split(' ');
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync('unshare', [...words, process.execPath, file], {
      env: { ...env, [MARK]: '1' },
      encoding: 'utf8',
      timeout: 7 * DEADLINE_MS,
    });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
  });
}

/** A machine: namespaces of its own, kept by a sleeping process. */
export interface Machine {
  readonly folder: string;
  /** Of the process that keeps the namespaces. */
  readonly pid: string;
  /** Run a program in it; its output, or an error. */
  run(...argv: string[]): string;
  status(...argv: string[]): number;
  /** @param through words in front of the program, such as setpriv's */
  start(seed: string, settings?: object, through?: readonly string[]): RunningNode;
  idOf(seed: string): string;
}

export interface RunningNode {
  readonly process: ChildProcess;
  /** What the node has said last. */
  last: { mesh?: Resources['mesh']; codes: string[]; meshReports: number };
  command(command: Command): Promise<void>;
  until(what: string, condition: (node: RunningNode) => boolean, withinMs?: number): Promise<void>;
  kill(): Promise<void>;
}

const folders: string[] = [];
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Two machines on one cable: 192.168.77.1 and 192.168.77.2. */
export async function twoMachines(): Promise<[Machine, Machine]> {
  const holders = [await hold(), await hold()] as const;
  const [a, b] = holders.map(({ pid }) => String(pid)) as [string, string];
  checked('ip', ['link', 'add', 'eth0', 'netns', a, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b]);
  const machines = holders.map((holder, index) => machineIn(String(holder.pid), index + 1));
  return machines as [Machine, Machine];
}

async function hold(): Promise<ChildProcess> {
  const script = 'mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && exec sleep infinity';
  const holder = spawn('unshare', ['--net', '--mount', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  holder.unref();
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  holder.stdout.destroy();
  return holder;
}

function machineIn(pid: string, number: number): Machine {
  const folder = mkdtempSync(path.join(tmpdir(), `mesh-test-${number}.`));
  folders.push(folder);
  mkdirSync(path.join(folder, 'run'));
  const enter = ['-t', pid, '--net', '--mount', '--'];
  const machine: Machine = {
    folder,
    pid,
    idOf: (seed) => identityFromSeed(Buffer.from(seed, 'hex'), new Date(0)).id,
    run: (...argv) => checked('nsenter', [...enter, ...argv]),
    status: (...argv) => spawnSync('nsenter', [...enter, ...argv]).status ?? -1,
    start: (seed, settings = {}, through = []) => {
      const script = path.join(import.meta.dirname, 'mesh-node.ts');
      const words = [...through, process.execPath, script, folder, seed, JSON.stringify(settings)];
      return running(spawn('nsenter', [...enter, ...words], { stdio: ['pipe', 'pipe', 'inherit'] }));
    },
  };
  machine.run('ip', 'address', 'add', `192.168.77.${number}/24`, 'dev', 'eth0');
  machine.run('ip', 'link', 'set', 'eth0', 'up');
  return machine;
}

function running(child: ChildProcess): RunningNode {
  const answered: Report[] = [];
  const node: RunningNode = {
    process: child,
    last: { codes: [], meshReports: 0 },
    async command(command) {
      const before = answered.length;
      child.stdin?.write(`${JSON.stringify(command)}\n`);
      await node.until('an answer to the command', () => answered.length > before);
      assert.equal(answered[before]?.error, undefined);
    },
    async until(what, condition, withinMs = DEADLINE_MS) {
      const deadline = performance.now() + withinMs;
      while (!condition(node)) {
        assert.ok(performance.now() < deadline, `no ${what}; last: ${JSON.stringify(node.last)}`);
        await delay(20);
      }
    },
    async kill() {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
  };
  if (child.stdout === null) throw new Error('no output');
  createInterface(child.stdout).on('line', (line) => {
    const report = JSON.parse(line) as Report;
    if (report.mesh) node.last = { ...node.last, mesh: report.mesh, meshReports: node.last.meshReports + 1 };
    if (report.conditions) node.last = { ...node.last, codes: report.conditions.map(({ code }) => code) };
    if (report.done) answered.push(report);
  });
  return node;
}

function checked(program: string, args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: 30_000 });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${error ?? stderr}`);
  return stdout;
}
