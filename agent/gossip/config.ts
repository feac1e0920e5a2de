import { createHash } from 'node:crypto';
import * as path from 'node:path';
import type { UnitSpec } from '../engine/units.ts';
import { withPort } from './addresses.ts';

export interface SerfSettings {
  /** Node id. */
  readonly id: string;
  /** The address that others are told. */
  readonly advertise: string;
  /** Gossip, tcp and udp. */
  readonly port: number;
  /** On loopback. */
  readonly rpcPort: number;
  readonly rpcSecret: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly files: SerfFiles;
  /** Where to listen; all addresses when absent. For tests. */
  readonly bind?: string | undefined;
}

/** What Serf and we share on disk. */
export interface SerfFiles {
  /** Secrets for this boot: for root, and for Serf what the group of the folder may read. */
  readonly runFolder: string;
  /** Serf's own lasting files. */
  readonly stateFolder: string;
  readonly config: string;
  readonly rpcSecret: string;
  /** `SERF_RPC_ADDR` and `SERF_RPC_AUTH` for the operator's `serf`. */
  readonly env: string;
  readonly keyring: string;
  readonly snapshot: string;
}

export function serfFiles(paths: { readonly run: string; readonly state: string }): SerfFiles {
  const [runFolder, stateFolder] = [path.join(paths.run, 'serf'), path.join(paths.state, 'serf')];
  return {
    runFolder,
    stateFolder,
    config: path.join(runFolder, 'agent.json'),
    rpcSecret: path.join(runFolder, 'rpc-secret'),
    env: path.join(runFolder, 'env'),
    keyring: path.join(runFolder, 'keyring.json'),
    snapshot: path.join(stateFolder, 'snapshot'),
  };
}

/**
 * Serf's configuration file. Pure. Keys that Serf 0.9.4 and 0.10 both know; the cluster's key is in the keyring
 * file, so that it is neither here nor in argv.
 *
 * Source: cmd/serf/command/agent/config.go of hashicorp/serf.
 */
export function serfConfig(settings: SerfSettings): Record<string, unknown> {
  const anywhere = settings.advertise.includes(':') ? '::' : '0.0.0.0';
  return {
    node_name: settings.id,
    bind: withPort(settings.bind ?? anywhere, settings.port),
    advertise: withPort(settings.advertise, settings.port),
    rpc_addr: withPort('127.0.0.1', settings.rpcPort),
    rpc_auth: settings.rpcSecret,
    keyring_file: settings.files.keyring,
    snapshot_path: settings.files.snapshot,
    // We decide when the node leaves; a stop of the unit or of the machine is none.
    rejoin_after_leave: true,
    leave_on_terminate: false,
    skip_leave_on_interrupt: true,
    // Probes each second: a dead node is `failed` after 5 to 7 s.
    profile: 'lan',
    reconnect_interval: '10s',
    // A rebooting rack must not be forgotten over a weekend; `evict` forgets at once.
    reconnect_timeout: '168h',
    // Measured: a node that comes back with another address is a conflict to the others until they have dropped
    // its dead entry. With resolution on they would vote its Serf down, and it would exit.
    disable_name_resolution: true,
    disable_coordinates: true,
    log_level: 'WARN',
    tags: settings.tags,
  };
}

/** The unit. Tags are no part of its digest: they are changed while Serf runs. Pure. */
export function unitSpec(settings: SerfSettings): UnitSpec {
  const { tags: _, ...rest } = serfConfig(settings);
  return {
    name: 'serf',
    argv: ['/usr/bin/serf', 'agent', `-config-file=${settings.files.config}`],
    configDigest: createHash('sha256').update(JSON.stringify(rest)).digest('hex').slice(0, 32),
  };
}

/** The keyring file: the first key is the one to send with, all are tried on what is received. Pure. */
export function renderKeyring(keys: readonly Uint8Array[]): string {
  return `${JSON.stringify(
    keys.map((key) => Buffer.from(key).toString('base64')),
    undefined,
    2,
  )}\n`;
}

/** Does the file, as Serf may have rewritten it, hold exactly these keys in this order for sending? Pure. */
export function keyringHolds(file: string | undefined, keys: readonly Uint8Array[]): boolean {
  if (file === undefined) return false;
  let held: unknown;
  try {
    held = JSON.parse(file);
  } catch {
    return false;
  }
  if (!Array.isArray(held) || held.length !== keys.length) return false;
  const wanted = keys.map((key) => Buffer.from(key).toString('base64'));
  return held[0] === wanted[0] && wanted.every((key) => held.includes(key));
}
