/** The host programs of `host-programs.json`: which are missing, and their installation by apt. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { ROOT } from './npm-packages.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * @typedef {{ name: string, program?: string, files?: string[], package: string, neededBy: string,
 *   onlyForBase?: string, onlyForTests?: boolean, version?: string[] }} HostProgram
 */

/**
 * @param {{ tests?: boolean }} [options] also those that only the tests need
 * @returns {HostProgram[]}
 */
export function hostPrograms({ tests = false } = {}) {
  /** @type {HostProgram[]} */
  const all = JSON.parse(fs.readFileSync(path.join(ROOT, 'bin', 'host-programs.json'), 'utf8'));
  return all.filter((entry) => tests || !entry.onlyForTests);
}

/**
 * Those that this machine lacks. What only another distribution's base needs is not asked for.
 *
 * @param {readonly HostProgram[]} programs
 * @param {string} family `debian` or `ubuntu`
 * @param {(entry: HostProgram) => boolean} isPresent
 */
export function missingPrograms(programs, family, isPresent) {
  return programs.filter((entry) => (entry.onlyForBase ?? family) === family && !isPresent(entry));
}

/** @param {HostProgram} entry */
export function isPresent(entry) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  const candidates = entry.files ?? folders.map((folder) => path.join(folder, entry.program ?? entry.name));
  return candidates.some((file) => fs.existsSync(file));
}

/**
 * The family of the distribution, by os-release(5).
 *
 * @param {string} osRelease
 * @returns {'debian' | 'ubuntu' | undefined}
 */
export function familyOf(osRelease) {
  const field = (/** @type {string} */ key) =>
    (new RegExp(`^${key}=(.*)$`, 'm').exec(osRelease)?.[1] ?? '').replace(/^["']|["']$/g, '').split(/\s+/);
  const words = [...field('ID'), ...field('ID_LIKE')];
  if (words.includes('ubuntu')) return 'ubuntu';
  return words.includes('debian') ? 'debian' : undefined;
}

/**
 * Install what is missing, saying first what and why. No service of a package is started: the tests want
 * programs, not an etcd on the machine of whoever runs them.
 *
 * @param {{ tests?: boolean }} [options]
 * @returns {string[]} the packages that were installed
 * @throws {SetupError} another family of systems, no rights, no network, an unknown package
 */
export function ensureHostPrograms(options = {}) {
  const osRelease = fs.existsSync('/etc/os-release') ? fs.readFileSync('/etc/os-release', 'utf8') : '';
  const family = familyOf(osRelease);
  const missing = missingPrograms(hostPrograms(options), family ?? 'debian', isPresent);
  if (missing.length === 0) return [];
  if (family === undefined) {
    throw new SetupError('this is not a Debian or Ubuntu machine, and programs are missing', {
      evidence: explain(missing),
      fix: 'install these programs in the way of your distribution, or use a Debian or Ubuntu machine',
    });
  }
  const packages = [...new Set(missing.map((entry) => entry.package))].sort();
  process.stderr.write(`clusteros: installing with apt-get: ${packages.join(' ')}\n${explain(missing)}\n`);
  aptInstall(packages, asRoot(packages));
  const still = missing.filter((entry) => !isPresent(entry));
  if (still.length === 0) return packages;
  throw new SetupError('packages were installed, and yet programs are missing', { evidence: explain(still) });
}

/** @param {readonly HostProgram[]} entries */
function explain(entries) {
  return entries.map((entry) => `  ${entry.package}: ${entry.name}, for ${entry.neededBy}`).join('\n');
}

/**
 * The words before a command that must run as root: none for root, else sudo, which may ask only at a terminal.
 *
 * @param {readonly string[]} packages
 */
function asRoot(packages) {
  if (process.getuid?.() === 0) return [];
  const byHand = `ask an administrator to run: apt-get install ${packages.join(' ')}`;
  const sudo = process.stdin.isTTY ? ['sudo'] : ['sudo', '-n'];
  const probe = spawnSync('sudo', [...sudo.slice(1), 'true'], {
    stdio: ['inherit', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (probe.error)
    throw new SetupError('installing packages needs root, and there is no sudo', { fix: byHand });
  if (probe.status !== 0) {
    throw new SetupError('installing packages needs root, and sudo did not let us', {
      evidence: probe.stderr,
      fix: byHand,
    });
  }
  return sudo;
}

/**
 * @param {readonly string[]} packages
 * @param {readonly string[]} prefix
 */
function aptInstall(packages, prefix) {
  const install = ['install', '--yes', '--no-install-recommends', ...packages];
  if (!allKnown(packages)) aptGet(['update'], prefix);
  // A stale index names versions that the mirror no longer has: one update, one more try.
  let output = tryAptGet(install, prefix);
  if (output !== undefined) {
    aptGet(['update'], prefix);
    output = tryAptGet(install, prefix);
  }
  if (output !== undefined) throw aptFailed(output, packages);
}

/** @param {readonly string[]} packages */
function allKnown(packages) {
  const { stdout } = spawnSync('apt-cache', ['policy', ...packages], {
    encoding: 'utf8',
    env: aptEnvironment(),
  });
  return (
    (stdout ?? '').split('\n').filter((line) => /^ {2}Candidate: (?!\(none\))/.test(line)).length >=
    packages.length
  );
}

/**
 * @param {readonly string[]} args
 * @param {readonly string[]} prefix
 */
function aptGet(args, prefix) {
  const output = tryAptGet(args, prefix);
  if (output !== undefined) throw aptFailed(output, []);
}

/**
 * @param {readonly string[]} args
 * @param {readonly string[]} prefix
 * @returns {string | undefined} the end of the output of a failure
 */
function tryAptGet(args, prefix) {
  const options = [
    '-o',
    'DPkg::Lock::Timeout=300',
    '-o',
    'Acquire::Retries=2',
    '-o',
    'APT::Update::Error-Mode=any',
  ];
  const argv = [
    ...prefix,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'LC_ALL=C.UTF-8',
    // systemctl(1): makes starting a unit do nothing.
    'SYSTEMD_OFFLINE=1',
    'apt-get',
    '-q',
    ...options,
    ...args,
  ];
  const [program = 'env', ...rest] = argv;
  const result = spawnSync(program, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (result.error) throw new SetupError('apt-get cannot be started', { evidence: result.error.message });
  if (result.signal) throw new SetupError('apt-get was stopped', { exitCode: 130 });
  return result.status === 0 ? undefined : `$ apt-get ${args.join(' ')}\n${result.stdout}\n${result.stderr}`;
}

/**
 * @param {string} output
 * @param {readonly string[]} packages
 */
export function aptFailed(output, packages) {
  const evidence = output.trim().split('\n').slice(-15).join('\n');
  if (
    /Temporary failure resolving|Could not connect|Could not resolve|Network is unreachable|timed out/i.test(
      output,
    )
  ) {
    return new SetupError('the apt mirror of this machine cannot be reached', {
      evidence,
      fix: 'connect this machine to the network, or correct /etc/apt/sources.list*, and run the command again',
      exitCode: 4,
    });
  }
  if (/Unable to locate package|has no installation candidate/.test(output)) {
    return new SetupError('apt does not know all packages', {
      evidence,
      fix: `enable the main (on Ubuntu also the universe) component, then: apt-get install ${packages.join(' ')}`,
    });
  }
  return new SetupError('apt-get failed', { evidence, fix: 'see the reason above', exitCode: 6 });
}

function aptEnvironment() {
  return { ...process.env, LC_ALL: 'C.UTF-8' };
}
