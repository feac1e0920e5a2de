/** Which Packer there is, and what it understands. */
import { OperatorError } from '../errors.ts';
import { tryRun, which } from '../host.ts';

export interface PackerVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** Debian's. Older ones lack what the template needs. */
const OLDEST: PackerVersion = { major: 1, minor: 6, patch: 6 };
/** Where none is installed: what is current declares its plugins. */
const ASSUMED: PackerVersion = { major: 1, minor: 11, patch: 0 };

/** From 1.7 on plugins are declared (`required_plugins`) and fetched by `packer init`. */
export function needsPlugins({ major, minor }: PackerVersion): boolean {
  return major > 1 || minor >= 7;
}

export function versionText({ major, minor, patch }: PackerVersion): string {
  return `${major}.${minor}.${patch}`;
}

/**
 * What `--packer-version` says, else the Packer of this machine, else a current one.
 *
 * @throws OperatorError `flag.invalid`, `packer.too-old`
 */
export async function choosePacker(
  flag: string | undefined,
): Promise<{ version: PackerVersion; from: string }> {
  if (flag !== undefined) {
    const version = parseVersion(/^v?\d+\.\d+(\.\d+)?$/.test(flag) ? flag : '');
    if (version === undefined) {
      throw new OperatorError({
        code: 'flag.invalid',
        message: `--packer-version does not understand "${flag}"`,
        fix: 'give a version such as 1.6.6 or 1.11',
      });
    }
    return { version: notTooOld(version), from: '--packer-version' };
  }
  if ((await which('packer')) === undefined) return { version: ASSUMED, from: 'none is installed' };
  const { stdout } = await tryRun(['packer', 'version'], {
    env: { CHECKPOINT_DISABLE: '1' },
    timeoutMs: 30_000,
  });
  const version = parseVersion(stdout);
  if (version === undefined) {
    throw new OperatorError({
      code: 'packer.unknown',
      exit: 'command',
      message: 'the program packer does not say its version as Packer does',
      evidence: stdout.slice(0, 200),
      fix: 'say which it is with --packer-version, or take another from PATH',
    });
  }
  return { version: notTooOld(version), from: 'packer version' };
}

/** The first version in a text such as `Packer v1.6.6`; a missing third number counts as the last of its kind. */
export function parseVersion(text: string): PackerVersion | undefined {
  const [, major, minor, patch] = /\bv?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?/.exec(text) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  return { major: Number(major), minor: Number(minor), patch: Number(patch ?? 9999) };
}

function notTooOld(version: PackerVersion): PackerVersion {
  const { major, minor, patch } = version;
  if (major > 1 || (major === 1 && (minor > 6 || (minor === 6 && patch >= OLDEST.patch)))) return version;
  throw new OperatorError({
    code: 'packer.too-old',
    message: `Packer ${versionText(version)} is too old: ${versionText(OLDEST)} is the first that can build this`,
    fix: 'install a newer one (Debian has 1.6.6: apt-get install packer)',
  });
}
