/**
 * The agent's wall clock, moved by libfaketime. Its limit: only the agent sees it. Serf, etcd and wireguard-go are
 * Go programs, which ask the kernel without the C library, and `node-agent` commands are not started with it. A
 * machine whose whole clock is wrong needs QEMU. The monotonic clock is never moved.
 */
import { globSync } from 'node:fs';

/** How soon a running agent sees a new shift. */
const SEEN_WITHIN_S = 1;

/** @throws Error when libfaketime is not installed */
export function clockEnvironment(file: string): Record<string, string> {
  const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
  if (library === undefined) throw new Error('install the Debian package libfaketime');
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: String(SEEN_WITHIN_S),
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

/** As faketime(1) reads it: seconds with a sign. */
export function offsetText(ms: number): string {
  return `${ms < 0 ? '-' : '+'}${(Math.abs(ms) / 1000).toFixed(3)}\n`;
}
