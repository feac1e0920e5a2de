import * as path from 'node:path';
import type { Card } from '../engine/resources.ts';
import { files, programs } from '../host.ts';
import { VERSION } from '../version.ts';

/** What others learn of the software here: roles refuse engines that differ. */
export type Versions = Card['versions'];

const LIMIT_MS = 10_000;

/**
 * Ask the engines and the image for their versions. What is not there is `missing` or `unknown`; never throws.
 *
 * @param configFolder where the image has put image.json: /etc/clusteros
 */
export async function readVersions(configFolder: string): Promise<Versions> {
  const [serf, etcd, image] = await Promise.all([
    versionOf(['serf', 'version'], /^(?:Serf )?v?(\d[\w.+~-]*)/m),
    versionOf(['etcd', '--version'], /^etcd Version: v?(\d[\w.+~-]*)/m),
    imageId(path.join(configFolder, 'image.json')),
  ]);
  return { agent: VERSION, image, serf, etcd };
}

async function versionOf(argv: readonly [string, string], pattern: RegExp): Promise<string> {
  try {
    const { stdout } = await programs.run(argv, { timeoutMs: LIMIT_MS, outputBytes: 64 * 1024 });
    return (pattern.exec(stdout)?.[1] ?? 'unknown').slice(0, 64);
  } catch (error) {
    // Who runs the engine says what is wrong with it; here it is only a word on a card.
    return programs.isMissing(error) ? 'missing' : 'unknown';
  }
}

async function imageId(file: string): Promise<string> {
  try {
    const found = await files.readLimited(file, 64 * 1024);
    const value: unknown = found && JSON.parse(found.bytes.toString('utf8'));
    const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
    return typeof id === 'string' && /^[\w.+:~-]{1,64}$/.test(id) ? id : 'unknown';
  } catch {
    // A machine that was not made from our image, or a damaged file: the id is unknown either way.
    return 'unknown';
  }
}
