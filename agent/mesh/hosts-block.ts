/** A node in the hosts file. */
export interface HostEntry {
  readonly name: string;
  readonly address: string;
}

const DOMAIN = 'clusteros.internal';
const BEGIN = '# BEGIN clusteros: the names of the mesh, written by node-agent';
const END = '# END clusteros';
const OURS = new RegExp(String.raw`^\d+\.\d+\.\d+\.\d+ ([a-z0-9-]+) \1\.${DOMAIN.replace('.', '\\.')}$`);

/**
 * The hosts file with our block as it shall be; everything else stays, byte by byte. Pure.
 *
 * The block comes first: Debian gives a machine's own name the address 127.0.1.1 further down, and programs of a
 * cluster that ask for their own name must not be told that one.
 *
 * @param text the file now, one character for each byte
 * @param entries none removes the block
 */
export function withBlock(text: string, entries: readonly HostEntry[]): string {
  const rest = withoutBlock(text);
  return entries.length === 0 ? rest : `${renderBlock(entries)}${rest}`;
}

/** The block alone, sorted by name. Pure. */
export function renderBlock(entries: readonly HostEntry[]): string {
  const lines = entries.map(({ name, address }) => `${address} ${name} ${name}.${DOMAIN}`);
  const sorted = [...lines].sort((a, b) => (a.slice(a.indexOf(' ')) < b.slice(b.indexOf(' ')) ? -1 : 1));
  return `${[BEGIN, ...sorted, END].join('\n')}\n`;
}

/** A block that lost its end by a power cut or an editor takes nothing with it that is not ours. */
function withoutBlock(text: string): string {
  const kept: string[] = [];
  let inside = false;
  for (const line of text.split('\n')) {
    if (line === BEGIN) inside = true;
    else if (line === END) inside = false;
    else if (!inside || !OURS.test(line)) {
      inside = false;
      kept.push(line);
    }
  }
  return kept.join('\n');
}
