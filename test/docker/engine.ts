/** A Docker engine for tests: the one that runs on this machine, else one of our own, which ends with the tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import * as path from 'node:path';
import { clock, tryRun } from '../../build/host.ts';

/** Not /tmp: layers need a real disk, and overlayfs does not go on top of overlayfs. */
const PLACE = '/var/tmp';
const START_LIMIT_MS = 90_000;

export interface TestEngine {
  /** Environment by which docker finds the engine. */
  readonly env: Readonly<Record<string, string>>;
  end(): Promise<void>;
}

/** @throws Error with the end of the engine's log when it does not come up */
export async function testEngine(): Promise<TestEngine> {
  if (await answers({})) return { env: {}, end: async () => undefined };
  const folder = mkdtempSync(path.join(PLACE, 'cos-docker.'));
  const at = (name: string) => path.join(folder, name);
  const env = { DOCKER_HOST: `unix://${at('docker.sock')}` };
  const log: string[] = [];
  const { PATH = '' } = process.env;
  const daemon = spawn(
    'dockerd',
    [
      ...['--host', env.DOCKER_HOST, '--data-root', at('data'), '--exec-root', at('exec')],
      ...['--pidfile', at('pid'), '--bridge', 'none'],
      // The nodes only speak to each other: the firewall and routing of this machine stay as they are.
      ...['--iptables=false', '--ip-forward=false'],
    ],
    { env: { PATH: `${PATH}:/usr/sbin:/sbin` }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const failed = new Promise<Error>((resolve) => daemon.once('error', resolve));
  daemon.stderr?.on('data', (chunk: Buffer) => log.push(chunk.toString('utf8')));
  const end = async () => {
    await ended(daemon);
    unmount(folder);
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = clock.monotonicMs() + START_LIMIT_MS;
  while (!(await answers(env))) {
    const error = await Promise.race([failed, clock.pause(250)]);
    if (error === undefined && daemon.exitCode === null && clock.monotonicMs() < deadline) continue;
    await end();
    throw new Error(`dockerd does not come up:\n${log.join('').split('\n').slice(-15).join('\n')}`, {
      cause: error,
    });
  }
  return { env, end };
}

async function answers(env: Readonly<Record<string, string>>): Promise<boolean> {
  return (await tryRun(['docker', 'version', '--format', '{{.Server.Version}}'], { env })).exitCode === 0;
}

/** SIGTERM, which has the engine end its containers and its containerd. */
async function ended(daemon: ChildProcess): Promise<void> {
  if (daemon.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
  daemon.kill('SIGTERM');
  const force = setTimeout(() => daemon.kill('SIGKILL'), 30_000);
  await gone;
  clearTimeout(force);
}

/** What the engine left mounted would keep its folder. */
function unmount(folder: string): void {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((place) => place.startsWith(`${folder}/`));
  if (mounts.length > 0) throw new Error(`the engine left mounts behind: ${mounts.join(', ')}`);
}
