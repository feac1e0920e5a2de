import type { StepName } from '../../config/settings.ts';
import type { CertificateFiles } from '../../engine/resources.ts';
import { stepOf } from '../../timers/steps.ts';
import { type EtcdRelease, ownOptions } from './options.ts';

/** What one member of etcd needs to know. */
export interface MemberWish {
  /** Its name in etcd. */
  readonly nodeId: string;
  readonly dataFolder: string;
  readonly meshAddress: string;
  readonly peerPort: number;
  readonly clientPort: number;
  readonly tls: CertificateFiles;
  /** Node id to peer URL, this member among them. */
  readonly members: Readonly<Record<string, string>>;
  /** `new` only for the founder, once: one that lost its data and starts so again would run as a foreign cluster. */
  readonly state: 'new' | 'existing';
  /** The genesis' uuid: the same URLs with another token are another cluster. */
  readonly token: string;
  readonly timers: StepName;
  readonly verbose?: boolean;
  /** Of the program that reads the file. */
  readonly release: EtcdRelease;
}

export const QUOTA_BYTES = 2 * 1024 ** 3;
export const ETCD = '/usr/bin/etcd';

/**
 * The configuration file of a member, as JSON, which is YAML: the names are alike in all releases that we know, but for
 * {@link ownOptions}. With a file etcd ignores its flags. Pure.
 */
export function memberConfig(wish: MemberWish): string {
  const { heartbeatMs, electionMs } = stepOf(wish.timers);
  const peerUrl = peerUrlOf(wish.meshAddress, wish.peerPort);
  const clientUrl = clientUrlOf(wish.meshAddress, wish.clientPort);
  const security = {
    'cert-file': wish.tls.certificate,
    'key-file': wish.tls.key,
    'trusted-ca-file': wish.tls.ca,
    'client-cert-auth': true,
  };
  const config = {
    name: wish.nodeId,
    'data-dir': wish.dataFolder,
    'listen-peer-urls': peerUrl,
    'listen-client-urls': `${clientUrl},${clientUrlOf('127.0.0.1', wish.clientPort)}`,
    'initial-advertise-peer-urls': peerUrl,
    'advertise-client-urls': clientUrl,
    'client-transport-security': security,
    'peer-transport-security': security,
    'initial-cluster': Object.entries(wish.members)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, url]) => `${name}=${url}`)
      .join(','),
    'initial-cluster-state': wish.state,
    'initial-cluster-token': wish.token,
    'heartbeat-interval': heartbeatMs,
    'election-timeout': electionMs,
    'pre-vote': true,
    'strict-reconfig-check': true,
    'quota-backend-bytes': QUOTA_BYTES,
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '1h',
    // The leader keeps this many entries for followers that lag: fewer than etcd's 100,000 for less memory.
    'snapshot-count': 10_000,
    ...ownOptions(wish.release),
    'enable-grpc-gateway': true,
    metrics: 'basic',
    logger: 'zap',
    'log-outputs': ['stderr'],
    'log-level': wish.verbose ? 'info' : 'warn',
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/** What `Units.start` runs. Its environment must be empty: `ETCD_*` would be read. Pure. */
export function memberArgv(configFile: string): readonly [string, string] {
  return [ETCD, `--config-file=${configFile}`];
}

export function peerUrlOf(meshAddress: string, port: number): string {
  return `https://${meshAddress}:${port}`;
}

export function clientUrlOf(address: string, port: number): string {
  return `https://${address}:${port}`;
}
