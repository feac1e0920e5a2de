import * as z from 'zod';
import { boottime, clock, files } from '../host.ts';
import type { Paths } from '../paths.ts';
import type { StatusDocument } from './view.ts';

/**
 * The status as the running agent last wrote it: what `status` shows when the agent does not answer. Who may use the
 * agent's socket may read it.
 */

interface LastKnown {
  /** How long a question to this agent may take, in ms: more on a slow machine. */
  readonly answerMs: number;
  readonly ageMs: number;
  readonly status: StatusDocument;
}

/** Until an agent has said what its machine needs. */
export const ANSWER_MS = 5_000;
const LONGEST_ANSWER_MS = 60_000;
const MODE = 0o640;
/** The document of a thousand nodes. */
const LIMIT = 4 * 1024 * 1024;

/** Only our agent writes the file; it may be one of another version. */
const written = z.object({
  answerMs: z.number().min(1_000).max(LONGEST_ANSWER_MS),
  /** Ms since boot: the time of day may be set meanwhile. */
  atMs: z.number().min(0),
  status: z.looseObject({ state: z.string(), name: z.string(), conditions: z.array(z.unknown()).readonly() }),
});

/** @throws AgentError `file.unwritable` */
export async function writeLastKnown(paths: Paths, status: StatusDocument, answerMs: number): Promise<void> {
  const record = { answerMs, atMs: boottime.sinceBootMs(), status } satisfies z.input<typeof written>;
  await files.writeVolatile(paths.lastStatus, `${JSON.stringify(record)}\n`, MODE);
}

/** Undefined when there is none that can be read. Never throws: it stands in for something better. */
export async function readLastKnown(paths: Paths): Promise<LastKnown | undefined> {
  const found = await files.readLimited(paths.lastStatus, LIMIT).catch(() => undefined);
  if (found === undefined) return undefined;
  try {
    const { answerMs, atMs, status } = written.parse(JSON.parse(found.bytes.toString('utf8')));
    const ageMs = boottime.sinceBootMs() - atMs;
    // Of before a restart of the machine, where /run outlives one, as in a container: its age is not known.
    if (ageMs < 0) return undefined;
    return { answerMs, ageMs, status: status as unknown as StatusDocument };
  } catch {
    return undefined;
  }
}

/** The document as it was, for programs: how old it is, and why there is no newer one. Pure. */
export function asLastKnown(
  { status, ageMs }: LastKnown,
  error: { readonly code: string; readonly message: string },
  now: Date = clock.wallClock(),
): StatusDocument & { readonly lastKnown: object } {
  const at = new Date(now.getTime() - ageMs).toISOString();
  const { code, message } = error;
  return { ...status, lastKnown: { at, ageSeconds: Math.round(ageMs / 1000), error: { code, message } } };
}
