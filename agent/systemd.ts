import { processes } from './host.ts';
import type { Environment } from './paths.ts';

/** Tells systemd how we are, by systemd-notify(1): Node has no datagram sockets of AF_UNIX. */
export interface ServiceManager {
  /** Milliseconds between two signs of life as of now, or undefined when no watchdog watches. */
  readonly watchdogMs: number | undefined;
  /** @param words such as `READY=1`, `STATUS=ready`. A failure is returned as a text, and is no reason to stop. */
  notify(...words: string[]): Promise<string | undefined>;
  /**
   * Have a silent agent killed after this many milliseconds, or again after what the unit says: WATCHDOG_USEC= in
   * sd_notify(3). Settles when systemd was told.
   */
  setWatchdog(limitMs: number | undefined): Promise<void>;
}

export function serviceManager(environment: Environment): ServiceManager {
  const socket = environment.NOTIFY_SOCKET;
  if (!socket) {
    return { watchdogMs: undefined, notify: async () => undefined, setWatchdog: async () => undefined };
  }
  const usualMs = watchdogInterval(environment, processes.self().pid);
  let intervalMs = usualMs;
  // One after the other: two programs may reach systemd in another order than they were started.
  let telling = Promise.resolve();
  const notify = async (...words: string[]) => {
    // Only what it needs: our environment may hold the cluster key.
    const env = { NOTIFY_SOCKET: socket, PATH: '/usr/bin:/bin' };
    const result = await processes.runQuietly(['systemd-notify', ...words.map(oneLine)], env, NOTIFY_MS);
    return result === 0 ? undefined : `systemd-notify: ${result}`;
  };
  return {
    get watchdogMs() {
      return intervalMs;
    },
    notify,
    async setWatchdog(limitMs) {
      if (usualMs === undefined) return;
      const wantedMs = limitMs === undefined ? usualMs : Math.min(usualMs, limitMs / 2);
      if (wantedMs === intervalMs) return await telling;
      intervalMs = wantedMs;
      telling = telling.then(() => notify(`WATCHDOG_USEC=${Math.round(2_000 * wantedMs)}`)).then(() => {});
      await telling;
    },
  };
}

/** On a machine with much to do even a small program takes its time. */
const NOTIFY_MS = 15_000;

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
