import * as path from 'node:path';
import type { Units } from '../engine/units.ts';
import { AgentError } from '../errors.ts';
import { boottime, files, programs } from '../host.ts';
import { type Dump, type MeshConfig, parseDump, renderConfig } from './config.ts';
import { createInterface, type Driver, driverOf, removeInterface } from './driver.ts';
import { apply, type Interface, interfaceError, look, missing, planInterface } from './interface.ts';
import { madeInterface } from './made-interface.ts';
import { hold } from './service-address.ts';

interface WantedMesh {
  /** Ours, without a prefix. */
  readonly address: string;
  /** Bits of the range. */
  readonly prefix: number;
  readonly mtu: number;
  /** base64 of our key; an interface with another key and strange addresses belongs to somebody else. */
  readonly publicKey: string;
  readonly isOurs: (address: string) => boolean;
}

/** Speaks to ip(8) and wg(8). */
export interface Wireguard {
  /**
   * The interface is there, up, and has our address and the held ones, and no others.
   *
   * @throws AgentError `mesh.*`
   */
  ensure(wanted: WantedMesh, signal?: AbortSignal): Promise<Driver>;
  /** @throws AgentError `mesh.silent` when the interface does not answer as WireGuard's do */
  dump(signal?: AbortSignal): Promise<Dump>;
  /** Peers that stay keep their sessions. @throws AgentError `mesh.port-busy`, `mesh.config` */
  configure(config: MeshConfig, signal?: AbortSignal): Promise<void>;
  /**
   * Give the node a service address until then (ms since boot), or for longer than before. The kernel takes it away
   * when the time is over, also while this process is suspended or dead.
   *
   * @throws AgentError `mesh.not-ready`, `mesh.permission`, `mesh.interface`
   */
  holdAddress(address: string, untilMs: number): Promise<void>;
  /** Settles when the node does not have it any more, or never had it. */
  releaseAddress(address: string): Promise<void>;
  tearDown(): Promise<void>;
}

const WG_MS = 10_000;

export function createWireguard(run: string, name: string, units: Units): Wireguard {
  const file = path.join(run, 'wireguard.conf');
  const made = madeInterface(run);
  /** Until when, in ms since boot. */
  const held = new Map<string, number>();
  let wanted: WantedMesh | undefined;
  // One look and what follows from it at a time: else a released address could come back.
  let last: Promise<unknown> = Promise.resolve();
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work);
    last = result.catch(() => {});
    return result;
  };

  const isOver = (untilMs: number) => boottime.sinceBootMs() >= untilMs;

  /** It may have been released while others had their turn: then it is not given. */
  async function give(address: string): Promise<void> {
    const untilMs = held.get(address);
    if (untilMs === undefined) return;
    await hold(name, `${address}/32`, untilMs);
    // All programs of the machine may have been suspended together.
    if (isOver(held.get(address) ?? 0)) await takeAway(address);
  }

  const takeAway = (address: string) => apply([`address del ${address}/32 dev ${name}`]);

  /** With another name in the settings the former interface goes: it has the port and the address. */
  async function followName(): Promise<void> {
    const before = await made.read();
    if (before === name) return;
    await removeInterface({ name: before, units });
    await made.write(name);
  }

  async function setAddresses(now: Interface, { address, prefix, mtu }: WantedMesh): Promise<void> {
    const current = [...held].filter(([, untilMs]) => !isOver(untilMs)).map(([one]) => one);
    const addresses = current.map((one) => `${one}/32`);
    await apply(planInterface(name, now, { address: `${address}/${prefix}`, held: addresses, mtu }));
    for (const one of current) await give(one);
  }

  async function existing(signal?: AbortSignal): Promise<Interface | undefined> {
    const now = await look(name, signal);
    if (now === undefined) return undefined;
    const driver = driverOf(now);
    if (driver === undefined) throw taken(name, `it is of the kind ${now.kind ?? 'physical'}`);
    if (driver === 'wireguard-go') {
      const { code, stderr } = await wg(['show', name, 'public-key'], signal);
      if (code !== 0) {
        if ((await units.observe('wireguard')).state !== 'running') throw taken(name, stderr.trim());
        await removeInterface({ name, units });
        return await look(name, signal);
      }
    }
    return now;
  }

  return {
    ensure: (next, signal) =>
      alone(async () => {
        let now = await existing(signal);
        if (now?.addresses.some((address) => !next.isOurs(address))) {
          const { stdout } = await wg(['show', name, 'public-key'], signal);
          const strange = stdout.trim() !== next.publicKey && stdout.trim() !== '(none)';
          if (strange) throw taken(name, `it has the addresses ${now.addresses.join(', ')} and another key`);
        }
        await followName();
        now ??= await createInterface({ name, units, signal });
        wanted = next;
        await setAddresses(now, next);
        return driverOf(now) ?? 'kernel';
      }),
    async dump(signal) {
      const { code, stdout, stderr } = await wg(['show', name, 'dump'], signal);
      if (code === 0) return parseDump(stdout);
      throw new AgentError({
        code: 'mesh.silent',
        exit: 'internal',
        message: `${name} does not answer as WireGuard's interfaces do`,
        evidence: stderr.trim(),
      });
    },
    async configure(config, signal) {
      await files.writeVolatile(file, renderConfig(config), 0o600);
      const { code, stderr } = await wg(['syncconf', name, file], signal);
      if (code !== 0) throw refusedConfig(config.port, stderr);
    },
    holdAddress(address, untilMs) {
      // Several times in each lease: for longer than before it takes one program, not two.
      const isFirst = !held.has(address);
      held.set(address, untilMs);
      return alone(async () => {
        if (isFirst && !(wanted !== undefined && (await look(name))?.up)) {
          held.delete(address);
          throw notReady(name, address);
        }
        await give(address);
      });
    },
    releaseAddress(address) {
      held.delete(address);
      return alone(async () => {
        const now = await look(name);
        if (now?.addresses.includes(`${address}/32`)) await takeAway(address);
      });
    },
    tearDown: () =>
      alone(async () => {
        held.clear();
        wanted = undefined;
        await removeInterface({ name: await made.read(), units });
        await files.remove(file);
        await made.remove();
      }),
  };
}

async function wg(words: readonly string[], signal?: AbortSignal): Promise<programs.Ended> {
  try {
    return await programs.run(['wg', ...words], { timeoutMs: WG_MS, signal });
  } catch (error) {
    throw programs.isMissing(error) ? missing('wg', 'wireguard-tools', error) : error;
  }
}

function refusedConfig(port: number, stderr: string): AgentError {
  if (/Address already in use/i.test(stderr)) {
    return new AgentError({
      code: 'mesh.port-busy',
      exit: 'internal',
      message: `another program has UDP port ${port}, which the mesh needs`,
      evidence: stderr.trim(),
      fix: `stop it (ss -ulpn 'sport = :${port}' names it), or set mesh.port`,
    });
  }
  const { code, message } = interfaceError('', stderr);
  return new AgentError({
    code: code === 'mesh.permission' ? code : 'mesh.config',
    exit: 'internal',
    message: code === 'mesh.permission' ? message : 'WireGuard refused its configuration',
    evidence: stderr.trim(),
  });
}

function taken(name: string, evidence: string): AgentError {
  return new AgentError({
    code: 'mesh.interface-taken',
    exit: 'internal',
    message: `the interface ${name} belongs to somebody else`,
    evidence,
    fix: `remove it (ip link delete ${name}), or set mesh.interface to another name`,
  });
}

function notReady(name: string, address: string): AgentError {
  return new AgentError({
    code: 'mesh.not-ready',
    exit: 'internal',
    message: `${name} is not up, so that it cannot have ${address}`,
  });
}
