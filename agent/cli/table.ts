/** Columns as wide as their widest cell, two spaces apart; the last one is not padded. Pure. */
export function table(
  head: readonly string[],
  lines: readonly (readonly (string | undefined)[])[],
): string[] {
  const all = [head, ...lines].map((line) => line.map((cell) => printable(cell ?? '-')));
  const widths = head.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** What other machines called themselves must not command the terminal. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

/** `3 s`, `5 min`, `2 h`, `4 d`: the largest unit that fits. Pure. */
export function ago(since: string | undefined, now: Date): string | undefined {
  if (since === undefined) return undefined;
  const seconds = Math.max(0, Math.round((now.getTime() - Date.parse(since)) / 1000));
  if (Number.isNaN(seconds)) return undefined;
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** Words under a label of fixed width; further lines are indented to the text. Pure. */
export function wrapped(label: string, text: string, width: number): string[] {
  const lines: string[] = [];
  let line = label;
  let empty = true;
  for (const word of printable(text.replace(/\s+/g, ' ')).split(' ')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' '.repeat(label.length);
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}
