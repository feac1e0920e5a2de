/**
 * What the archive holds right now, told by its signed Release files: their digests are a part of every cache
 * key, so that an update of one package is noticed, and their date is the image's time stamp.
 */
import { createHash } from 'node:crypto';
import type { AptSources } from '../definition/plan.ts';
import { OperatorError } from '../errors.ts';
import { network } from '../host.ts';

export interface ArchiveState {
  /** SHA-256 of each suite's InRelease, in the order of the plan's suites. */
  readonly releases: readonly { readonly suite: string; readonly sha256: string }[];
  /** The newest `Date:` of the suites, in seconds since 1970. */
  readonly date: number;
}

/** An answer within this time, or the mirror counts as dead. apt itself would try for minutes. */
const TIMEOUT_MS = 8000;
const LARGEST_RELEASE = 8 * 1024 * 1024;

/**
 * Fetch the InRelease of each suite. apt checks the signatures later, when it uses them; here they are only a
 * fingerprint.
 *
 * @throws OperatorError `mirror.unreachable`, `mirror.no-suite`, `mirror.not-an-archive`; all name the setting to
 *   change
 */
export async function readArchive(
  apt: AptSources,
  signal?: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<ArchiveState> {
  const found = await Promise.all(
    apt.suites.map(async ({ uri, suite }) => {
      const url = `${uri}/dists/${suite}/InRelease`;
      try {
        const text = await network.fetchSmall(url, { timeoutMs, bytes: LARGEST_RELEASE }, signal);
        return {
          suite,
          sha256: createHash('sha256').update(text).digest('hex'),
          date: dateOf(text.toString('utf8'), url),
        };
      } catch (cause) {
        throw mirrorError(apt, url, cause);
      }
    }),
  );
  return {
    releases: found.map(({ suite, sha256 }) => ({ suite, sha256 })),
    date: Math.max(...found.map(({ date }) => date)),
  };
}

/** The `Date:` field of a Release file, in seconds since 1970. */
export function dateOf(text: string, url: string): number {
  const value = /^Date: (.+)$/m.exec(text)?.[1];
  const ms = value === undefined ? Number.NaN : Date.parse(value);
  if (Number.isNaN(ms)) {
    throw new OperatorError({
      code: 'mirror.not-an-archive',
      exit: 'network',
      message: `${url} is not a Release file`,
      evidence: text.slice(0, 200),
    });
  }
  return Math.floor(ms / 1000);
}

const MIRROR_CODES: Readonly<Record<string, string>> = {
  'network.unreachable': 'mirror.unreachable',
  'network.status': 'mirror.no-suite',
};

function mirrorError(apt: AptSources, url: string, cause: unknown): unknown {
  if (!(cause instanceof OperatorError) || cause.exit !== 'network') return cause;
  return new OperatorError({
    code: MIRROR_CODES[cause.code] ?? cause.code,
    exit: 'network',
    message: `the package mirror cannot be used: ${cause.message}`,
    evidence: [cause.evidence, `asked for ${url}`, `the mirror was set by ${apt.mirrorSetBy}`]
      .filter(Boolean)
      .join('\n'),
    fix: 'check the network, or name another mirror: --mirror URL, or base.mirror in the definition',
    cause,
  });
}
