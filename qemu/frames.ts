/** What goes over QEMU's stream sockets: Ethernet frames, each after its length in four bytes, big end first. */

/** More than any virtio card sends with offloading: a longer frame means that the stream is out of step. */
const LONGEST_FRAME = 68 * 1024;
const LENGTH_BYTES = 4;

/** Cut a stream into frames. @throws Error when the stream cannot be one of frames */
export function createFrameCutter(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (data.length >= LENGTH_BYTES) {
      const length = data.readUInt32BE(0);
      if (length > LONGEST_FRAME) throw new Error(`a frame of ${length} bytes`);
      if (data.length < LENGTH_BYTES + length) break;
      onFrame(data.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      data = data.subarray(LENGTH_BYTES + length);
    }
    rest = data;
  };
}

export function withLength(frame: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(frame.length);
  return Buffer.concat([length, frame]);
}

/** Source and destination of an Ethernet frame (IEEE 802.3), or undefined for a runt. */
export function addressesOf(frame: Buffer): { from: string; to: string; toMany: boolean } | undefined {
  if (frame.length < 14) return undefined;
  const to = frame.toString('hex', 0, 6);
  // The lowest bit of the first byte: a group, which broadcast is too.
  return { to, from: frame.toString('hex', 6, 12), toMany: ((frame[0] ?? 0) & 1) === 1 };
}
