import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** Two machines joined by a cable: network namespaces with a veth pair, `eth0` on both sides. */
interface Cable {
  /** Run a program in machine 0 or 1 to its end. */
  run(machine: 0 | 1, ...argv: [string, ...string[]]): string;
  node(machine: 0 | 1, ...args: string[]): LanNode;
}

export interface Seen {
  readonly contacts: { address: string; id?: string; via: string; link?: string }[];
  readonly cards: { id: string; address?: string }[];
  readonly links: { name: string; addresses: { address: string }[] }[];
  readonly clone: boolean;
  readonly conditions: string[];
}

interface LanNode {
  readonly lines: string[];
  /** The first report that fits. @throws Error with the last report and the log after the time */
  until(what: string, fits: (seen: Seen) => boolean, timeoutMs?: number): Promise<Seen>;
}

export function plugCable(t: TestContext): Cable {
  const machines = [holdNamespace(t), holdNamespace(t)];
  const run: Cable['run'] = (machine, ...argv) =>
    execFileSync('nsenter', ['-t', String(machines[machine]?.pid), '-n', ...argv], { encoding: 'utf8' });
  run(
    0,
    'ip',
    'link',
    'add',
    'eth0',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    String(machines[1]?.pid),
  );
  for (const machine of [0, 1] as const) {
    run(machine, 'ip', 'link', 'set', 'lo', 'up');
    run(machine, 'ip', 'address', 'add', `192.168.77.${machine + 1}/24`, 'broadcast', '+', 'dev', 'eth0');
    run(machine, 'ip', 'link', 'set', 'eth0', 'up');
  }
  return {
    run,
    node: (machine, ...args) => startNode(t, Number(machines[machine]?.pid), args),
  };
}

/** A process that keeps a namespace in being; it ends with the test. */
function holdNamespace(t: TestContext): ChildProcess {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 120'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ready = Buffer.from(execFileSync('sh', ['-c', WAIT, 'sh', String(child.pid)]));
  if (ready.toString().trim() !== 'apart') throw new Error('no network namespace could be made');
  return child;
}

/** Until the process is in another network namespace than ours. */
const WAIT =
  'for i in $(seq 500); do [ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/$$/ns/net)" ] && echo apart && exit; sleep 0.01; done';

function startNode(t: TestContext, pid: number, args: readonly string[]): LanNode {
  const program = path.join(import.meta.dirname, 'lan.ts');
  const folder = mkdtempSync(path.join(tmpdir(), 'lan-test.'));
  const child = spawn('nsenter', ['-t', String(pid), '-n', process.execPath, program, folder, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.kill('SIGKILL')) await ended;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  const lines: string[] = [];
  let seen: Seen | undefined;
  let news = () => {};
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const value = JSON.parse(line) as Seen & { log?: string };
    if (value.log !== undefined) lines.push(value.log);
    else seen = value;
    news();
  });
  return {
    lines,
    until: (what, fits, timeoutMs = 20_000) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          reject(new Error(`not seen: ${what}; last ${JSON.stringify(seen)}\n${lines.join('\n')}`));
        }, timeoutMs);
        // Whoever waits for the first of two nodes leaves the other's wait behind.
        late.unref();
        news = () => {
          if (seen === undefined || !fits(seen)) return;
          clearTimeout(late);
          news = () => {};
          resolve(seen);
        };
        news();
      }),
  };
}
