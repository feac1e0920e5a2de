/** What watches over the agent while it holds a role. */
export interface Guard {
  /** Settles when the watch is as close as the role needs. */
  begin(role: string, leaseMs: number | undefined): Promise<void>;
  end(role: string): Promise<void>;
}

/** Of a lease: the last beat is a fifth of it old when the agent hangs, and its units need time for their end. */
const SHARE = 0.6;

/**
 * An agent that hangs must be gone, and its roles with it, before others may take them: while it holds one, the
 * service manager's watchdog is shorter than the lease. At all other times a node with too much to do should not
 * have its agent killed for that.
 *
 * @param setLimit how long the agent may be silent, in ms; undefined for as long as usual
 */
export function createGuard(setLimit: (limitMs: number | undefined) => Promise<void>): Guard {
  const leases = new Map<string, number>();
  const apply = () => setLimit(leases.size === 0 ? undefined : Math.min(...leases.values()) * SHARE);
  return {
    async begin(role, leaseMs) {
      if (leaseMs !== undefined) leases.set(role, leaseMs);
      await apply();
    },
    async end(role) {
      if (leases.delete(role)) await apply();
    },
  };
}
