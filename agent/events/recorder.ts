import { files, lineFile } from '../host.ts';
import type { Paths } from '../paths.ts';
import type { Event, Happening } from './event.ts';
import { lineOf, parseLines } from './lines.ts';

export interface Events {
  /** Take note of something that happened now. Never waits and never throws: the file follows. */
  record(happening: Happening): Event;
  /** The events after a number, or since a time; all that are kept when neither is given. */
  since(from: { readonly seq?: number; readonly time?: Date }): Promise<readonly Event[]>;
  /** Those to come, until the signal. A follower that falls 500 behind loses the oldest. */
  follow(signal: AbortSignal): AsyncIterable<Event>;
  /** The newest, newest last. */
  recent(count: number): readonly Event[];
  /** Recorded since the agent started. */
  count(): number;
  /** Why events are kept in memory only; undefined when the file takes them. */
  problem(): string | undefined;
  /** Settles when the file has taken, or refused, what was recorded. */
  flush(): Promise<void>;
}

interface EventsInputs {
  readonly paths: Pick<Paths, 'events'>;
  readonly clock: { wallClock(): Date };
  /** Bytes at which a new file begins; one older file is kept. */
  readonly limit?: number;
}

/** Kept in memory, and at most unwritten: what a full disk cannot take is not lost at once. */
const RING = 500;
const LIMIT = 1024 * 1024;

/**
 * The events of this node: numbered, in memory, and as JSON lines in a file that outlives the agent. What the
 * file holds from before is taken up, so that numbers go on where they ended.
 */
export async function createEvents({ paths, clock, limit = LIMIT }: EventsInputs): Promise<Events> {
  const file = paths.events;
  const older = `${file}.1`;
  const ring: Event[] = (await readBoth(file, older)).slice(-RING);
  const followers = new Set<(event: Event) => void>();
  let unwritten: Event[] = [];
  let count = 0;
  let problem: string | undefined;
  let writing: Promise<void> | undefined;

  const write = async () => {
    while (unwritten.length > 0) {
      const batch = unwritten;
      unwritten = [];
      try {
        await lineFile.append(file, older, batch.map(lineOf).join(''), limit);
        problem = undefined;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        problem = code === 'ENOSPC' ? 'no space left on the disk' : message;
        // Tried again with the next event.
        unwritten = [...batch, ...unwritten].slice(-RING);
        return;
      }
    }
  };
  // A microtask later, so that what one pass records is one write.
  const wake = () => {
    writing ??= Promise.resolve()
      .then(write)
      .finally(() => {
        writing = undefined;
      });
  };

  return {
    record: (happening) => {
      const last = ring.at(-1)?.seq ?? 0;
      const event: Event = { at: clock.wallClock().toISOString(), seq: last + 1, ...happening };
      ring.push(event);
      if (ring.length > RING) ring.shift();
      unwritten.push(event);
      if (unwritten.length > RING) unwritten.shift();
      count += 1;
      for (const tell of followers) tell(event);
      wake();
      return event;
    },
    since: async ({ seq = 0, time }) => {
      const oldest = ring[0];
      const inMemory =
        oldest === undefined || oldest.seq <= seq + 1 || (time && Date.parse(oldest.at) < +time);
      const all = inMemory ? ring : merged(await readBoth(file, older), ring);
      return all.filter((event) => event.seq > seq && (!time || Date.parse(event.at) >= +time));
    },
    follow: (signal) => {
      const { iterate, tell } = createFeed(signal, () => followers.delete(tell));
      if (!signal.aborted) followers.add(tell);
      return { [Symbol.asyncIterator]: iterate };
    },
    recent: (wanted) => (wanted > 0 ? ring.slice(-wanted) : []),
    count: () => count,
    problem: () => problem,
    flush: async () => {
      await writing;
      if (unwritten.length > 0) await write();
    },
  };
}

/** A queue between the recorder, which never waits, and one reader. */
function createFeed(signal: AbortSignal, ended: () => void) {
  const queue: Event[] = [];
  let wake: (() => void) | undefined;
  signal.addEventListener(
    'abort',
    () => {
      ended();
      wake?.();
    },
    { once: true },
  );
  return {
    tell: (event: Event) => {
      queue.push(event);
      if (queue.length > RING) queue.shift();
      wake?.();
    },
    iterate: async function* (): AsyncGenerator<Event> {
      try {
        while (!signal.aborted) {
          const event = queue.shift();
          if (event !== undefined) yield event;
          else {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        }
      } finally {
        ended();
      }
    },
  };
}

async function readBoth(file: string, older: string): Promise<Event[]> {
  const texts = await Promise.all([older, file].map(readText));
  return parseLines(texts.join('\n'));
}

/** A file that cannot be read is no reason to be without events from now on. */
async function readText(file: string): Promise<string> {
  try {
    return (await files.readLimited(file, 4 * LIMIT))?.bytes.toString('utf8') ?? '';
  } catch {
    return '';
  }
}

function merged(written: readonly Event[], ring: readonly Event[]): Event[] {
  const first = ring[0]?.seq ?? Number.POSITIVE_INFINITY;
  return [...written.filter(({ seq }) => seq < first), ...ring];
}
