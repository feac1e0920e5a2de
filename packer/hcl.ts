/**
 * Writes HCL2 as `packer fmt` would: a small typed tree in, text out. Pure.
 *
 * Source: https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md ("Template Expressions", "Quoted literals").
 */

type HclValue = string | number | boolean | Reference | Quoted | readonly HclValue[] | HclObject;
interface HclObject {
  readonly [key: string]: HclValue;
}

/** An expression as it is: `var.memory`, `list(string)`. Never made of what an operator wrote. */
export class Reference {
  readonly expression: string;
  constructor(expression: string) {
    if (!/^[a-z_][a-z0-9_.]*(\([a-z_.]*\))?$/.test(expression))
      throw new Error(`not a reference: ${expression}`);
    this.expression = expression;
  }
}

/** A string of parts: text is escaped, references are filled in by Packer. */
export class Quoted {
  readonly parts: readonly (string | Reference)[];
  constructor(...parts: readonly (string | Reference)[]) {
    this.parts = parts;
  }
}

/** What stands in a body, in order; an empty line stands between blocks and round values of several lines. */
export type HclItem =
  | { readonly kind: 'attribute'; readonly name: string; readonly value: HclValue }
  | {
      readonly kind: 'block';
      readonly type: string;
      readonly labels: readonly string[];
      readonly comment: string | undefined;
      readonly body: readonly HclItem[];
    };

export function attributes(values: HclObject): HclItem[] {
  return Object.entries(values).map(([name, value]) => ({ kind: 'attribute', name, value }));
}

export function block(
  type: string,
  labels: readonly string[],
  body: readonly HclItem[],
  comment?: string,
): HclItem {
  return { kind: 'block', type, labels, body, comment };
}

/** The text of a file. */
export function hclText(items: readonly HclItem[]): string {
  return `${bodyLines(items).join('\n')}\n`;
}

/**
 * A string literal. Whatever the text holds, HCL reads the same text back, but for two things that HCL does to
 * every string: it composes characters (Unicode NFC), and has no lone surrogates.
 */
export function hclString(text: string): string {
  return `"${escaped(text)}"`;
}

/**
 * A text for a setting that Packer takes for a Go template after HCL is done with it, such as `iso_url`.
 *
 * Source: text/template, "Actions": a raw string constant stands for itself.
 */
export function goTemplateLiteral(text: string): string {
  return text.replaceAll('{{', '{{`{{`}}');
}

const NAMED: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
};

function escaped(text: string): string {
  return (
    text
      .toWellFormed()
      .replace(/[\p{C}\p{Z}"\\]/gu, (character) =>
        character === ' ' ? ' ' : (NAMED[character] ?? byNumber(character)),
      )
      // By number, as escapes are read after templates are found: also where a reference follows.
      .replace(/[$%](?=\{|$)/g, byNumber)
  );
}

function byNumber(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

function bodyLines(items: readonly HclItem[]): string[] {
  const lines: string[] = [];
  let group: { name: string; value: string }[] = [];
  const flush = () => {
    const width = Math.max(0, ...group.map(({ name }) => name.length));
    lines.push(...group.map(({ name, value }) => `${name.padEnd(width)} = ${value}`));
    group = [];
  };
  const apart = () => {
    flush();
    if (lines.length > 0) lines.push('');
  };
  for (const item of items) {
    if (item.kind === 'block') {
      apart();
      lines.push(...blockLines(item));
      continue;
    }
    const [first = '', ...more] = valueLines(item.value);
    if (more.length === 0) {
      if (lines.at(-1) === '}' || lines.at(-1) === ']') lines.push('');
      group.push({ name: item.name, value: first });
    } else {
      apart();
      lines.push(`${item.name} = ${first}`, ...more);
    }
  }
  flush();
  return lines;
}

function blockLines({ type, labels, comment, body }: HclItem & { readonly kind: 'block' }): string[] {
  const head = [type, ...labels.map(hclString)].join(' ');
  const inner = bodyLines(body).map(indented);
  const above = comment === undefined ? [] : [`# ${comment.replace(/[\p{C}\u2028\u2029]+/gu, ' ')}`];
  return [...above, `${head} {`, ...inner, '}'];
}

/** One line, or several for lists of several items and for objects. */
function valueLines(value: HclValue): string[] {
  if (typeof value === 'string') return [hclString(value)];
  if (typeof value === 'number' || typeof value === 'boolean') return [String(value)];
  if (value instanceof Reference) return [value.expression];
  if (value instanceof Quoted) return [quotedText(value)];
  if (isList(value)) {
    const items = value.map((item) => valueLines(item));
    if (items.length < 2 && items.every((lines) => lines.length === 1))
      return [`[${items.flat().join(', ')}]`];
    return ['[', ...items.flatMap((lines) => withComma(lines).map(indented)), ']'];
  }
  return ['{', ...bodyLines(attributes(value as HclObject)).map(indented), '}'];
}

function quotedText({ parts }: Quoted): string {
  const inner = parts.map((part) => (typeof part === 'string' ? escaped(part) : `\${${part.expression}}`));
  return `"${inner.join('')}"`;
}

function isList(value: HclValue): value is readonly HclValue[] {
  return Array.isArray(value);
}

function withComma(lines: readonly string[]): string[] {
  return lines.map((line, index) => (index === lines.length - 1 ? `${line},` : line));
}

function indented(line: string): string {
  return line === '' ? '' : `  ${line}`;
}
