import { createHash } from 'node:crypto';
import * as path from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { files, interrupted, run } from '../host.ts';
import { bundleSource } from './source.ts';

export type AgentArchitecture = 'x64' | 'arm64';

export interface BuildAgentOptions {
  /** Node's name of the architecture: `x64` is Debian's amd64. */
  readonly arch: AgentArchitecture;
  /** The root of all caches; ours is `agent/` in it. */
  readonly cacheFolder: string;
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

/** What stands beside the program in the cache. */
interface Entry {
  readonly size: number;
  readonly sha256: string;
}

const PROGRAM = 'node-agent';

/**
 * The node agent as one executable file: one esbuild bundle inside the locked Node binary. The same sources
 * give the same bytes, in whatever folder and at whatever time.
 *
 * The V8 code cache is left out: it differs from build to build, and gains a few milliseconds only.
 *
 * @throws OperatorError when the sources do not bundle, Node is not installed for `arch`, the disk is full, or
 *   the signal ended it; then nothing is left behind
 */
export async function buildAgent(options: BuildAgentOptions): Promise<BuiltAgent> {
  const { arch, cacheFolder, signal, onProgress = () => {} } = options;
  onProgress('bundling the agent');
  const node = await nodeBinary(arch);
  const source = bundleSource(manifest.version);
  const key = sha256(JSON.stringify(['agent/1', arch, node.identity, SEA_CONFIG, sha256(source)]));
  const folder = path.join(cacheFolder, 'agent', key);
  const present = await readEntry(folder);
  if (present !== undefined) return result(folder, present, true);
  if (signal?.aborted) throw interrupted();
  const work = await files.makeWorkFolder(path.join(cacheFolder, 'agent'), `.${key.slice(0, 12)}`);
  try {
    onProgress('making the single executable');
    const entry = await makeExecutable(work, source, node.file, signal);
    return result(folder, await publish(work, folder, entry), false);
  } finally {
    await files.remove(work);
  }
}

/** Paths are relative: the executable records them. */
const SEA_CONFIG = {
  main: 'agent.mjs',
  mainFormat: 'module',
  output: PROGRAM,
  disableExperimentalSEAWarning: true,
  useCodeCache: false,
  useSnapshot: false,
  // NODE_OPTIONS and --node-options are for programs under development.
  execArgvExtension: 'none',
} as const;

async function makeExecutable(
  work: string,
  source: Uint8Array,
  executable: string,
  signal: AbortSignal | undefined,
): Promise<Entry> {
  await files.writeAtomic(path.join(work, SEA_CONFIG.main), source);
  await files.writeAtomic(path.join(work, 'sea.json'), JSON.stringify({ ...SEA_CONFIG, executable }));
  const builder = (await nodeBinary(process.arch === 'arm64' ? 'arm64' : 'x64')).file;
  await run([builder, '--build-sea', 'sea.json'], { cwd: work, signal, timeoutMs: 300_000 });
  await files.remove(path.join(work, SEA_CONFIG.main));
  await files.remove(path.join(work, 'sea.json'));
  const handle = await files.openFile(path.join(work, PROGRAM), 'r+');
  try {
    await handle.chmod(0o755);
    await handle.sync();
  } finally {
    await handle.close();
  }
  const entry = await measure(path.join(work, PROGRAM));
  await files.writeAtomic(path.join(work, 'entry.json'), JSON.stringify(entry));
  return entry;
}

/** Move the finished folder to its place. A sound entry of another build wins; a damaged one makes way. */
async function publish(work: string, folder: string, entry: Entry): Promise<Entry> {
  if (await files.exists(folder)) {
    const other = await readEntry(folder);
    if (other !== undefined) return other;
    const aside = `${work}.damaged`;
    await files.moveIntoPlace(folder, aside).catch(() => undefined);
    await files.remove(aside);
  }
  try {
    await files.moveIntoPlace(work, folder);
    return entry;
  } catch (error) {
    const other = await readEntry(folder);
    if (other === undefined) throw error;
    return other;
  }
}

/** What the cache holds, if it holds it whole. */
async function readEntry(folder: string): Promise<Entry | undefined> {
  const file = path.join(folder, PROGRAM);
  const status = await files.statOrUndefined(file);
  if (status === undefined || !(await files.exists(path.join(folder, 'entry.json')))) return undefined;
  const written = parseEntry(await files.readText(path.join(folder, 'entry.json')));
  if (written === undefined || written.size !== status.size) return undefined;
  return (await measure(file)).sha256 === written.sha256 ? written : undefined;
}

function parseEntry(text: string): Entry | undefined {
  try {
    const { size, sha256: digest } = JSON.parse(text) as Partial<Entry>;
    return typeof size === 'number' && typeof digest === 'string' ? { size, sha256: digest } : undefined;
  } catch {
    // A truncated file is what this looks for: the entry is built again.
    return undefined;
  }
}

/** The locked Node of an architecture, and what tells it from other versions. */
async function nodeBinary(arch: AgentArchitecture): Promise<{ file: string; identity: string }> {
  const folder = path.resolve(import.meta.dirname, '../../node_modules', `node-linux-${arch}`);
  const { version } = JSON.parse(await files.readText(path.join(folder, 'package.json'))) as {
    version: string;
  };
  const file = path.join(folder, 'bin/node');
  return { file, identity: `${version}:${(await files.statOrUndefined(file))?.size}` };
}

async function measure(file: string): Promise<Entry> {
  const handle = await files.openFile(file, 'r');
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(1 << 20);
  let size = 0;
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, size);
      if (bytesRead === 0) return { size, sha256: hash.digest('hex') };
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function result(folder: string, entry: Entry, cached: boolean): BuiltAgent {
  return { file: path.join(folder, PROGRAM), sha256: entry.sha256, version: manifest.version, cached };
}
