import type { TlsFiles } from '../../engine/resources.ts';
import { files } from '../../host.ts';
import type { TlsMaterial } from './types.ts';

const PEM_BYTES = 256 * 1024;

/**
 * For {@link EtcdClientOptions.tls}: reads the files again only when one of them was replaced.
 *
 * @param now asked before each call; undefined while there are no files
 */
export function tlsFromFiles(now: () => TlsFiles | undefined): () => Promise<TlsMaterial | undefined> {
  let mark = '';
  let material: TlsMaterial | undefined;
  return async () => {
    const names = now();
    if (names === undefined) return undefined;
    const list = [names.ca, names.certificate, names.key];
    const marks = await Promise.all(list.map(async (file) => `${file} ${(await files.look(file))?.mark}`));
    if (marks.join() === mark) return material;
    const [ca, certificate, key] = await Promise.all(
      list.map(async (file) => (await files.readLimited(file, PEM_BYTES))?.bytes.toString('latin1')),
    );
    const whole = ca !== undefined && certificate !== undefined && key !== undefined;
    material = whole ? { ca, certificate, key } : undefined;
    mark = whole ? marks.join() : '';
    return material;
  };
}
