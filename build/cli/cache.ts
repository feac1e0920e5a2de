import { InvalidArgumentError } from 'commander';
import { type CacheEntry, openCache, type PrunePolicy } from '../cache.ts';
import { humanSize } from '../definition/size.ts';
import { clock } from '../host.ts';
import type { Register } from './context.ts';

const DAY_MS = 86_400_000;
/** What `prune` keeps of each kind when it is told nothing else. */
const KEEP = 2;

interface PruneFlags {
  readonly keep?: number;
  readonly olderThan?: number;
  readonly all?: boolean;
}

export const registerCache: Register = (program, context) => {
  const family = program
    .command('cache')
    .description('look at what earlier builds left for later ones, and remove it');
  family
    .command('list')
    .description('show the entries with their sizes and ages')
    .action(async () => {
      const cache = await openCache();
      const entries = await cache.list();
      context.answer({ folder: cache.folder, entries }, () =>
        listAsText(cache.folder, entries, clock.wallClock().getTime()),
      );
    });
  family
    .command('prune')
    .description(`remove entries; without options, all but the ${KEEP} last used of each kind`)
    .option('--keep <n>', 'how many of each kind stay', wholeNumber)
    .option('--older-than <days>', 'remove what was not used for so many days', wholeNumber)
    .option('--all', 'remove everything')
    .action(async (flags: PruneFlags) => {
      const cache = await openCache();
      const removed = await cache.prune(policyOf(flags));
      const bytes = removed.reduce((sum, entry) => sum + entry.bytes, 0);
      context.answer(
        { folder: cache.folder, removed, bytes },
        () =>
          `removed ${removed.length} ${removed.length === 1 ? 'entry' : 'entries'}, ${humanSize(bytes)}, from ${cache.folder}`,
      );
    });
};

/** The flags as a policy; several add up. */
function policyOf({ keep, olderThan, all }: PruneFlags): PrunePolicy {
  if (all) return { all };
  if (keep === undefined && olderThan === undefined) return { keep: KEEP };
  return {
    ...(keep === undefined ? {} : { keep }),
    ...(olderThan === undefined ? {} : { olderThanMs: olderThan * DAY_MS }),
  };
}

function listAsText(folder: string, entries: readonly CacheEntry[], nowMs: number): string {
  if (entries.length === 0) return `the cache ${folder} is empty`;
  const lines = entries.map(({ kind, key, bytes, usedMs, complete }) =>
    [
      kind.padEnd(9),
      key.slice(0, 16),
      humanSize(bytes).padStart(10),
      ageOf(nowMs - usedMs),
      complete ? '' : 'incomplete',
    ]
      .join('  ')
      .trimEnd(),
  );
  const sum = entries.reduce((total, entry) => total + entry.bytes, 0);
  return [...lines, `${humanSize(sum)} in ${folder}`].join('\n');
}

function ageOf(ms: number): string {
  const hours = Math.max(0, Math.floor(ms / 3_600_000));
  return `used ${hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`} ago`.padEnd(18);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}
