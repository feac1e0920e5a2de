import * as path from 'node:path';
import * as z from 'zod';
import { clock, files, wipe } from '../host.ts';
import type { Log } from '../log.ts';
import { readRecord } from '../own-record.ts';
import type { Paths } from '../paths.ts';

/** How a node forgets everything, in order; each step may be repeated. */
const RESET_STEPS = [
  // The others should not wait for a dead voter; but a node without a cluster must be able to forget, too.
  { name: 'leave', limitMs: 30_000, mayFail: true },
  { name: 'stop-engines', limitMs: 60_000, mayFail: false },
  { name: 'tear-down-mesh', limitMs: 20_000, mayFail: true },
  { name: 'wipe', limitMs: 120_000, mayFail: false },
] as const;

type ResetStep = (typeof RESET_STEPS)[number]['name'];

/** What a reset needs of the other parts; wiping is done here. */
export type ResetHooks = Readonly<Record<Exclude<ResetStep, 'wipe'>, (signal: AbortSignal) => Promise<void>>>;

const markerSchema = z.object({
  version: z.literal(1),
  requestedAt: z.string().max(40),
  done: z.array(z.enum(RESET_STEPS.map(({ name }) => name))).max(RESET_STEPS.length),
});

type Marker = z.infer<typeof markerSchema>;

function markerFile({ state }: Pick<Paths, 'state'>): string {
  return path.join(state, 'reset.json');
}

/** Write down that this node is to forget everything: from here on a power cut only delays it. */
export async function requestReset(paths: Pick<Paths, 'state'>, now: Date): Promise<void> {
  if (await isResetRequested(paths)) return;
  await saveMarker(paths, { version: 1, requestedAt: now.toISOString(), done: [] });
}

/** At start, before anything else is read: a reset that was begun goes on. */
export async function isResetRequested(paths: Pick<Paths, 'state'>): Promise<boolean> {
  return (await files.look(markerFile(paths))) !== undefined;
}

/**
 * Do the steps that are not done. The marker goes last, after all else, so that the state folder of a node is
 * never half of an old one without saying so.
 *
 * @throws what stopping or wiping throws; calling again goes on there
 */
export async function performReset(paths: Pick<Paths, 'state'>, hooks: ResetHooks, log: Log): Promise<void> {
  let marker = await loadMarker(paths);
  for (const { name, limitMs, mayFail } of RESET_STEPS) {
    if (marker.done.includes(name)) continue;
    log.info('reset', { step: name });
    try {
      await within(limitMs, (signal) => (name === 'wipe' ? wipeState(paths) : hooks[name](signal)));
    } catch (error) {
      if (!mayFail) throw error;
      log.warning('reset goes on without it', { step: name, reason: String(error) });
    }
    if (name === 'wipe') break;
    marker = { ...marker, done: [...marker.done, name] };
    await saveMarker(paths, marker).catch((error: unknown) => {
      // A full disk is no reason to keep what fills it: after a power cut the step is only done again.
      log.warning('reset goes on without having noted a step', { step: name, reason: String(error) });
    });
  }
  await wipe.removeTree(markerFile(paths));
}

async function wipeState(paths: Pick<Paths, 'state'>): Promise<void> {
  const keep = path.basename(markerFile(paths));
  for (const { name } of (await files.list(paths.state)) ?? []) {
    if (name !== keep) await wipe.removeTree(path.join(paths.state, name));
  }
}

/** A marker that cannot be read still means a reset; every step is then done again. */
async function loadMarker(paths: Pick<Paths, 'state'>): Promise<Marker> {
  const none: Marker = { version: 1, requestedAt: '', done: [] };
  return (await readRecord(markerFile(paths), 4096, markerSchema)) ?? none;
}

async function saveMarker(paths: Pick<Paths, 'state'>, marker: Marker): Promise<void> {
  await files.writeDurable(markerFile(paths), `${JSON.stringify(marker)}\n`, 0o600);
}

async function within(limitMs: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const [limit, ended] = [new AbortController(), new AbortController()];
  const late = clock.pause(limitMs, ended.signal).then(() => {
    if (ended.signal.aborted) return;
    const error = new Error(`no end after ${limitMs / 1000} s`);
    limit.abort(error);
    throw error;
  });
  try {
    const working = work(limit.signal);
    await Promise.race([working, late.then(() => working)]);
  } finally {
    ended.abort();
  }
}
