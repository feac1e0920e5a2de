/** One archive of the host, as apt's sources name it. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly signedBy?: string | undefined;
}

/**
 * The enabled binary archives of a sources file, in either of the formats of sources.list(5).
 *
 * @param name of the file: `*.sources` is deb822, anything else has one archive on a line
 */
export function parseAptSources(name: string, text: string): AptSource[] {
  return name.endsWith('.sources') ? parseStanzas(text) : text.split('\n').flatMap(parseLine);
}

/** The archive and the security archive that a host uses for its own distribution, without trailing slashes. */
interface HostMirror {
  readonly mirror: string;
  readonly securityMirror: string | undefined;
}

/**
 * Choose the host's mirror among its sources: those of the distribution itself, never a vendor's, of which many
 * are named by the release too. The sign is the folder `debian` or `ubuntu`, or the distribution's own keyring.
 */
export function hostMirrorOf(
  sources: readonly AptSource[],
  distribution: 'debian' | 'ubuntu',
): HostMirror | undefined {
  const own = sources.filter((source) => isArchive(source, distribution));
  const main = own.find(({ suite }) => !suite.includes('-') && !suite.includes('/'));
  if (main === undefined) return undefined;
  const security = own.find(({ suite }) => /(-security|\/updates)$/.test(suite));
  return { mirror: trimmed(main.uri), securityMirror: security && trimmed(security.uri) };
}

/** Beside a mirror of one's own: where its security updates are by custom. */
export function securityMirrorBeside(mirror: string, distribution: 'debian' | 'ubuntu'): string {
  return distribution === 'debian' ? mirror.replace(/\/debian$/, '/debian-security') : mirror;
}

function isArchive({ uri, suite, components, signedBy }: AptSource, distribution: string): boolean {
  if (!/^https?:\/\/[^/]+/.test(uri) || !components.includes('main') || uri.includes('@')) return false;
  if (!/^[a-z]+([-/](updates|security|backports|proposed|proposed-updates))?$/.test(suite)) return false;
  if (/^(stable|oldstable|testing|unstable)$/.test(suite) && distribution === 'ubuntu') return false;
  // A snapshot knows only the releases of its day.
  if (/^https?:\/\/snapshot\./.test(uri)) return false;
  const folder = new URL(uri).pathname.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return (
    folder.replace(/-security$/, '') === distribution ||
    (signedBy ?? '').includes(`/${distribution}-archive-`)
  );
}

function parseLine(line: string): AptSource[] {
  const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)/.exec(line);
  if (match === null) return [];
  const [, options = '', uri = '', suite = '', components = ''] = match;
  const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
  return [{ uri, suite, components: words(components), signedBy }];
}

function parseStanzas(text: string): AptSource[] {
  const uncommented = text.replace(/^#.*\n?/gm, '');
  return uncommented.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, 'im').exec(stanza)?.[1] ?? '';
    if (!words(field('Types')).includes('deb') || /^(no|false|0|off|disable)/i.test(field('Enabled')))
      return [];
    const components = words(field('Components'));
    const signedBy = words(field('Signed-By'))[0];
    return words(field('URIs')).flatMap((uri) =>
      words(field('Suites')).map((suite) => ({ uri, suite, components, signedBy })),
    );
  });
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function trimmed(uri: string): string {
  return uri.replace(/\/+$/, '');
}
