/**
 * The locked npm packages of this clone. Plain JavaScript with built-ins only: it runs before they exist,
 * under whatever Node (20 or later) the operator has.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkNodeBinaries } from './node-binary.mjs';
import { SetupError } from './setup-error.mjs';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const OLDEST_NODE = 20;
const LOCK_WAIT_MS = 10 * 60_000;

/** The pinned Node that runs the TypeScript. It comes with the npm packages. */
export function pinnedNode() {
  return path.join(ROOT, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
}

/**
 * `npm ci`, when the lock file is not the one of the last set-up. Two at once: the second waits.
 *
 * @returns {Promise<boolean>} whether something was installed
 * @throws {SetupError} Node too old, no npm, no network, a failed installation
 */
export async function ensureNpmPackages() {
  checkNode(process.versions.node, process.platform, process.arch);
  if (upToDate()) return false;
  const unlock = await takeLock(path.join(ROOT, '.cache', 'setup.lock'));
  try {
    if (upToDate()) return false;
    process.stderr.write('clusteros: installing the locked npm packages into node_modules (npm ci)\n');
    npmCi();
    checkNodeBinaries(path.join(ROOT, 'node_modules'));
    fs.writeFileSync(stampFile(), lockHash());
    return true;
  } finally {
    unlock();
  }
}

/**
 * @param {string} version such as 20.1.0
 * @param {string} platform
 * @param {string} arch
 */
export function checkNode(version, platform, arch) {
  if (Number.parseInt(version, 10) < OLDEST_NODE) {
    throw new SetupError(`Node ${version} is too old: ${OLDEST_NODE} or later is needed to start`, {
      fix: 'install a newer Node (nodejs.org), or put one on PATH, and run the command again',
    });
  }
  if (platform !== 'linux' || !['x64', 'arm64'].includes(arch)) {
    throw new SetupError(`images are built on Linux on x64 or arm64, and this is ${platform} on ${arch}`, {
      fix: 'use a Debian or Ubuntu machine, real or virtual',
    });
  }
}

/**
 * Whether what is installed (npm's own record of node_modules) is what the lock file asks for. Packages for
 * other processors are optional, and may be absent.
 *
 * @param {unknown} locked the parsed package-lock.json
 * @param {unknown} installed the parsed node_modules/.package-lock.json
 */
export function sameTree(locked, installed) {
  const wanted = packagesOf(locked);
  const present = packagesOf(installed);
  const agrees = (/** @type {string} */ name) =>
    wanted[name]?.version === present[name]?.version && wanted[name]?.integrity === present[name]?.integrity;
  const complete = Object.keys(wanted).every(
    (name) => name === '' || name in present || wanted[name]?.optional,
  );
  return complete && Object.keys(present).every(agrees);
}

/**
 * @param {unknown} lock
 * @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }>}
 */
function packagesOf(lock) {
  return /** @type {any} */ (lock)?.packages ?? {};
}

function upToDate() {
  if (!fs.existsSync(pinnedNode())) return false;
  const hash = lockHash();
  if (readOr(stampFile(), '') === hash) return true;
  // A developer's `npm install` has brought the tree up to date without us.
  const installed = readOr(path.join(ROOT, 'node_modules', '.package-lock.json'), '{}');
  const locked = readOr(path.join(ROOT, 'package-lock.json'), '{}');
  if (!sameTree(JSON.parse(locked), JSON.parse(installed))) return false;
  checkNodeBinaries(path.join(ROOT, 'node_modules'));
  try {
    fs.writeFileSync(stampFile(), hash);
  } catch {
    // Somebody else's clone: nothing is wrong with it, the comparison is made again next time.
  }
  return true;
}

function lockHash() {
  const file = path.join(ROOT, 'package-lock.json');
  if (!fs.existsSync(file)) throw new SetupError(`${file} is missing`, { fix: 'clone the project again' });
  return createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

function stampFile() {
  return path.join(ROOT, 'node_modules', '.clusteros-setup');
}

function npmCi() {
  const own = process.env.npm_execpath ?? '';
  const npm = path.basename(own) === 'npm-cli.js' && fs.existsSync(own) ? [process.execPath, own] : ['npm'];
  // No package needs its install scripts; not to run them is one way less into the operator's machine.
  const flags = ['--include=dev', '--include=optional', '--ignore-scripts', '--no-audit', '--no-fund'];
  const patience = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];
  const [program = 'npm', ...before] = npm;
  const result = spawnSync(program, [...before, 'ci', ...flags, ...patience], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (result.error) throw npmMissing(result.error);
  if (result.signal) throw new SetupError('npm ci was stopped', { exitCode: 130 });
  if (result.status !== 0) throw npmFailed(`${result.stdout}\n${result.stderr}`);
}

/** @param {Error} error */
function npmMissing(error) {
  return new SetupError('npm cannot be started', {
    evidence: error.message,
    fix: 'install npm: sudo apt-get install npm (or the npm that comes with Node from nodejs.org)',
  });
}

/** @param {string} output */
export function npmFailed(output) {
  // npm says the reason first, and ends with advice.
  const lines = output.split('\n').filter((line) => /^npm (error|ERR!) \S/.test(line));
  const evidence = lines.slice(0, 15).join('\n') || output.trim();
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT/.test(output)) {
    return new SetupError('the npm registry cannot be reached', {
      evidence,
      fix: 'connect this machine to the network (npm config get registry, proxy), and run the command again',
      exitCode: 4,
    });
  }
  if (/ENOSPC|EDQUOT/.test(output)) {
    return new SetupError('no space left for node_modules', { evidence, fix: 'free 500 MB', exitCode: 5 });
  }
  return new SetupError('npm ci failed', { evidence, fix: 'see the reason above', exitCode: 6 });
}

/**
 * A folder is made by one process only; it holds the owner's process id, so that a dead owner's is taken over.
 *
 * @param {string} folder
 * @returns {Promise<() => void>}
 */
async function takeLock(folder) {
  const deadline = performance.now() + LOCK_WAIT_MS;
  const ownerFile = path.join(folder, 'pid');
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  for (;;) {
    try {
      fs.mkdirSync(folder);
      fs.writeFileSync(ownerFile, String(process.pid));
      return () => fs.rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    const owner = Number(readOr(ownerFile, ''));
    if (owner > 0 && !fs.existsSync(`/proc/${owner}`)) fs.rmSync(folder, { recursive: true, force: true });
    if (performance.now() > deadline) {
      throw new SetupError(`another set-up (process ${owner}) holds ${folder}`, {
        fix: `wait for it, or remove ${folder} when no set-up is running`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * @param {string} file
 * @param {string} fallback
 */
function readOr(file, fallback) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return fallback;
  }
}
