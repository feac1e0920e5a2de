/** The target usb: a live installer as `.img.zst`, and its block map beside it. */
import { bothOrNeither } from '../../both-or-neither.ts';
import { writeBmap } from '../../flash/bmap.ts';
import { files } from '../../host.ts';
import { mapImage } from '../live/image-map.ts';
import { share } from '../live/share.ts';
import { liveSquashfs } from '../live/squashfs.ts';
import type { AssembleOptions } from '../targets.ts';
import { stickImage, stickVolumes } from './stick.ts';
import { zstdFile } from './zstd-file.ts';

/** Most of it is compressed already: the least effort takes what there is to take. */
const LEVEL = 1;

/** As bmaptool and `flash` look for it. */
export function bmapOf(file: string): string {
  return file.replace(/\.zst$/, '.bmap');
}

export async function assembleUsb(file: string, options: AssembleOptions): Promise<void> {
  const onProgress = share(options, 0.6, 1);
  const [live, volumes] = await bothOrNeither(
    options.signal,
    (signal) => liveSquashfs({ ...options, signal, onProgress: share(options, 0, 0.6) }),
    (signal) => stickVolumes({ ...options, signal }),
  );
  const squashfs = await files.openFile(live, 'r');
  try {
    const { size } = await squashfs.stat();
    const { image, zeros } = await stickImage(options, volumes, { handle: squashfs, size });
    const out = zstdFile(await files.openFile(file, 'wx'), file, LEVEL);
    try {
      let at = 0;
      const map = await mapImage(image, zeros, async ({ offset, bytes }) => {
        options.signal.throwIfAborted();
        const before = out.zeros(offset - at);
        at = offset + bytes.length;
        await Promise.all([before, out.write(bytes)]);
        onProgress(at, image.size);
      });
      await out.zeros(image.size - at);
      await out.end();
      await files.writeAtomic(bmapOf(file), writeBmap(map));
    } finally {
      await out.close();
    }
  } finally {
    await squashfs.close();
  }
}
