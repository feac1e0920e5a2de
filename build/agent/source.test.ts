import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundleSource, withoutEnumeration } from './source.ts';

test("the agent takes Node's own modules without reading every name that they export", () => {
  const text = Buffer.from(bundleSource('0.0.0')).toString('latin1');
  assert.doesNotMatch(text, /\bimport\b[^("'`;]{0,2000}from"node:/);
  assert.match(text, /const\{[\w$,:]*\bcreateHash\b[\w$,:]*\}=process\.getBuiltinModule\("node:crypto"\);/);
});

test('an import of a builtin module keeps its names, and other imports stay', () => {
  const text =
    'import{createHash,sign as sign2}from"node:crypto";import*as path from"node:path";import{x}from"./x.js";';
  assert.equal(
    withoutEnumeration(text),
    'const{createHash,sign:sign2}=process.getBuiltinModule("node:crypto");' +
      'const path=process.getBuiltinModule("node:path");import{x}from"./x.js";',
  );
});
