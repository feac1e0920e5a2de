/**
 * A value as YAML on one line, the same for YAML 1.1 (PyYAML, which cloud-init has) and 1.2.
 *
 * It is JSON, of which YAML is a superset but for details, and ASCII only: YAML 1.1 takes U+0085, U+2028 and
 * U+2029 for line ends, refuses some control characters, and knows no surrogate pairs.
 */
export function yamlValue(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(/[^\x20-\x7e]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
