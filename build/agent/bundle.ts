import { createHash } from 'node:crypto';
import * as path from 'node:path';
import release from '../../bin/node-release.json' with { type: 'json' };
import manifest from '../../package.json' with { type: 'json' };
import { digestOf } from '../assemble/manifest.ts';
import { readRecord } from '../cache/record.ts';
import { type Cache, keyOf } from '../cache.ts';
import { OperatorError } from '../errors.ts';
import { ENDS_WITH_US, files, interrupted, run } from '../host.ts';
import { bundleSource } from './source.ts';

type AgentArchitecture = 'x64' | 'arm64';

interface BuildAgentOptions {
  /** Node's name of the architecture: `x64` is Debian's amd64. */
  readonly arch: AgentArchitecture;
  readonly cache: Cache;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((step: string) => void) | undefined;
}

export interface BuiltAgent {
  /** The program, in the cache: to be copied, never changed. */
  readonly file: string;
  readonly sha256: string;
  readonly version: string;
  /** It had been built before. */
  readonly cached: boolean;
}

const PROGRAM = 'node-agent';

/**
 * The node agent as one executable file: one esbuild bundle inside the locked Node binary. The same sources
 * give the same bytes, in whatever folder and at whatever time.
 *
 * With the code cache of V8 it starts in half the time: nothing is parsed that the start does not call.
 *
 * @throws OperatorError when the sources do not bundle, Node is not installed for `arch`, the disk is full, or
 *   the signal ended it; then nothing is left behind
 */
export async function buildAgent(options: BuildAgentOptions): Promise<BuiltAgent> {
  const { arch, cache, signal, onProgress = () => {} } = options;
  onProgress('bundling the agent');
  const node = await nodeBinary(arch);
  const source = bundleSource(manifest.version);
  const bundle = createHash('sha256').update(source).digest('hex');
  const key = keyOf({
    format: 3,
    arch,
    builder: [process.arch, ...BUILDER_FLAGS],
    node: node.identity,
    sea: SEA_CONFIG,
    bundle,
  });
  const present = await presentAgent(cache, key, onProgress);
  if (present !== undefined) return present;
  if (signal?.aborted) throw interrupted();
  const entry = await cache.store('agent', key, async (work) => {
    onProgress('making the single executable');
    await assertRecorded(node.file, release.binaries[arch].sha256);
    await makeExecutable(work, source, arch, node.file, signal);
  });
  return result(entry, (await digestOf(path.join(entry, PROGRAM))).sha256, false);
}

/**
 * For a small process that mostly waits: the garbage collector gets a small nursery and no threads of its own.
 *
 * Compiled code names the flags that it was compiled with, and V8 refuses what others made: with any flag that counts,
 * Node's own modules and the agent's would be compiled again at every start, twice its time. These do not count. Those
 * that do, and that save memory as well, the agent sets once it has started: agent/host/memory.ts.
 */
export const V8_FLAGS = ['--max-semi-space-size=1', '--single-threaded-gc', '--v8-pool-size=1'] as const;

/**
 * What makes the code cache byte-identical from build to build: V8's hashes of names begin with a random number, and
 * this is where it comes from. Not --hash-seed, which counts among the flags: its cache is refused.
 */
const BUILDER_FLAGS = ['--random-seed=1'] as const;

/** Paths are relative: the executable records them. */
const SEA_CONFIG = {
  main: 'agent.mjs',
  mainFormat: 'module',
  output: PROGRAM,
  disableExperimentalSEAWarning: true,
  useSnapshot: false,
  // Of Node's experiments, the agent uses the foreign function interface: agent/host/memory.ts.
  execArgv: [...V8_FLAGS, '--disable-warning=ExperimentalWarning'],
  // NODE_OPTIONS and --node-options are for programs under development.
  execArgvExtension: 'none',
} as const;

async function makeExecutable(
  work: string,
  source: Uint8Array,
  arch: AgentArchitecture,
  executable: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await files.writeAtomic(path.join(work, SEA_CONFIG.main), source);
  const ownArch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const builder = (await nodeBinary(ownArch)).file;
  // V8 of one architecture cannot compile for another.
  const config = { ...SEA_CONFIG, executable, useCodeCache: arch === ownArch };
  await files.writeAtomic(path.join(work, 'sea.json'), JSON.stringify(config));
  await run([...ENDS_WITH_US, builder, ...BUILDER_FLAGS, '--build-sea', 'sea.json'], {
    cwd: work,
    signal,
    timeoutMs: 300_000,
  });
  await files.remove(path.join(work, SEA_CONFIG.main));
  await files.remove(path.join(work, 'sea.json'));
  const handle = await files.openFile(path.join(work, PROGRAM), 'r+');
  try {
    await handle.chmod(0o755);
  } finally {
    await handle.close();
  }
}

/**
 * The agent that the cache holds, if it is the one that was stored. The cache's own check is quick and does not
 * read all of a file; this takes a tenth of a second, and what it finds goes into every machine.
 */
async function presentAgent(
  cache: Cache,
  key: string,
  onProgress: (step: string) => void,
): Promise<BuiltAgent | undefined> {
  const entry = await cache.lookup('agent', key);
  if (entry === undefined) return undefined;
  const stored = (await readRecord(entry))?.files.find((file) => file.path === PROGRAM)?.sha256;
  const { sha256 } = await digestOf(path.join(entry, PROGRAM));
  if (sha256 === stored) return result(entry, sha256, true);
  onProgress('the agent in the cache is damaged: making it again');
  await files.remove(entry);
  return undefined;
}

/** The locked Node of an architecture, and what tells it from other versions. */
async function nodeBinary(arch: AgentArchitecture): Promise<{ file: string; identity: string }> {
  const folder = path.resolve(import.meta.dirname, '../../node_modules', `node-linux-${arch}`);
  const { version } = JSON.parse(await files.readText(path.join(folder, 'package.json'))) as {
    version: string;
  };
  return { file: path.join(folder, 'bin/node'), identity: `${version}:${release.binaries[arch].sha256}` };
}

/**
 * Set-up compared it once; it has been lying in a folder since, and goes into every node.
 *
 * @throws OperatorError `agent.node`
 */
export async function assertRecorded(file: string, recorded: string): Promise<void> {
  const { sha256 } = await digestOf(file);
  if (sha256 === recorded) return;
  throw new OperatorError({
    code: 'agent.node',
    exit: 'untrusted',
    message: `${file} is not the recorded Node ${release.version}`,
    evidence: `sha256   ${sha256}\nrecorded ${recorded}`,
    fix: 'remove node_modules and run: npm run setup',
  });
}

function result(entry: string, sha256: string, cached: boolean): BuiltAgent {
  return { file: path.join(entry, PROGRAM), sha256, version: manifest.version, cached };
}
