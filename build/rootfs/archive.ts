/**
 * What the archive holds right now, told by its signed Release files: their digests are a part of every cache
 * key, so that an update of one package is noticed, and their date is the image's time stamp.
 */
import { createHash } from 'node:crypto';
import type { AptSources } from '../definition/plan.ts';
import { OperatorError } from '../errors.ts';
import { network } from '../host.ts';

export interface ArchiveState {
  /** SHA-256 of each suite's InRelease, or of its Release where there is no other, in the order of the plan's suites. */
  readonly releases: readonly { readonly suite: string; readonly sha256: string }[];
  /** The newest `Date:` of the suites, in seconds since 1970. */
  readonly date: number;
}

/** An answer within this time, or the mirror counts as dead. apt itself would try for minutes. */
const TIMEOUT_MS = 8000;
const LARGEST_RELEASE = 8 * 1024 * 1024;

/**
 * Fetch the InRelease of each suite; from a mirror that has none, its Release, as apt does. apt checks the signatures
 * later, when it uses them; here they are only a fingerprint.
 *
 * @throws OperatorError `mirror.*`, `proxy.*`; they name the setting to change
 */
export async function readArchive(
  apt: AptSources,
  signal?: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<ArchiveState> {
  const found = await Promise.all(
    apt.suites.map(async ({ uri, suite }) => {
      const folder = `${uri}/dists/${suite}`;
      const fetch = (name: string) =>
        network.fetchSmall(`${folder}/${name}`, { timeoutMs, bytes: LARGEST_RELEASE }, signal);
      try {
        const { name, text } = await releaseOf(fetch);
        return {
          suite,
          sha256: createHash('sha256').update(text).digest('hex'),
          date: dateOf(text.toString('utf8'), `${folder}/${name}`),
        };
      } catch (cause) {
        throw mirrorError(apt, `${folder}/InRelease`, cause);
      }
    }),
  );
  return {
    releases: found.map(({ suite, sha256 }) => ({ suite, sha256 })),
    date: Math.max(...found.map(({ date }) => date)),
  };
}

/** @throws what the fetch of the InRelease threw, where the mirror has neither that nor a signed Release */
async function releaseOf(fetch: (name: string) => Promise<Buffer>) {
  try {
    return { name: 'InRelease', text: await fetch('InRelease') };
  } catch (cause) {
    if (!isAbsent(cause)) throw cause;
    try {
      const [text] = await Promise.all([fetch('Release'), fetch('Release.gpg')]);
      return { name: 'Release', text };
    } catch (error) {
      throw isAbsent(error) ? cause : error;
    }
  }
}

const isAbsent = (error: unknown) => error instanceof OperatorError && error.code === 'network.status';

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
  'network.redirect': 'mirror.redirect',
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
    fix:
      cause.fix ??
      'check the network, or name another mirror: --mirror URL, or base.mirror in the definition',
    cause,
  });
}
