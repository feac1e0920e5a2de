import * as z from 'zod';
import { AgentError } from '../errors.ts';
import { programs } from '../host.ts';

/** A network interface as `ip -json` shows it. */
export interface Interface {
  /** `wireguard`, `tun`, `dummy`, ...; undefined for a physical one. */
  readonly kind: string | undefined;
  readonly up: boolean;
  readonly mtu: number;
  /** IPv4 as `IP/prefix`. */
  readonly addresses: readonly string[];
}

interface WantedInterface {
  /** `IP/prefix`; the prefix is the whole range's, so that the kernel adds the route. */
  readonly address: string;
  /** Service addresses that we hold now, as `IP/32`. */
  readonly held: readonly string[];
  readonly mtu: number;
}

const shown = z
  .array(
    z.object({
      flags: z.array(z.string()).default([]),
      mtu: z.number().default(0),
      linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
      addr_info: z
        .array(z.object({ family: z.string(), local: z.string().optional(), prefixlen: z.number() }))
        .default([]),
    }),
  )
  .max(1);

/** How the interface is, or undefined when there is none. */
export async function look(name: string, signal?: AbortSignal): Promise<Interface | undefined> {
  const { code, stdout, stderr } = await ip(['-json', '-details', 'address', 'show', 'dev', name], {
    signal,
  });
  if (code !== 0) {
    if (/does not exist|Cannot find device/.test(stderr)) return undefined;
    throw interfaceError(`the interface ${name} cannot be looked at`, stderr);
  }
  return parseInterface(stdout);
}

/** Read the JSON of `ip -json -details address show dev NAME`. Pure. */
export function parseInterface(text: string): Interface | undefined {
  // Some versions of ip put empty objects where they left out an interface.
  const value: unknown = JSON.parse(text || '[]');
  const filled = Array.isArray(value)
    ? value.filter((entry: unknown) => Object.keys(entry as object).length > 0)
    : value;
  const [entry] = shown.parse(filled);
  if (entry === undefined) return undefined;
  return {
    kind: entry.linkinfo?.info_kind,
    up: entry.flags.includes('UP'),
    mtu: entry.mtu,
    addresses: entry.addr_info
      .filter(({ family, local }) => family === 'inet' && local !== undefined)
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
  };
}

/**
 * What `ip -batch` has to do, line by line; empty when all is as it shall be, but for held addresses, which
 * {@link import('./service-address.ts').hold} gives and extends. Pure.
 *
 * Addresses go before others come: the kernel takes a new one of the same network for secondary, and removes it
 * together with the first.
 */
export function planInterface(name: string, now: Interface, wanted: WantedInterface): string[] {
  const all = [wanted.address, ...wanted.held];
  const lines = [
    ...now.addresses
      .filter((address) => !all.includes(address))
      .map((address) => `address del ${address} dev ${name}`),
    ...[wanted.address]
      .filter((address) => !now.addresses.includes(address))
      .map((address) => `address add ${address} dev ${name}`),
  ];
  if (now.mtu !== wanted.mtu) lines.push(`link set dev ${name} mtu ${wanted.mtu}`);
  if (!now.up) lines.push(`link set dev ${name} up`);
  return lines;
}

/** @throws AgentError `mesh.permission`, `mesh.interface` */
export async function apply(lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  // -force: the lines after one that failed are done too.
  const { code, stderr } = await ip(['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  const failures = failuresIn(stderr);
  if (code !== 0 && (failures !== '' || stderr === '')) {
    throw interfaceError('the interface of the mesh could not be set up', failures || `exit code ${code}`);
  }
}

/**
 * What `ip -batch` says of failures. An address that is gone before we remove it is none: the kernel takes away
 * by itself one whose time is over. Pure.
 */
export function failuresIn(stderr: string): string {
  const gone = /^(Error: ipv4: Address not found\.|RTNETLINK answers: Cannot assign requested address)$/;
  const lines = stderr.split('\n').filter((line) => line.trim() !== '' && !/^Command failed /.test(line));
  return lines.filter((line) => !gone.test(line)).join('\n');
}

/** Run `ip`. @throws AgentError `mesh.missing` */
export async function ip(
  words: readonly string[],
  options: { input?: string; signal?: AbortSignal | undefined } = {},
): Promise<programs.Ended> {
  try {
    return await programs.run(['ip', ...words], { timeoutMs: 10_000, ...options });
  } catch (error) {
    throw programs.isMissing(error) ? missing('ip', 'iproute2', error) : error;
  }
}

export function missing(program: string, debianPackage: string, cause?: unknown): AgentError {
  return new AgentError({
    code: 'mesh.missing',
    exit: 'internal',
    message: `${program} is not installed, and the mesh needs it`,
    fix: `apt-get install ${debianPackage}`,
    cause,
  });
}

export function interfaceError(message: string, evidence: string): AgentError {
  if (/Operation not permitted|Permission denied/i.test(evidence)) {
    return new AgentError({
      code: 'mesh.permission',
      exit: 'internal',
      message: 'the agent may not set up network interfaces',
      evidence: evidence.trim(),
      fix: 'run it as root, or with CAP_NET_ADMIN (docker run --cap-add NET_ADMIN)',
    });
  }
  return new AgentError({ code: 'mesh.interface', exit: 'internal', message, evidence: evidence.trim() });
}
