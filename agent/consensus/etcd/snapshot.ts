import { createHash } from 'node:crypto';
import { fileStream } from '../../host.ts';
import { blobOf } from './answers.ts';
import type { Transport } from './transport.ts';
import { EtcdError } from './types.ts';

const HASH_BYTES = 32;
const PAGE_BYTES = 512;
const OPEN_MS = 30_000;
const IDLE_MS = 30_000;

/**
 * Stream a member's database into a file.
 *
 * @throws EtcdError `etcd.rejected` when its checksum is wrong; AgentError of the disk. Nothing is left then.
 */
export async function takeSnapshot(
  transport: Transport,
  endpoint: string,
  file: string,
  signal: AbortSignal,
): Promise<{ bytes: number }> {
  const blobs = transport.stream(
    endpoint,
    '/v3/maintenance/snapshot',
    {},
    { openMs: OPEN_MS, idleMs: IDLE_MS, leader: false, signal, parse: blobOf },
  );
  return { bytes: await fileStream.writeStreamDurable(file, verified(blobs, endpoint)) };
}

/**
 * Passes everything on and throws at the end unless the last 32 bytes are the SHA-256 of those before, which
 * are whole pages (etcdserver/api/v3rpc/maintenance.go, Snapshot).
 */
export async function* verified(
  pieces: AsyncIterable<Buffer>,
  endpoint: string,
): AsyncGenerator<Buffer, void, void> {
  const hash = createHash('sha256');
  let tail = Buffer.alloc(0);
  let size = 0;
  for await (const piece of pieces) {
    const all = Buffer.concat([tail, piece]);
    const known = Math.max(0, all.length - HASH_BYTES);
    hash.update(all.subarray(0, known));
    tail = Buffer.from(all.subarray(known));
    size += piece.length;
    yield piece;
  }
  const whole = size > HASH_BYTES && size % PAGE_BYTES === HASH_BYTES;
  if (!whole || !hash.digest().equals(tail)) {
    throw new EtcdError({
      code: 'etcd.rejected',
      message: 'the snapshot is damaged or incomplete',
      evidence: `${endpoint}: ${size} bytes`,
    });
  }
}
