import { type Header, pack } from 'tar-stream';

/** What tar-stream writes before the bytes of an entry, which others write. */
export async function tarHeader(header: Partial<Header> & Pick<Header, 'name'>): Promise<Buffer> {
  const archive = pack();
  // Its bytes never come, and it says so.
  archive.entry(header).on('error', () => {});
  for await (const bytes of archive as AsyncIterable<Buffer>) return bytes;
  throw new Error('an entry has no header');
}
