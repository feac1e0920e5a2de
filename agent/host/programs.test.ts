import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../errors.ts';
import { isMissing, run, runOk } from './programs.ts';

const code = (expected: string) => (error: unknown) => error instanceof AgentError && error.code === expected;

test('a program gets its input, and its two outputs and exit code come back', async () => {
  assert.deepEqual(await run(['sh', '-c', 'cat; echo oops >&2; exit 3'], { input: 'hello' }), {
    code: 3,
    stdout: 'hello',
    stderr: 'oops\n',
  });
});

test('a program that ends without reading a large input is no error', async () => {
  assert.equal((await run(['true'], { input: Buffer.alloc(1024 * 1024) })).code, 0);
});

test('a program gets no environment of ours', async () => {
  process.env.CLUSTEROS_TEST_SECRET = 'x';
  const { stdout } = await run(['env'], { environment: { OWN: '1' } });
  assert.match(stdout, /^OWN=1$/m);
  assert.doesNotMatch(stdout, /CLUSTEROS_TEST_SECRET/);
});

test('a program that does not end is killed after its time, with what it held open', async () => {
  const started = performance.now();
  await assert.rejects(run(['sh', '-c', 'sleep 60 & sleep 60'], { timeoutMs: 100 }), code('program.timeout'));
  assert.ok(performance.now() - started < 10_000);
});

test('a program that writes without end is killed', async () => {
  await assert.rejects(run(['yes'], { outputBytes: 10_000 }), code('program.output'));
});

test('an aborted signal kills the program, and its reason is what is thrown', async () => {
  const stop = new AbortController();
  const running = run(['sleep', '60'], { signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
});

test('a missing program is told from one that failed, and a failure shows what it said', async () => {
  await assert.rejects(run(['no-such-program-here']), (error) => isMissing(error));
  await assert.rejects(run(['/proc/version']), (error) => isMissing(error));
  await assert.rejects(
    runOk(['sh', '-c', 'echo why >&2; exit 4']),
    (error) => code('program.failed')(error) && (error as AgentError).evidence === 'why',
  );
  assert.equal(await runOk(['echo', 'fine']), 'fine\n');
});
