/**
 * Where a text is nested more deeply than allowed, or -1. The parser descends once for each level, by brackets, by
 * dashes on a line, or by indentation; a hostile file must not overflow its stack.
 */
export function tooDeepAt(text: string, deepest: number): number {
  let brackets = 0;
  let dashes = 0;
  const indents: number[] = [];
  let column = 0;
  let leading = true;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index] ?? '';
    if (char === '\n') {
      column = 0;
      dashes = 0;
      leading = true;
      continue;
    }
    if (leading && char !== ' ') {
      leading = false;
      while ((indents.at(-1) ?? -1) >= column) indents.pop();
      indents.push(column);
    }
    if (char === '[' || char === '{') brackets += 1;
    if (char === ']' || char === '}') brackets = Math.max(0, brackets - 1);
    if ((char === '-' || char === '?' || char === ':') && /[ \t\n]/.test(text[index + 1] ?? '\n'))
      dashes += 1;
    if (brackets > deepest || dashes > deepest || indents.length > deepest) return index;
    column += 1;
  }
  return -1;
}
