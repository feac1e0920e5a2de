import { processes } from './host.ts';
import type { Environment } from './paths.ts';

/** Tells systemd how we are, by systemd-notify(1): Node has no datagram sockets of AF_UNIX. */
export interface ServiceManager {
  /** Milliseconds between two signs of life, or undefined when no watchdog watches. */
  readonly watchdogMs: number | undefined;
  /** @param words such as `READY=1`, `STATUS=ready`. A failure is returned as a text, and is no reason to stop. */
  notify(...words: string[]): Promise<string | undefined>;
}

export function serviceManager(environment: Environment): ServiceManager {
  const socket = environment.NOTIFY_SOCKET;
  if (!socket) return { watchdogMs: undefined, notify: async () => undefined };
  return {
    watchdogMs: watchdogInterval(environment, processes.self().pid),
    async notify(...words) {
      // Only what it needs: our environment may hold the cluster key.
      const env = { NOTIFY_SOCKET: socket, PATH: '/usr/bin:/bin' };
      const result = await processes.runQuietly(['systemd-notify', ...words.map(oneLine)], env, 5_000);
      return result === 0 ? undefined : `systemd-notify: ${result}`;
    },
  };
}

/** Half of WATCHDOG_USEC, as sd_watchdog_enabled(3) recommends, when it is meant for us. Pure. */
export function watchdogInterval(environment: Environment, pid: number): number | undefined {
  const usec = Number(environment.WATCHDOG_USEC);
  if (!Number.isSafeInteger(usec) || usec <= 0) return undefined;
  if (environment.WATCHDOG_PID && Number(environment.WATCHDOG_PID) !== pid) return undefined;
  return Math.max(100, Math.floor(usec / 2000));
}

/** The loop must have come round recently; an event loop that hangs never asks. Pure. */
export function isSane(lastPassMs: number, nowMs: number, watchdogMs: number): boolean {
  return nowMs - lastPassMs < Math.max(2 * watchdogMs, 15_000);
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
