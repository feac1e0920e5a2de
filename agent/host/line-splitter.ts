/**
 * Cut a stream into its lines. A line longer than `maxBytes` is an error: what has no end must not fill memory.
 *
 * @throws LineTooLong
 */
export function createSplitter(maxBytes: number): { push(chunk: Buffer): string[]; rest(): string } {
  let pieces: Buffer[] = [];
  let size = 0;
  const take = (last: Buffer) => {
    const line = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    pieces = [];
    size = 0;
    return line.toString('utf8');
  };
  return {
    push: (chunk) => {
      const found: string[] = [];
      let from = 0;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
        if (size + at - from > maxBytes) throw new LineTooLong(`a line has more than ${maxBytes} bytes`);
        found.push(take(chunk.subarray(from, at)));
        from = at + 1;
      }
      if (from < chunk.length) {
        pieces.push(chunk.subarray(from));
        size += chunk.length - from;
        if (size > maxBytes) throw new LineTooLong(`a line has more than ${maxBytes} bytes`);
      }
      return found;
    },
    rest: () => take(Buffer.alloc(0)),
  };
}

export class LineTooLong extends Error {}
