/**
 * What etcd's options are called, release by release. etcd reads its file without a word about keys that it does not
 * know, so an option under another release's name is an option that is not set: `options.test.ts` starts the real
 * program and asks its log for each.
 *
 * Source: the `json` tags of `embed.Config` and `configJSON` (3.4 to 3.7), server/features/etcd_features.go (3.6 on).
 */
export const RELEASES = ['3.4', '3.5', '3.6', '3.7'] as const;
export type EtcdRelease = (typeof RELEASES)[number];
export const NEWEST: EtcdRelease = '3.7';

type Options = Readonly<Record<string, unknown>>;

/** The database is compared with the other members' before it serves. A feature gate since 3.6, its flag gone in 3.7. */
const CORRUPT_CHECK = {
  flag: { 'experimental-initial-corrupt-check': true },
  gate: { 'feature-gates': 'InitialCorruptCheck=true' },
} as const;
/** The store of etcd 2: gone in 3.6. */
const NO_V2 = { 'enable-v2': false } as const;

const OWN: Readonly<Record<EtcdRelease, Options>> = {
  '3.4': { ...CORRUPT_CHECK.flag, ...NO_V2 },
  '3.5': { ...CORRUPT_CHECK.flag, ...NO_V2 },
  '3.6': CORRUPT_CHECK.gate,
  '3.7': CORRUPT_CHECK.gate,
};

/** What this release has under a name of its own. Pure. */
export function ownOptions(release: EtcdRelease): Options {
  return OWN[release];
}

/**
 * The release by what `etcd --version` prints; one that is newer than all we know is taken for the newest. Pure.
 *
 * @returns undefined for no version of etcd 3, and for one before 3.4
 */
export function releaseOf(printed: string): EtcdRelease | undefined {
  const minor = /^etcd Version: 3\.(\d+)\./m.exec(printed)?.[1];
  if (minor === undefined || Number(minor) < 4) return undefined;
  return RELEASES.find((release) => release === `3.${minor}`) ?? NEWEST;
}
