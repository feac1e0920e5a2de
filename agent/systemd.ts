import { clock, processes, serviceSocket } from './host.ts';
import type { Environment } from './paths.ts';

/** Tells systemd how we are, by sd_notify(3). */
export interface ServiceManager {
  /** Milliseconds between two signs of life as of now, or undefined when no watchdog watches. */
  readonly watchdogMs: number | undefined;
  /** @param words such as `READY=1`, `STATUS=ready`. A failure is returned as a text, and is no reason to stop. */
  notify(...words: string[]): Promise<string | undefined>;
  /**
   * Have a silent agent killed after this many milliseconds, or again after what the unit says: WATCHDOG_USEC= in
   * sd_notify(3). Settles when it is in systemd's queue, before whatever is told later.
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
  const notify = async (...words: string[]) => {
    const message = words.map(oneLine).join('\n');
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (await serviceSocket.send(socket, message)) return undefined;
      await clock.pause(RETRY_MS);
    }
    return `nobody takes messages at ${socket}`;
  };
  return {
    get watchdogMs() {
      return intervalMs;
    },
    notify,
    async setWatchdog(limitMs) {
      if (usualMs === undefined) return;
      const wantedMs = limitMs === undefined ? usualMs : Math.min(usualMs, limitMs / 2);
      if (wantedMs === intervalMs) return;
      intervalMs = wantedMs;
      await notify(`WATCHDOG_USEC=${Math.round(2_000 * wantedMs)}`);
    },
  };
}

/** While systemd is busy, its queue may be full. */
const TRIES = 20;
const RETRY_MS = 50;

/** Half of WATCHDOG_USEC, as sd_watchdog_enabled(3) recommends, when it is meant for us. Pure. */
export function watchdogInterval(environment: Environment, pid: number): number | undefined {
  const usec = Number(environment.WATCHDOG_USEC);
  if (!Number.isSafeInteger(usec) || usec <= 0) return undefined;
  if (environment.WATCHDOG_PID && Number(environment.WATCHDOG_PID) !== pid) return undefined;
  return Math.max(100, Math.floor(usec / 2000));
}

/**
 * A pass waits for files, and a slow disk delays it: only a pass that never ends is a fault. Roles do not depend on it.
 */
const LONGEST_PASS_MS = 180_000;

/** Whether the last pass ended recently; an event loop that hangs never asks. Pure. */
export function isSane(lastPassMs: number, nowMs: number): boolean {
  return nowMs - lastPassMs < LONGEST_PASS_MS;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
