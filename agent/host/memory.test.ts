import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { releasable, releaseProgramPages } from './memory.ts';

test('a process that lets go of its program holds less memory, and goes on', async () => {
  const before = mappedKilobytes();
  const bytes = await releaseProgramPages();
  const after = mappedKilobytes();
  assert.ok(bytes > 8 << 20, `${bytes} bytes were let go of`);
  assert.ok(after < 0.8 * before, `${before} kB before, ${after} kB after`);
  assert.equal(JSON.parse(JSON.stringify({ still: ['here', 1.5] })).still[1], 1.5);
});

test('only what is as the file has it is let go of', () => {
  const entry = (head: string, anonymous = 0, resident = 64) =>
    `${head}\nSize:               1024 kB\nRss:                  ${resident} kB\nAnonymous:             ${anonymous} kB\n`;
  const smaps = [
    entry('00400000-00500000 r--p 00000000 fd:00 17 /usr/bin/node-agent'),
    entry('00500000-00900000 r-xp 00100000 fd:00 17 /usr/bin/node agent (deleted)'),
    entry('00900000-00a00000 r--p 00500000 fd:00 17 /usr/bin/node-agent', 8),
    entry('00a00000-00b00000 rw-p 00600000 fd:00 17 /usr/bin/node-agent'),
    entry('00b00000-00c00000 r--s 00000000 fd:00 18 /usr/share/locale'),
    entry('00c00000-00d00000 r--p 00000000 00:00 0 '),
    entry('00d00000-00e00000 r-xp 00000000 00:00 0 [vdso]'),
    entry('00e00000-00f00000 r--p 00000000 fd:00 19 /usr/lib/libc.so.6', 0, 0),
    '00f00000-01000000 r--p 00000000 fd:00 19 /usr/lib/of-a-kernel-that-tells-nothing\n',
  ].join('');
  assert.deepEqual(releasable(smaps), [
    { start: 0x400000n, length: 0x100000n, resident: 65_536 },
    { start: 0x500000n, length: 0x400000n, resident: 65_536 },
  ]);
});

function mappedKilobytes(): number {
  return Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}
