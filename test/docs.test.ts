import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { settingFields } from '../agent/config/settings.ts';

/** What an operator may come across is explained in the manual: a new code, kind or setting must be added there. */

const ROOT = path.join(import.meta.dirname, '..');
const manual = readFileSync(path.join(ROOT, 'docs/cluster.md'), 'utf8');
const named = new Set([...manual.matchAll(/`([a-z]+(?:[._][a-z_-]+)*)`/g)].map(([, word]) => word));

const sources = globSync('agent/**/*.ts', { cwd: ROOT })
  .filter((file) => !/\.test\.ts$|\/testing\/|^agent\/(installer|host)\//.test(file))
  .map((file) => readFileSync(path.join(ROOT, file), 'utf8'));

const WORD = /'([a-z]+\.[a-z-]+)'/g;

/** All `'a.b'` on lines of this form. */
function wordsOn(lines: RegExp): Set<string> {
  const found = sources.flatMap((text) => [...text.matchAll(lines)].map(([line]) => line));
  return new Set(found.flatMap((line) => [...line.matchAll(WORD)].map(([, word = '']) => word)));
}

test('the manual explains every code that a condition may have', () => {
  // A condition says its state right below its code.
  const codes = wordsOn(/code: [^\n]*'[^\n]*,\n\s*state: /g);
  assert.ok(codes.size > 30, [...codes].join(' '));
  assert.deepEqual(
    [...codes].filter((code) => !named.has(code)),
    [],
  );
});

test('the manual explains every kind of event', () => {
  const kinds = new Set([
    // An event has its summary right behind its kind.
    ...wordsOn(/\bkind: [^\n]*'[^\n]*',\s*summary/g),
    ...wordsOn(/(?:\['member\.|tell\('node\.)[^\n]*/g),
  ]);
  assert.ok(kinds.size > 15, [...kinds].join(' '));
  assert.deepEqual(
    [...kinds].filter((kind) => !named.has(kind)),
    [],
  );
});

test('the manual explains every setting', () => {
  const settings = settingFields().map(({ path: words }) => words.join('.'));
  assert.deepEqual(
    settings.filter((setting) => !named.has(setting)),
    [],
  );
});
