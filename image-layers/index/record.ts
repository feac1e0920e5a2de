#!/usr/bin/env node
/**
 * Records what Debian's archive has of the packages and files that the layers name, in debian-12.json and
 * debian-13.json beside this file. Run by hand, with the network, when a layer names something new:
 *
 *   node image-layers/index/record.ts
 *
 * The Ubuntu records say what Ubuntu's public package pages say, each name with its page. They are written by hand:
 * here they only gain a line for each new name, to be filled in, and lose those that nobody needs any more.
 */
import * as path from 'node:path';
import { BASES, type BaseProfile } from '../../build/definition/bases.ts';
import { describeError, exitCodeOf, OperatorError } from '../../build/errors.ts';
import { clock, files, run, tryRun } from '../../build/host.ts';
import {
  type Entry,
  type FileEntry,
  filesToRecord,
  namesToRecord,
  type PackageIndex,
  readIndex,
  writeIndex,
} from './package-index.ts';

const ARCHITECTURE = 'amd64';
const DOWNLOAD_TIMEOUT_MS = 300_000;

try {
  for (const base of ['debian-12', 'debian-13'] as const) {
    const started = clock.monotonicMs();
    const index = await recordArchive(BASES[base]);
    await writeIndex(index);
    const seconds = Math.round((clock.monotonicMs() - started) / 1000);
    process.stdout.write(
      `${base}: ${index.recorded}, ${Object.keys(index.packages).length} names, ${seconds} s\n`,
    );
  }
  for (const base of ['ubuntu-24.04', 'ubuntu-26.04'] as const)
    await writeIndex(withNewNames(await readIndex(base)));
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = exitCodeOf(error);
}

async function recordArchive(base: BaseProfile): Promise<PackageIndex> {
  const source = `${base.mirror}/dists/${base.suite}`;
  const folder = await files.makeWorkFolder('/tmp', 'clusteros-record');
  try {
    const release = await verifiedRelease(source, base.keyring, folder);
    const packages = new Map<string, Entry>();
    const owners = new Map<string, FileEntry>();
    for (const component of base.components) {
      const list = await verifiedList(
        source,
        release,
        `${component}/binary-${ARCHITECTURE}/Packages.xz`,
        folder,
      );
      const { stdout } = await run(['xz', '--decompress', '--stdout', list]);
      for (const [name, version] of versionsIn(stdout)) packages.set(name, { version, component });
      for (const architecture of [ARCHITECTURE, 'all']) {
        const contents = await verifiedList(
          source,
          release,
          `${component}/Contents-${architecture}.gz`,
          folder,
        );
        for (const [file, owner] of await ownersIn(contents)) owners.set(file, { package: owner });
      }
    }
    return {
      base: base.name,
      source,
      recorded: field(release, 'Date'),
      packages: Object.fromEntries(namesToRecord().map((name) => [name, packages.get(name) ?? null])),
      files: Object.fromEntries(filesToRecord(base.name).map((file) => [file, ownerOf(file, owners)])),
    };
  } finally {
    await files.remove(folder);
  }
}

function withNewNames(index: PackageIndex): PackageIndex {
  const unknown = { evidence: 'none found', inferred: 'not looked up yet' } as const;
  return {
    ...index,
    packages: Object.fromEntries(
      namesToRecord().map((name) => [
        name,
        name in index.packages ? (index.packages[name] ?? null) : unknown,
      ]),
    ),
    files: Object.fromEntries(
      filesToRecord(index.base).map((file) => [
        file,
        file in index.files ? (index.files[file] ?? null) : unknown,
      ]),
    ),
  };
}

/** The Release file, its signature checked with the keyring that apt trusts. */
async function verifiedRelease(source: string, keyring: string, folder: string): Promise<string> {
  const signed = path.join(folder, 'InRelease');
  const plain = path.join(folder, 'Release');
  await download(`${source}/InRelease`, signed);
  await run(['gpgv', '--keyring', keyring, '--output', plain, signed]);
  return await files.readText(plain);
}

/** A list that the Release file names with its sha256, downloaded. */
async function verifiedList(source: string, release: string, name: string, folder: string): Promise<string> {
  const sum = release.match(new RegExp(`^ ([0-9a-f]{64}) +\\d+ ${RegExp.escape(name)}$`, 'm'))?.[1];
  if (sum === undefined) {
    throw new OperatorError({
      code: 'archive.list-missing',
      exit: 'network',
      message: `${source} has no ${name}`,
    });
  }
  const file = path.join(folder, name.replaceAll('/', '_'));
  await download(`${source}/${name}`, file, `SHA256:${sum}`);
  return file;
}

/** apt's own downloader: it refuses a file with another hash. */
async function download(url: string, file: string, hash?: string): Promise<void> {
  const argv = ['/usr/lib/apt/apt-helper', '-o', 'APT::Sandbox::User=root', 'download-file', url, file];
  await run([...argv, ...(hash === undefined ? [] : [hash])], { timeoutMs: DOWNLOAD_TIMEOUT_MS });
}

function* versionsIn(list: string): Generator<[name: string, version: string]> {
  for (const stanza of list.split('\n\n')) {
    if (stanza.startsWith('Package: ')) yield [field(stanza, 'Package'), field(stanza, 'Version')];
  }
}

/** Lines of `usr/bin/wg    net/wireguard-tools`: only those under a folder that a wanted file can be in. */
async function ownersIn(contents: string): Promise<[file: string, owner: string][]> {
  // Unpacked it is too much for a string.
  const folders = '^(usr/)?lib/(systemd/system|shim|grub/[^/]+-signed)/';
  const { stdout, exitCode, stderr } = await tryRun(['zgrep', '--extended-regexp', folders, contents]);
  if (exitCode > 1) throw new Error(`zgrep ${contents}: ${stderr}`);
  return [...stdout.matchAll(/^(\S+) +(\S+)$/gm)].map(([, file = '', owners = '']) => [
    `/${file}`,
    owners.split(',')[0]?.split('/').at(-1) ?? '',
  ]);
}

/** Debian 12 still ships units under /lib, which is a link to /usr/lib. */
function ownerOf(file: string, owners: ReadonlyMap<string, FileEntry>): FileEntry {
  return owners.get(file) ?? owners.get(file.replace(/^\/usr/, '')) ?? null;
}

function field(stanza: string, name: string): string {
  const value = stanza.match(new RegExp(`^${name}: (.+)$`, 'm'))?.[1];
  if (value === undefined) throw new Error(`no ${name} in: ${stanza.slice(0, 200)}`);
  return value;
}
