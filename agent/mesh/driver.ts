import type { Units } from '../engine/units.ts';
import { AgentError } from '../errors.ts';
import { clock, files } from '../host.ts';
import { type Interface, interfaceError, ip, look, missing } from './interface.ts';

export type Driver = 'kernel' | 'wireguard-go';

const PROGRAM = '/usr/bin/wireguard-go';
const TUN = '/dev/net/tun';
const APPEAR_MS = 10_000;
const STOP_MS = 5_000;

interface DriverDeps {
  readonly name: string;
  readonly units: Units;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Make the interface: by the kernel's WireGuard, else by wireguard-go.
 *
 * @throws AgentError `mesh.permission`, `mesh.missing`, `mesh.no-tun`, `mesh.wireguard-go`
 */
export async function createInterface(deps: DriverDeps): Promise<Interface> {
  const { name, signal } = deps;
  const { code, stderr } = await ip(['link', 'add', 'dev', name, 'type', 'wireguard'], { signal });
  if (code !== 0 && !/File exists/.test(stderr)) {
    if (!/Unknown device type|not supported/i.test(stderr)) {
      throw interfaceError(`the kernel refused to make ${name}`, stderr);
    }
    await startProgram(deps);
  }
  return await appeared(deps);
}

/** Which driver makes such an interface; undefined for one that cannot be WireGuard's. Pure. */
export function driverOf({ kind }: Interface): Driver | undefined {
  if (kind === 'wireguard') return 'kernel';
  return kind === 'tun' ? 'wireguard-go' : undefined;
}

/** Take the interface away if one was made, and the program behind it. */
export async function removeInterface({
  name,
  units,
}: Pick<DriverDeps, 'units'> & { readonly name: string | undefined }): Promise<void> {
  await units.stop('wireguard', STOP_MS);
  if (name === undefined) return;
  const left = await look(name);
  if (left !== undefined && driverOf(left) !== undefined) await ip(['link', 'delete', 'dev', name]);
}

async function startProgram({ name, units }: DriverDeps): Promise<void> {
  if ((await files.look(TUN)) === undefined) {
    throw new AgentError({
      code: 'mesh.no-tun',
      exit: 'internal',
      message: `this kernel has no WireGuard, and there is no ${TUN} for wireguard-go`,
      fix: `load the module wireguard or tun; in a container: docker run --device ${TUN}`,
    });
  }
  // A run that is on without an interface has lost it; the unit would be left as it is.
  if ((await units.observe('wireguard')).state === 'running') await units.stop('wireguard', STOP_MS);
  const spec = {
    name: 'wireguard',
    argv: [PROGRAM, '-f', name],
    environment: { LOG_LEVEL: 'error' },
    configDigest: `wireguard-go ${name}`,
  } as const;
  await units.start(spec).catch((error: unknown) => {
    const isMissing = error instanceof AgentError && error.code === 'unit.missing-program';
    throw isMissing ? missing('wireguard-go', 'wireguard-go', error) : error;
  });
}

async function appeared({ name, units, signal }: DriverDeps): Promise<Interface> {
  const deadline = clock.monotonicMs() + APPEAR_MS;
  for (;;) {
    const found = await look(name, signal);
    if (found !== undefined) return found;
    const unit = await units.observe('wireguard');
    if (unit.state !== 'running' || clock.monotonicMs() > deadline) throw notAppeared(name, unit.lastLines);
    await clock.pause(50, signal);
  }
}

function notAppeared(name: string, lines: readonly string[]): AgentError {
  const evidence = lines.slice(-5).join('\n');
  if (/not permitted|permission denied/i.test(evidence)) return interfaceError('', evidence);
  return new AgentError({
    code: 'mesh.wireguard-go',
    exit: 'internal',
    message: `wireguard-go did not make ${name}`,
    evidence: evidence || undefined,
  });
}
