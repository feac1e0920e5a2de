import type { TlsFiles } from '../../engine/resources.ts';
import { files } from '../../host.ts';
import type { TlsMaterial } from './types.ts';

const PEM_BYTES = 256 * 1024;

/**
 * For {@link EtcdClientOptions.tls}: reads the files when they are others, or were written. A client asks several times
 * a second, for as long as the node runs: looking at files each time was half of what an idle agent did.
 *
 * @param now asked before each call; undefined while there are no files
 */
export function tlsFromFiles(now: () => TlsFiles | undefined): () => Promise<TlsMaterial | undefined> {
  let read: { readonly names: TlsFiles; readonly material: TlsMaterial } | undefined;
  return async () => {
    const names = now();
    if (names === undefined) return undefined;
    if (read !== undefined && isSame(read.names, names)) return read.material;
    const [ca, certificate, key] = await Promise.all(
      [names.ca, names.certificate, names.key].map(async (file) =>
        (await files.readLimited(file, PEM_BYTES))?.bytes.toString('latin1'),
      ),
    );
    if (ca === undefined || certificate === undefined || key === undefined) return undefined;
    read = { names, material: { ca, certificate, key } };
    return read.material;
  };
}

function isSame(a: TlsFiles, b: TlsFiles): boolean {
  return a.generation === b.generation && a.ca === b.ca && a.certificate === b.certificate && a.key === b.key;
}
