import { familyOf } from '../../bin/host-programs.mjs';
import { files } from '../host.ts';
import { type AptSource, parseAptSources } from './apt-sources.ts';

/** What a plan takes from the machine that builds. */
export interface HostFacts {
  readonly family: 'debian' | 'ubuntu';
  readonly aptSources: readonly AptSource[];
  /** SOURCE_DATE_EPOCH as the environment gives it. */
  readonly sourceDateEpoch: string | undefined;
}

/** Look at this machine: os-release(5), apt's sources, the environment. Whatever is unreadable is left out. */
export async function readHostFacts(): Promise<HostFacts> {
  return {
    family: familyOf((await textOf('/etc/os-release')) || (await textOf('/usr/lib/os-release'))) ?? 'debian',
    aptSources: await readAptSources('/etc/apt'),
    sourceDateEpoch: process.env.SOURCE_DATE_EPOCH,
  };
}

async function readAptSources(folder: string): Promise<AptSource[]> {
  const parts = await files.listFolder(`${folder}/sources.list.d`);
  const names = parts
    .filter((name) => /\.(list|sources)$/.test(name))
    .map((name) => `${folder}/sources.list.d/${name}`);
  const found = [`${folder}/sources.list`, ...names];
  return (await Promise.all(found.map(async (name) => parseAptSources(name, await textOf(name))))).flat();
}

async function textOf(file: string): Promise<string> {
  try {
    return await files.readText(file);
  } catch {
    return '';
  }
}
