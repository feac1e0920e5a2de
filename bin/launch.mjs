import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { pinnedNode } from './npm-packages.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * Become the pinned Node: by execve(2) where this Node has it, so that signals, the terminal and the exit code
 * need no help. Else as its parent, which passes signals on; a Ctrl-C at a terminal then arrives twice, which
 * the program takes for the one that it was (see build/cli/interrupt.ts).
 *
 * @param {readonly string[]} args
 * @param {Readonly<Record<string, string>>} [env] added to ours
 * @throws {SetupError} when it does not start: a library is missing on a small system
 */
export function becomePinnedNode(args, env = {}) {
  const node = pinnedNode();
  checkStarts(node);
  const environment = /** @type {Record<string, string>} */ ({ ...process.env, ...env });
  const quiet = ['--disable-warning=ExperimentalWarning', ...args];
  if (typeof process.execve === 'function') {
    process.removeAllListeners('warning');
    process.execve(node, [node, ...quiet], environment);
  }
  const child = spawn(node, quiet, { stdio: 'inherit', env: environment });
  const passOn = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, passOn);
  child.on('error', (error) => {
    process.stderr.write(`clusteros: cannot start ${node}: ${error.message}\n`);
    process.exitCode = 3;
  });
  child.on('exit', (code, signal) => {
    for (const name of FORWARDED) process.off(name, passOn);
    if (code !== null) process.exitCode = code;
    else if (signal !== null) endAs(signal);
  });
}

/** @param {string} node */
function checkStarts(node) {
  const { status, stderr, error } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  if (status === 0) return;
  throw new SetupError(`the pinned Node does not start: ${(stderr || error?.message || '').trim()}`, {
    fix: 'run npm run setup, or install libatomic1 and libstdc++6',
  });
}

/** @type {readonly NodeJS.Signals[]} */
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Report the child's death by a signal as our own, as a shell does: 128 + its number.
 *
 * @param {NodeJS.Signals} signal
 */
function endAs(signal) {
  process.exitCode = 128 + (constants.signals[signal] ?? 0);
}
