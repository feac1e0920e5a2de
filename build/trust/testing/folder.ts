/** A folder of one small artifact, as a build leaves it. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { files } from '../../host.ts';
import type { ManifestView } from '../manifest-view.ts';

export const ARTIFACT = 'lab-debian-13-amd64.qcow2';
const BYTES = Buffer.from('an image, in a manner of speaking\n');

export const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');

export function manifestOf(changes: Partial<ManifestView> = {}): ManifestView {
  return {
    format: 1,
    key: 'a key',
    tool: { name: 'clusteros-build', version: '0.1.0', node: '26.12.1' },
    name: 'lab',
    target: 'qcow2',
    architecture: 'amd64',
    base: { name: 'debian-13', suites: [{ suite: 'trixie', sha256: sha256('InRelease') }] },
    epoch: 1_767_225_600,
    agent: { version: '0.1.0', sha256: sha256('agent') },
    files: [{ path: '/etc/own', mode: '0644', sha256: sha256('own') }],
    packages: [
      { name: 'dbus', version: '1.16.2-2', architecture: 'amd64', source: 'dbus' },
      { name: 'libstdc++6', version: '14.2.0-19', architecture: 'amd64', source: 'gcc-14' },
      { name: 'zlib1g', version: '1:1.3.dfsg+really1.3.1-1+b1', architecture: 'amd64', source: 'zlib' },
    ],
    artifacts: [{ file: ARTIFACT, bytes: BYTES.length, sha256: sha256(BYTES) }],
    ...changes,
  };
}

export const manifestTextOf = (manifest: ManifestView) => `${JSON.stringify(manifest, undefined, 2)}\n`;

/** As the build leaves it before anybody seals it: image, SHA256SUMS, manifest.json. */
export async function artifactFolder(after: (clean: () => Promise<void>) => void): Promise<string> {
  const folder = await files.makeWorkFolder(tmpdir(), 'costrust');
  after(() => files.remove(folder));
  await files.writeAtomic(path.join(folder, ARTIFACT), BYTES);
  await files.writeAtomic(path.join(folder, 'SHA256SUMS'), `${sha256(BYTES)}  ${ARTIFACT}\n`);
  await files.writeAtomic(path.join(folder, 'manifest.json'), manifestTextOf(manifestOf()));
  return folder;
}
