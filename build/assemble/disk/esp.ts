/** The EFI system partition: shim, the signed GRUB, and a few lines that lead it to the root file system. */
import * as path from 'node:path';
import { files, run } from '../../host.ts';

export interface EspFile {
  /** Path on the partition, such as `EFI/BOOT/BOOTX64.EFI`. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * A FAT32 file system with these files, the same bytes for the same input.
 *
 * @param options.size bytes; @param options.volume 8 hexadecimal digits; @param options.epoch seconds since 1970
 * @returns the raw image
 */
export async function makeEsp(
  contents: readonly EspFile[],
  options: {
    size: number;
    volume: string;
    epoch: number;
    workFolder: string;
    signal?: AbortSignal | undefined;
  },
): Promise<Buffer> {
  const image = path.join(options.workFolder, 'esp.raw');
  const source = path.join(options.workFolder, 'esp-file');
  const env = { SOURCE_DATE_EPOCH: String(options.epoch), MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null' };
  const { signal } = options;
  try {
    await run(
      [
        'mkfs.vfat',
        '-C',
        ...['-F', '32'],
        ...['-n', 'ESP'],
        // Sets a volume id too, so ours comes behind it.
        '--invariant',
        ...['-i', options.volume],
        image,
        String(options.size / 1024),
      ],
      { env, signal },
    );
    const folders = new Set(contents.flatMap(({ path: file }) => parentsOf(file)));
    await run(['mmd', '-i', image, ...[...folders].map((folder) => `::/${folder}`)], { env, signal });
    for (const { path: file, bytes } of contents) {
      await files.writeAtomic(source, bytes);
      await files.setTime(source, options.epoch);
      await run(['mcopy', '-m', '-i', image, source, `::/${file}`], { env, signal });
    }
    return await files.readBytes(image);
  } finally {
    await files.remove(image);
    await files.remove(source);
  }
}

/** `EFI` and `EFI/BOOT` for `EFI/BOOT/x`, outermost first. */
function parentsOf(file: string): string[] {
  const parts = file.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
