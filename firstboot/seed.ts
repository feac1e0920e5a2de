import { createHash } from 'node:crypto';
import { render } from './templates.ts';

/** What a seed is made of. Checked by {@link import('./checks.ts').checkSeed} before it is rendered. */
export interface SeedInput {
  readonly clusterName: string;
  /** Undefined: every machine names itself, and one seed serves many. */
  readonly hostname?: string | undefined;
  /** The administrator's account. */
  readonly user: string;
  /** Lines of public SSH keys. */
  readonly authorizedKeys: readonly string[];
  readonly timezone: string;
  /** `dhcp` on every wired interface, or a network-config of version 2 as it is. */
  readonly network: 'dhcp' | Readonly<Record<string, unknown>>;
  /** Base64 of 32 bytes. Undefined: a machine waits for a key that comes another way. */
  readonly clusterKey?: string | undefined;
  /** An enrolment token, for machines that are not to hold the key before a member lets them in. */
  readonly joinToken?: string | undefined;
  /** Machines of which most must have met before the cluster begins. */
  readonly expect?: number | undefined;
  /** Machines to ask besides those on the LAN. */
  readonly join: readonly string[];
}

/** A file of the volume. Everything is for its owner only: the volume carries a key. */
export interface SeedFile {
  /** Relative, at most one folder deep. */
  readonly path: string;
  readonly text: string;
}

/** The label by which machines know the volume (NoCloud's, and ours). */
export const SEED_LABEL = 'CIDATA';

/**
 * The files of a seed, in a fixed order; same input, same bytes.
 *
 * The instance id follows from user-data and network-config only: where the image takes a changed seed
 * (`seed.user_data: always`), cloud-init applies them again. A new key or new node settings are the agent's business, which reads them at every boot.
 */
export function seedFiles(input: SeedInput): SeedFile[] {
  const userData = render('user-data.hbs', {
    hostname: input.hostname,
    timezone: input.timezone,
    user: input.user,
    authorizedKeys: input.authorizedKeys,
  });
  const network = input.network === 'dhcp' ? undefined : input.network;
  const networkConfig = render('network-config.hbs', { network });
  const instanceId = `clusteros-${digest(`${userData}\0${networkConfig}`).slice(0, 16)}`;
  const { clusterName, expect, join, hostname, clusterKey, joinToken } = input;
  return [
    { path: 'README.txt', text: windowsLines(render('README.txt.hbs', { clusterName })) },
    ...(clusterKey === undefined ? [] : [{ path: 'clusteros/cluster.key', text: `${clusterKey}\n` }]),
    ...(joinToken === undefined ? [] : [{ path: 'clusteros/cluster.token', text: `${joinToken}\n` }]),
    { path: 'clusteros/node.yaml', text: render('node.yaml.hbs', { clusterName, expect, join }) },
    { path: 'meta-data', text: render('meta-data.hbs', { instanceId, hostname }) },
    { path: 'network-config', text: networkConfig },
    { path: 'user-data', text: userData },
  ];
}

/** A number of 32 bits for the serial number of a FAT volume: the same for the same files. */
export function volumeId(files: readonly SeedFile[]): string {
  return digest(files.map(({ path, text }) => `${path}\0${text}\0`).join('')).slice(0, 8);
}

/** The stick may be opened on Windows, where old editors know no other line ends. */
export function windowsLines(text: string): string {
  return text.replaceAll('\n', '\r\n');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
