import * as path from 'node:path';
import type { Units } from '../engine/units.ts';
import { AgentError, isExpected } from '../errors.ts';
import { files } from '../host.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import type { RoleContext, RoleUnit, Workload } from '../workloads/workload.ts';
import type { Time } from './deadline.ts';
import type { Guard } from './guard.ts';
import type { Effects } from './tenure.ts';

/** Service addresses on the mesh's interface; by the mesh. Each of them may be called again. */
export interface ServiceAddresses {
  /** Until then, ms since boot, or for longer than before: with it or without us, it is gone afterwards. */
  hold(ip: string, untilMs: number): Promise<void>;
  release(ip: string): Promise<void>;
  listHeld(): Promise<readonly string[]>;
}

interface EffectsDeps {
  readonly role: Workload;
  readonly address: string | undefined;
  readonly units: Units;
  readonly addresses: ServiceAddresses;
  readonly guard?: Guard;
  readonly selfArgv: readonly [string, ...string[]];
  readonly paths: Paths;
  readonly time: Time;
  readonly log: Pick<Log, 'error'>;
}

/** A role as programs under `Units` and an address of the mesh. */
export function createEffects({ role, address, units, addresses, ...deps }: EffectsDeps): Effects {
  const folder = path.join(deps.paths.run, 'roles');
  const leaseFile = path.join(folder, `${role.name}.json`);
  let fence = '0';
  let endsMs = 0;
  let hasAddress = false;
  let writing: Promise<void> = Promise.resolve();
  const context = (): RoleContext => ({
    fence,
    address,
    leaseFile,
    selfArgv: deps.selfArgv,
    paths: deps.paths,
  });

  /** Nobody waits for what failed. */
  const note = (error: unknown, ...codes: readonly string[]) => {
    if (isExpected(error, ...codes)) return;
    deps.log.error('a fault of ours in what a role does', { role: role.name, reason: String(error) });
  };

  /** One write at a time, of what is newest by then. */
  const writeLease = () => {
    writing = writing
      .then(() => files.writeVolatile(leaseFile, `${JSON.stringify({ fence, endsMs })}\n`, 0o644))
      // Before the start there is no folder, and nobody who reads it.
      .catch((error) => note(error, 'file.', 'disk.full'));
    return writing;
  };

  return {
    async start(right, signal) {
      fence = right.fence;
      const proceed = () => {
        if (!signal.aborted && right.mayAct()) return;
        throw new AgentError({
          code: 'role.late',
          exit: 'refused',
          message: 'the lease ended during the start',
        });
      };
      // The programs of roles need not be root's to see their lease, which is no secret.
      await files.makeFolder(folder, 0o755);
      await Promise.all([writeLease(), deps.guard?.begin(role.name, right.leaseMs)]);
      proceed();
      hasAddress = true;
      if (address !== undefined) await addresses.hold(address, endsMs);
      proceed();
      await role.prepare?.(context(), signal);
      for (const unit of role.units(context())) {
        proceed();
        await units.start({ ...unit, boundToAgent: true });
      }
    },
    async stop(deadlineMs) {
      endsMs = 0;
      hasAddress = false;
      const names = role.units(context()).map(({ name }: RoleUnit) => name);
      const until = deps.time.nowMs() + deadlineMs;
      const left = () => Math.max(0, until - deps.time.nowMs());
      // What has little time is stopped all at once; the address goes last, so that answers still get out.
      if (deadlineMs <= URGENT_MS) {
        const released = address === undefined ? Promise.resolve() : addresses.release(address);
        await Promise.all([released, ...names.map((name) => units.stop(name, left()))]);
      } else {
        for (const name of names.reverse()) await units.stop(name, left());
        if (address !== undefined) await addresses.release(address);
      }
      await writing;
      await files.remove(leaseFile);
      void deps.guard?.end(role.name);
    },
    async lease(nextMs) {
      await deps.guard?.begin(role.name, nextMs);
    },
    health: () => role.health(context()),
    proven(newFence, newEndsMs) {
      fence = newFence;
      endsMs = newEndsMs;
      void writeLease();
      if (hasAddress && address !== undefined) {
        // The kernel takes it away in time; the next sign of life asks again.
        addresses.hold(address, endsMs).catch((error) => note(error, 'mesh.'));
      }
    },
  };
}

/** Below this the rest of a lease is spent: see `timingOf`. */
const URGENT_MS = 3_000;
