/** Which image the quick cluster runs: the one named, the newest built here, or what the engine has. */
import * as path from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { TARGET_RECIPES } from '../assemble/targets.ts';
import { OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import type { Engine } from './engine.ts';

/** What `image --target docker` is called after docker load. */
export const OWN_TAG = `clusteros:${manifest.version}`;

/** A whole system is read, unpacked and written again. */
const LOAD_LIMIT_MS = 10 * 60_000;

/**
 * @param named a docker-archive tar, or a tag that the engine has
 * @param output the folder that artifacts appear in
 * @returns a name by which the engine knows the image
 * @throws OperatorError `docker.no-image`
 */
export async function findImage(
  engine: Engine,
  { named, output, say }: { named: string | undefined; output: string; say: (line: string) => void },
): Promise<string> {
  if (named === undefined) {
    const built = await newestArchive(output);
    if (built !== undefined) return await load(engine, built, say);
    if (await has(engine, OWN_TAG)) return OWN_TAG;
    throw noImage(`there is no image in ${output}, and the engine has no ${OWN_TAG}`);
  }
  if ((await files.statOrUndefined(named))?.isFile()) return await load(engine, path.resolve(named), say);
  if (await has(engine, named)) return named;
  throw noImage(`${named} is no file, and the engine has no image of that name`);
}

function noImage(message: string): OperatorError {
  return new OperatorError({
    code: 'docker.no-image',
    exit: 'missing',
    message,
    fix: 'build one: npx clusteros-build image --target docker',
  });
}

async function has(engine: Engine, tag: string): Promise<boolean> {
  return (await engine.try(['image', 'inspect', '--format', '{{.Id}}', tag])).exitCode === 0;
}

async function load(engine: Engine, file: string, say: (line: string) => void): Promise<string> {
  say(`loading ${path.relative(process.cwd(), file)}`);
  const { stdout } = await engine.run(['load', '--input', file], { timeoutMs: LOAD_LIMIT_MS });
  const tag = /^Loaded image(?: ID)?: (\S+)$/m.exec(stdout)?.[1];
  if (tag === undefined) throw noImage(`docker load says nothing of an image in ${file}`);
  // By what it is, not by a tag that a later image may take.
  return (await engine.run(['image', 'inspect', '--format', '{{.Id}}', tag])).stdout.trim();
}

async function newestArchive(output: string): Promise<string | undefined> {
  const { suffix, extension } = TARGET_RECIPES.docker;
  let newest: { file: string; time: number } | undefined;
  for (const name of await files.listFolder(output)) {
    if (!name.endsWith(suffix)) continue;
    const file = path.join(output, name, `${name}.${extension}`);
    const status = await files.statOrUndefined(file);
    if (status !== undefined && status.mtimeMs > (newest?.time ?? 0)) newest = { file, time: status.mtimeMs };
  }
  return newest?.file;
}
