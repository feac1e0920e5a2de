/** A package as dpkg's database has it. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Source package and its version when they differ, as in `Source: linux (6.12.1-1)`. */
  readonly source: string;
}

/**
 * The installed packages of /var/lib/dpkg/status (deb-control(5) paragraphs), by name.
 *
 * @throws Error when a package is not wholly installed
 */
export function parseDpkgStatus(text: string): InstalledPackage[] {
  const found = text.split('\n\n').flatMap((paragraph): InstalledPackage[] => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1];
    const name = field('Package');
    if (name === undefined) return [];
    const status = field('Status');
    const [, error, state] = status?.split(' ') ?? [];
    // Removed, with or without traces of its configuration.
    if (error === 'ok' && (state === 'config-files' || state === 'not-installed')) return [];
    if (status !== 'install ok installed' && status !== 'hold ok installed') {
      throw new Error(`the package ${name} is left in the state "${status}"`);
    }
    return [
      {
        name,
        version: field('Version') ?? '',
        architecture: field('Architecture') ?? '',
        source: field('Source') ?? name,
      },
    ];
  });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}
