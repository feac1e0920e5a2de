import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { cleanRuns, fileMappings, releaseUnused } from './memory.ts';

test('a process that lets go of its program holds less memory, and goes on', async () => {
  const before = mappedKilobytes();
  const bytes = await releaseUnused();
  const after = mappedKilobytes();
  assert.ok(bytes > 16 << 20, `${bytes} bytes were let go of`);
  assert.ok(after < 0.6 * before, `${before} kB before, ${after} kB after`);
  assert.equal(JSON.parse(JSON.stringify({ still: ['here', 1.5] })).still[1], 1.5);
});

for (const [what, argument] of [
  ['optimizes what is called often until it is told to keep small', 'usual'],
  ['told to keep small compiles no code for what is called often', 'small'],
] as const) {
  test(`a process that ${what}`, () => {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--allow-natives-syntax', '--input-type=module', '--eval', HOT, argument],
      { encoding: 'utf8' },
    );
    assert.equal(stdout, `${argument === 'small'}\n`, stderr);
  });
}

const HOT = `
import { keepSmall } from '${new URL('memory.ts', import.meta.url)}';
if (process.argv[1] === 'small') keepSmall();
function sum(n) { let s = 0; for (let i = 0; i < n; i += 1) s = (s + i * i) % 1000003; return s; }
for (let round = 0; round < 100; round += 1) sum(10000);
console.log(%ActiveTierIsIgnition(sum));
`;

test('only private mappings of files that nobody writes to are looked at', () => {
  const maps = [
    '00400000-00500000 r--p 00000000 fd:00 17       /usr/bin/node-agent',
    '7f0000500000-7f0000900000 r-xp 00100000 fd:00 17       /usr/bin/node agent (deleted)',
    '00a00000-00b00000 rw-p 00600000 fd:00 17       /usr/bin/node-agent',
    '00b00000-00c00000 r--s 00000000 fd:00 18       /usr/share/locale',
    '00c00000-00d00000 r--p 00000000 00:00 0 ',
    '7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0       [vdso]',
    'ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 19       /vsyscall',
    '',
  ].join('\n');
  assert.deepEqual(fileMappings(maps), [
    { start: 0x400000, length: 0x100000 },
    { start: 0x7f0000500000, length: 0x400000 },
  ]);
});

test('pages that were changed are kept, in memory or swapped out', () => {
  const [absent, clean, changed, swapped] = [0x00, 0xa1, 0x81, 0x40];
  const runs = (...pages: number[]) =>
    cleanRuns(Uint8Array.from(pages.flatMap((flags) => [1, 2, 3, 4, 5, 6, 7, flags])));
  assert.deepEqual(runs(clean, absent, clean), [{ first: 0, pages: 3, present: 2 }]);
  assert.deepEqual(runs(absent, clean, changed, clean, clean), [
    { first: 0, pages: 2, present: 1 },
    { first: 3, pages: 2, present: 2 },
  ]);
  assert.deepEqual(runs(swapped, clean, swapped), [{ first: 1, pages: 1, present: 1 }]);
  assert.deepEqual(runs(changed, absent, changed), []);
  assert.deepEqual(runs(), []);
});

function mappedKilobytes(): number {
  return Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}
