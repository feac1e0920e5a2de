import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { howMany } from '../../test/depth.ts';
import { checkDefinition } from './load.ts';
import { definitionTemplate } from './template.ts';

const EXAMPLES = path.join(import.meta.dirname, '..', '..', 'examples');
const ROUNDS = howMany(10_000, 100_000, '100,000 fuzz rounds of definitions', 1);
/** Comments and the long template cost most of the time of a round, and are damaged in fewer of them. */
const TEMPLATE_EVERY = 50;
const SCRAPS = [
  '\0',
  '\n',
  '---\n',
  '&a ',
  '*a',
  '<<: ',
  '!!binary ',
  '[',
  '}',
  '"',
  "'",
  '|',
  ': ',
  '- ',
  '\t',
  '__proto__: ',
  '0x',
  '~',
  '%',
  '\u2028',
  '\ufeff',
  '9'.repeat(400),
  '[[[[',
  'null',
];

/** Numbers that look like chance and are the same in every run. */
function dice(seed: string): (sides: number) => number {
  let count = 0;
  return (sides) => {
    count += 1;
    return createHash('sha256').update(`${seed} ${count}`).digest().readUInt32LE(0) % sides;
  };
}

function mutate(bytes: Buffer, roll: (sides: number) => number): Buffer {
  let result = bytes;
  for (let change = 0; change <= roll(4); change += 1) {
    const at = roll(result.length + 1);
    const until = Math.min(result.length, at + roll(40));
    const kinds = [
      () => [result.subarray(0, at), result.subarray(until)],
      () => [result.subarray(0, at), Buffer.from([roll(256)]), result.subarray(at + 1)],
      () => [result.subarray(0, at), Buffer.from(SCRAPS[roll(SCRAPS.length)] ?? ''), result.subarray(at)],
      () => [result.subarray(0, until), result.subarray(at)],
      () => [result.subarray(0, at)],
    ];
    result = Buffer.concat(kinds[roll(kinds.length)]?.() ?? [result]);
  }
  return result;
}

test(`${ROUNDS} damaged definitions are each a definition or a list of mistakes with places, and nothing else`, () => {
  const roll = dice('definition');
  const starts = ['minimal.yaml', 'workshop.yaml', 'frozen.yaml'].map((name) =>
    Buffer.from(readFileSync(path.join(EXAMPLES, name), 'utf8').replace(/^\s*#.*\n/gm, '')),
  );
  const template = Buffer.from(
    definitionTemplate('lab', 'x.json').replace(/^# ( *(?:# |[a-z_]+:|-))/gm, '$1'),
  );
  let refused = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = round % TEMPLATE_EVERY === 0 ? template : starts[roll(starts.length)];
    const bytes = mutate(start ?? template, roll);
    const result = checkDefinition(bytes);
    if ('settings' in result) continue;
    refused += 1;
    assert.ok(result.mistakes.length > 0);
    for (const { place, text } of result.mistakes) {
      assert.ok(place.line >= 1 && place.column >= 1 && text.length > 0, `round ${round}`);
    }
  }
  // A loader that accepts everything, or nothing, would pass the loop above.
  assert.ok(refused > ROUNDS / 4 && refused < ROUNDS);
});
