import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lineProgress, silentProgress, type Terminal, terminalProgress } from './progress.ts';

/** A control sequence, or a character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal speaks in them
const TOKEN = /\u001b\[\d*[A-Z]|./gsu;

/** A screen that knows what terminalProgress uses: new lines, CR, cursor up, erase below. */
function makeScreen(columns = 40) {
  let lines = [''];
  let row = 0;
  let column = 0;
  let widest = 0;
  const put = (char: string) => {
    const line = (lines[row] ?? '').padEnd(column);
    lines[row] = line.slice(0, column) + char + line.slice(column + 1);
    column += 1;
    widest = Math.max(widest, column);
  };
  const terminal: Terminal = {
    columns,
    write(text) {
      for (const [token] of text.matchAll(TOKEN)) {
        if (token === '\x1b[J') lines = [...lines.slice(0, row), (lines[row] ?? '').slice(0, column)];
        else if (token.startsWith('\x1b[')) row -= Number(token.slice(2, -1));
        else if (token === '\r') column = 0;
        else if (token === '\n') {
          row += 1;
          column = 0;
        } else put(token);
      }
    },
  };
  return {
    terminal,
    shown: () => lines.map((line) => line.trimEnd()).filter((line) => line !== ''),
    widest: () => widest,
  };
}

const progresses = () =>
  [
    ['line', lineProgress(() => {})],
    ['terminal', terminalProgress(makeScreen().terminal)],
    ['silent', silentProgress],
  ] as const;

for (const [name, progress] of progresses()) {
  test(`${name}: the value of the work comes through`, async () => {
    assert.equal(await progress.step('s', async () => 'value'), 'value');
    assert.equal(await progress.step('s', async () => undefined), undefined);
  });

  test(`${name}: an error of the work comes through as it is`, async () => {
    const error = new Error('no more', { cause: 'why' });
    const failing = progress.step('s', async () => {
      throw error;
    });
    await assert.rejects(failing, (seen) => seen === error);
  });
}

test('lines say the beginning, the end, and what is reported not too often', async () => {
  const lines: string[] = [];
  const progress = lineProgress((line) => lines.push(line), 40);
  await progress.step('packages', async (report) => {
    report('too early');
    await delay(50);
    report('unpacking a');
    report('unpacking b');
  });
  assert.deepEqual(lines.slice(0, 2), ['packages ...', 'packages: unpacking a']);
  assert.match(lines[2] ?? '', /^packages: done in 0\.\d s$/);
  assert.equal(lines.length, 3);
});

test('a terminal shows each running step on its own line, and what it is at', async () => {
  const { terminal, shown } = makeScreen();
  const progress = terminalProgress(terminal);
  const one = Promise.withResolvers<void>();
  const both = Promise.all([
    progress.step('packages', (report) => {
      report('unpacking a');
      return one.promise;
    }),
    progress.step('agent', async (report) => {
      report('bundling');
      await delay(150);
      assert.deepEqual(
        shown().map((line) => line.slice(2)),
        ['packages: unpacking a', 'agent: bundling'],
      );
    }),
  ]);
  await delay(300);
  assert.match(shown().join('\n'), /^✔ agent \(0\.\d s\)\n. packages: unpacking a$/u);
  one.resolve();
  await both;
  assert.match(shown().join('\n'), /^✔ agent \(0\.\d s\)\n✔ packages \(0\.\d s\)$/u);
});

test('what others write to the terminal meanwhile stays on it', async () => {
  const { terminal, shown } = makeScreen();
  await terminalProgress(terminal).step('image', async (report) => {
    report('half');
    terminal.write('warning\n');
    await delay(120);
  });
  terminal.write('the answer\n');
  assert.deepEqual(
    shown().map((line) => line.replace(/ \(.*/, '')),
    ['warning', '✔ image', 'the answer'],
  );
});

test('a step that fails is marked, and the steps beside it go on', async () => {
  const { terminal, shown } = makeScreen();
  const progress = terminalProgress(terminal);
  const failing = progress.step('bad', () => Promise.reject(new Error('no')));
  const good = progress.step('good', () => delay(20));
  await assert.rejects(failing, /no/);
  await good;
  assert.match(shown().join('\n'), /^✖ bad .*\n✔ good .*$/u);
});

test('long and wild details neither wrap nor move the cursor', async () => {
  const { terminal, shown, widest } = makeScreen(30);
  await terminalProgress(terminal).step('image', async (report) => {
    report(`\x1b[2J\r\n\t${'long '.repeat(20)}`);
    await delay(150);
    assert.equal(shown().length, 1);
    assert.match(shown()[0] ?? '', /^. image: {2}\[2J long/u);
  });
  assert.ok(widest() < 30, `${widest()}`);
});
