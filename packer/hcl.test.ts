import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { files, run } from '../build/host.ts';
import { attributes, block, goTemplateLiteral, hclString, hclText, Quoted, Reference } from './hcl.ts';

const folder = await files.makeWorkFolder(tmpdir(), 'coshcl');
after(() => files.remove(folder));

const SCRAPS = [
  ...[
    '\x24{',
    '$\x24{',
    '$',
    '{',
    '}',
    '%{',
    '%%{',
    '%',
    '"',
    '\\',
    '\\n',
    '\n',
    '\r',
    '\t',
    '\0',
    '\u007f',
    '\u0085',
  ],
  ...[
    '\u2028',
    '\ufeff',
    '\u{1f600}',
    '\u{e0041}',
    '\u202e',
    '{{',
    '}}',
    '{{user `x`}}',
    '`',
    "'",
    '#',
    '//',
  ],
  ...[
    '/*',
    '*/',
    '<<EOF\n',
    'EOF',
    '\x24{path.root}',
    '$(reboot)',
    ';',
    '../',
    ' ',
    'ü',
    '日本',
    '\\u0041',
    '$$',
  ],
];

/** Texts that look like chance and are the same in every run. */
function hostileTexts(count: number): string[] {
  const roll = (seed: string, sides: number) =>
    createHash('sha256').update(seed).digest().readUInt32LE(0) % sides;
  return Array.from({ length: count }, (_, index) =>
    Array.from(
      { length: 1 + roll(`${index}`, 7) },
      (__, part) => SCRAPS[roll(`${index}/${part}`, SCRAPS.length)],
    )
      .join('')
      .normalize('NFC'),
  );
}

test('Packer reads 500 hostile texts back as they are', async () => {
  const texts = hostileTexts(500);
  const file = path.join(folder, 'hostile.pkr.hcl');
  const variable = block('variable', ['texts'], attributes({ default: texts }));
  await files.writeAtomic(file, hclText([variable]));
  const { stdout } = await run(['packer', 'console', file], {
    input: 'jsonencode(var.texts)\n',
    env: { CHECKPOINT_DISABLE: '1' },
  });
  assert.deepEqual(JSON.parse(stdout), texts);
  await run(['packer', 'fmt', '-check', file], { env: { CHECKPOINT_DISABLE: '1' } });
});

test('what would begin a template, end a string or a line is escaped', () => {
  assert.equal(hclString('a\x24{b}%{c}"\\\n'), '"a\\u0024{b}\\u0025{c}\\"\\\\\\n"');
  assert.equal(hclString('\u2028\u{e0041}\ud800'), '"\\u2028\\U000e0041\ufffd"');
  assert.equal(goTemplateLiteral('{{user}} {{{'), '{{`{{`}}user}} {{`{{`}}{');
});

test('only references are expressions, and nothing else can become one', () => {
  assert.equal(
    hclText(attributes({ a: new Quoted('\x24{x}', new Reference('var.y')) })),
    'a = "\\u0024{x}\x24{var.y}"\n',
  );
  for (const expression of ['', 'a b', 'a"', 'f("x")', 'a\nb', '\x24{a}', 'A'])
    assert.throws(() => new Reference(expression), expression);
});

test('a comment stays on its line', () => {
  const text = hclText([block('build', [], [], 'a\nb\r\n\u2028c = 1')]);
  assert.equal(text, '# a b c = 1\nbuild {\n}\n');
});

test('lines are laid out as packer fmt has them', async () => {
  const file = path.join(folder, 'layout.pkr.hcl');
  const inner = attributes({
    one: 1,
    longer: ['x'],
    list: ['a', 'b'],
    after: true,
    object: { k: 'v', key: [] },
  });
  await files.writeAtomic(
    file,
    hclText([block('a', ['b'], [...inner, block('c', [], inner), block('d', [], [])])]),
  );
  const { stdout } = await run(['packer', 'fmt', '-check', '-diff', file], {
    env: { CHECKPOINT_DISABLE: '1' },
  });
  assert.equal(stdout.trim(), '');
});
