import * as path from 'node:path';
import { digestOfConfig } from '../engine/child-units.ts';
import type { TlsFiles } from '../engine/resources.ts';
import { failed, mayTry, NO_FAILURES, type RestartPolicy } from '../engine/restart.ts';
import type { UnitState, Units } from '../engine/units.ts';
import { AgentError, expected } from '../errors.ts';
import { clock, files, programs } from '../host.ts';
import type { Paths } from '../paths.ts';
import { authorityFrom } from './certificates/authority.ts';
import { certificateFiles, ensureCertificates } from './certificates/files.ts';
import { dataFolder } from './data.ts';
import { ETCD, type MemberWish, memberArgv, memberConfig } from './etcd/config.ts';
import { type EtcdRelease, NEWEST, releaseOf } from './etcd/options.ts';
import { tlsFromFiles } from './etcd/tls-files.ts';

/** etcd on this node: its files, its unit, its restarts. */
export interface LocalEtcd {
  readonly tls: TlsFiles;
  /** Make the certificates fit; they do not change while they do. Looked at once a minute, and before etcd starts again. */
  certify(caKeys: readonly Uint8Array[], nodeId: string, meshAddress: string): Promise<void>;
  observe(): Promise<UnitState>;
  /** Start it if it does not run. After a failed run only when the pause is over. */
  start(wish: Wish, nowMs: number, force?: boolean): Promise<void>;
  /** It runs with settings or a list of authorities that are not those of now. */
  isOutdated(wish: Wish, unit: UnitState): Promise<boolean>;
  stop(): Promise<void>;
}

export type Wish = Omit<MemberWish, 'tls' | 'dataFolder' | 'release'>;

const STOP_MS = 20_000;
/** How long files that nobody else writes are believed to be there. */
const VERIFY_MS = 60_000;
/** Of this process: clients of etcd outlive a life of the node. */
let generation = 0;
const POLICY: RestartPolicy = { firstMs: 1_000, longestMs: 20_000, forgiveMs: 60_000 };

export function createLocalEtcd(paths: Paths, units: Units): LocalEtcd {
  const run = path.join(paths.run, 'etcd');
  const configFile = path.join(run, 'etcd.yaml');
  let tls: TlsFiles = { ...certificateFiles(path.join(run, 'tls')), generation };
  const material = tlsFromFiles(() => tls);
  let certified: { readonly mark: string; readonly atMs: number } | undefined;
  let restarts = NO_FAILURES;
  let wasStarted = false;

  /**
   * Without what only matters for the first start of a data folder, and without etcd's release: an upgrade of the
   * package is no reason to stop a voter behind the others' back.
   */
  async function digest(wish: Wish): Promise<string> {
    const first = { members: {}, state: 'existing', token: '', dataFolder: '' } as const;
    const lasting = memberConfig({ ...wish, ...first, release: NEWEST, tls });
    return digestOfConfig(lasting, (await material())?.ca ?? '');
  }

  return {
    get tls() {
      return tls;
    },
    async certify(caKeys, nodeId, meshAddress) {
      const mark = [markOf(caKeys), nodeId, meshAddress].join();
      const nowMs = clock.monotonicMs();
      if (certified?.mark === mark && nowMs - certified.atMs < VERIFY_MS) return;
      const [first, ...rest] = caKeys.map(authorityFrom);
      if (first === undefined) return;
      await files.needFolder(run, 0o700);
      const wish = { authorities: [first, ...rest], nodeId, meshAddress } as const;
      const { written } = await ensureCertificates(path.dirname(tls.ca), wish);
      if (written.bundle || written.leaf) {
        generation += 1;
        tls = { ...tls, generation };
      }
      certified = { mark, atMs: nowMs };
    },
    observe: () => units.observe('etcd'),
    async start(wish, nowMs, force = false) {
      const { state } = await units.observe('etcd');
      if (state === 'running') {
        wasStarted = true;
        return;
      }
      certified = undefined;
      if (wasStarted) restarts = failed(restarts, nowMs, POLICY);
      wasStarted = false;
      if (!force && !mayTry(restarts, nowMs, POLICY)) return;
      await files.needFolder(run, 0o700);
      await files.needFolder(dataFolder(paths.state), 0o700);
      const release = await installedRelease();
      const config = memberConfig({ ...wish, tls, dataFolder: dataFolder(paths.state), release });
      const text = force ? JSON.stringify({ ...JSON.parse(config), 'force-new-cluster': true }) : config;
      await files.writeVolatile(configFile, text, 0o640);
      await units.start({ name: 'etcd', argv: memberArgv(configFile), configDigest: await digest(wish) });
      wasStarted = true;
    },
    isOutdated: async (wish, unit) =>
      unit.state === 'running' &&
      unit.configDigest !== undefined &&
      unit.configDigest !== (await digest(wish)),
    async stop() {
      await units.stop('etcd', STOP_MS);
      wasStarted = false;
      restarts = NO_FAILURES;
    },
  };
}

/** Of the program that is about to start. A missing one is told by {@link Units.start}, with what to install. */
async function installedRelease(): Promise<EtcdRelease> {
  const printed = await programs.run([ETCD, '--version']).catch((error: unknown) => {
    if (programs.isMissing(error)) return undefined;
    throw error;
  });
  if (printed === undefined) return NEWEST;
  const release = releaseOf(printed.stdout);
  if (release !== undefined) return release;
  throw new AgentError({
    code: 'consensus.etcd-version',
    exit: 'internal',
    message: `${ETCD} is no etcd that this agent can configure: it needs 3.4 or later`,
    evidence: (printed.stdout || printed.stderr).split('\n', 1)[0],
    fix: 'install the etcd-server of this system: apt-get install --reinstall etcd-server',
  });
}

/** By which lists of CA keys are compared. */
export function markOf(caKeys: readonly Uint8Array[]): string {
  return caKeys.map((key) => Buffer.from(key).toString('hex')).join(' ');
}

/** Wait until it holds, with a deadline; while etcd does not answer it does not hold. @returns whether it came to hold */
export async function awaited(holds: () => Promise<boolean>, limitMs: number, signal?: AbortSignal) {
  const end = clock.monotonicMs() + limitMs;
  while (clock.monotonicMs() < end && !signal?.aborted) {
    if (await holds().catch((error) => expected(error, 'etcd.') ?? false)) return true;
    await clock.pause(250, signal);
  }
  return false;
}
