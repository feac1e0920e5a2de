/**
 * The target docker: one layer, its configuration and tags, in the form that `docker load` (and podman, skopeo) reads.
 * One pass over the tree; the header that stands before the layer is written when its size is known.
 */
import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import manifest from '../../../package.json' with { type: 'json' };
import { files } from '../../host.ts';
import type { AssembleOptions } from '../targets.ts';
import { tarHeader } from '../tree/tar-header.ts';
import { writeAt } from '../write-at.ts';
import { configText, tagsOf } from './image-config.ts';
import { contentSize, layerEntries, writeLayer } from './layer-tar.ts';

/** Bytes written at a time. */
const CHUNK = 4 * 1024 * 1024;
/** The layer's own header, of a short name. */
const HEADER = 512;

export async function assembleDocker(
  file: string,
  { plan, root, epoch, signal, onProgress }: AssembleOptions,
): Promise<void> {
  const { version } = manifest;
  const entries = layerEntries(root.tree);
  const total = contentSize(entries);
  const digest = createHash('sha256');
  const whole = { mode: 0o644, mtime: new Date(epoch * 1000) };
  await files.withNewFile(file, 'wx', async (handle) => {
    const size = await gather(writeLayer(entries, signal), handle, HEADER, (bytes, done) => {
      digest.update(bytes);
      onProgress?.(Math.min(done, total), total);
    });
    await writeAt(handle, await tarHeader({ ...whole, name: 'layer.tar', size }), 0);
    const rest = pack();
    const config = configText({ plan, layer: digest.digest('hex'), epoch, version });
    const name = `${createHash('sha256').update(config).digest('hex')}.json`;
    rest.entry({ ...whole, name }, config);
    const index = [{ Config: name, RepoTags: tagsOf(plan, version), Layers: ['layer.tar'] }];
    rest.entry({ ...whole, name: 'manifest.json' }, JSON.stringify(index));
    rest.finalize();
    await gather(rest as AsyncIterable<Buffer>, handle, HEADER + size, () => {});
    await handle.sync();
  });
}

/**
 * Many small chunks as few large writes, the next of which is filled while the last is still under way.
 *
 * @param onBytes gets all bytes in order, and how many they are so far
 * @returns how many they are
 */
async function gather(
  chunks: AsyncIterable<Buffer>,
  handle: files.FileHandle,
  position: number,
  onBytes: (bytes: Buffer, done: number) => void,
): Promise<number> {
  const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)] as const;
  let [filling, resting] = buffers;
  let filled = 0;
  let done = 0;
  let writing = Promise.resolve();
  const flush = async () => {
    const bytes = filling.subarray(0, filled);
    onBytes(bytes, done + filled);
    await writing;
    writing = writeAt(handle, bytes, position + done);
    // It is thrown where it is awaited.
    writing.catch(() => {});
    done += filled;
    filled = 0;
    [filling, resting] = [resting, filling];
  };
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length; ) {
      const count = chunk.copy(filling, filled, taken);
      taken += count;
      filled += count;
      if (filled === CHUNK) await flush();
    }
  }
  await flush();
  await writing;
  return done;
}
