/** What several benches share: figures in words. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? upper) + upper) / 2 : upper;
}

export const seconds = (ms: number): string => (ms / 1000).toFixed(2);

export const verdict = (holds: boolean): string => (holds ? 'met' : 'MISSED');

/** Rows of a table in Markdown, the first of them its head. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rest.map(line), ''].join('\n');
}
