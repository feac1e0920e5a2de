/**
 * The target docker: one layer, its configuration and tags, in the form that `docker load` (and podman, skopeo) reads.
 * One pass over the tree; the layer's size is computed before, for the header that stands before it.
 */
import { createHash, type Hash } from 'node:crypto';
import { type Pack, pack } from 'tar-stream';
import manifest from '../../../package.json' with { type: 'json' };
import { files } from '../../host.ts';
import type { AssembleOptions } from '../targets.ts';
import { configText, tagsOf } from './image-config.ts';
import { layerEntries, layerSize, writeLayer } from './layer-tar.ts';

/** Bytes written at a time. */
const CHUNK = 4 * 1024 * 1024;

export async function assembleDocker(file: string, options: AssembleOptions): Promise<void> {
  await files.withNewFile(file, 'wx', async (handle) => {
    const archive = pack();
    const fed = feed(archive, options).catch((error: Error) => void archive.destroy(error));
    await drain(archive, handle);
    await fed;
    await handle.sync();
  });
}

async function feed(
  archive: Pack,
  { plan, root, epoch, signal, onProgress }: AssembleOptions,
): Promise<void> {
  const { version } = manifest;
  const entries = layerEntries(root.tree);
  const size = await layerSize(entries);
  const digest = createHash('sha256');
  const mtime = new Date(epoch * 1000);
  const add = (name: string, text: string) =>
    void archive.entry({ name, mode: 0o644, mtime }, Buffer.from(text));
  await new Promise<void>((resolve, reject) => {
    const entry = archive.entry({ name: 'layer.tar', mode: 0o644, mtime, size }, (error) =>
      error ? reject(error) : resolve(),
    );
    entry.on('error', reject);
    pour(writeLayer(entries, signal), entry, digest, (done) => onProgress?.(done, size)).catch(reject);
  });
  const config = configText({ plan, layer: digest.digest('hex'), epoch, version });
  const name = `${createHash('sha256').update(config).digest('hex')}.json`;
  add(name, config);
  const index = [{ Config: name, RepoTags: tagsOf(plan, version), Layers: ['layer.tar'] }];
  add('manifest.json', JSON.stringify(index));
  archive.finalize();
}

/** All chunks into an entry, and into the digest on the way. */
async function pour(
  chunks: AsyncIterable<Buffer>,
  entry: ReturnType<Pack['entry']>,
  digest: Hash,
  onProgress: (done: number) => void,
): Promise<void> {
  let done = 0;
  for await (const bytes of gathered(chunks)) {
    digest.update(bytes);
    done += bytes.length;
    onProgress(done);
    if (!entry.write(bytes)) await new Promise<void>((resolve) => entry.once('drain', resolve));
  }
  entry.end(undefined);
}

async function drain(archive: Pack, handle: files.FileHandle): Promise<void> {
  let at = 0;
  for await (const bytes of gathered(archive as AsyncIterable<Buffer>)) {
    await handle.write(bytes, 0, bytes.length, at);
    at += bytes.length;
  }
}

/** Few large chunks in place of many small ones. */
async function* gathered(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    length += chunk.length;
    if (length < CHUNK) continue;
    yield Buffer.concat(parts, length);
    parts = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(parts, length);
}
