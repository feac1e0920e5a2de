import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { InvalidArgumentError } from 'commander';
import { openCache } from '../cache.ts';
import { readHostFacts } from '../definition/host-facts.ts';
import { loadDefinition } from '../definition/load.ts';
import { makePlan } from '../definition/make-plan.ts';
import { engineNamed } from '../engines.ts';
import { type ExitName, OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import { buildImage } from '../pipeline.ts';
import { lineProgress, silentProgress } from '../progress.ts';
import { MANIFEST } from '../trust/checksums.ts';
import { type ManifestView, viewManifest } from '../trust/manifest-view.ts';
import { rebuildFindings } from '../trust/rebuild.ts';
import { readPublicKey } from '../trust/sign-key.ts';
import { type Finding, folderOf, isSound, verifyFolder } from '../trust/verify.ts';
import type { Context, Register } from './context.ts';
import { BUILD_STOP_MS } from './interrupt.ts';

interface VerifyFlags {
  readonly key?: string;
  readonly newerThan?: number;
  readonly rebuild?: boolean;
  readonly mirror?: string;
  /** False for --no-cache. */
  readonly cache: boolean;
}

export const registerVerify: Register = (program, context) => {
  program
    .command('verify <artifact>')
    .description('check an artifact, or a folder of them: digests, signature, manifest, SBOM')
    .option(
      '--key <file>',
      "the signer's public key, a file or its line of base64: then a signature is required",
    )
    .option(
      '--newer-than <time>',
      'with --key: the signed time must be later, such as 2026-01-31 or that of the folder in use',
      timeOf,
    )
    .option('--rebuild', 'build it again from the definition, and compare every byte')
    .option('--mirror <url>', 'with --rebuild: the archive to take packages from')
    .option('--no-cache', 'with --rebuild: trust no earlier result of this machine; takes minutes')
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build verify dist/clusteros-debian-13-amd64 --key release.pub
  npx clusteros-build verify clusteros-debian-13-amd64.qcow2 --rebuild --definition cluster.yaml

Without --key only damage is found, not malice: whoever can change an artifact can change its digests too.

Exit codes: 0 sound; 8 damaged, replaced, not signed by the key, or not what was built again; 3 a part or the artifact
is not there; 2 the key or the command line is wrong; 5 a file could not be read.
`,
    )
    .action((artifact: string, flags: VerifyFlags) => verify(context, artifact, flags));
};

async function verify(context: Context, named: string, flags: VerifyFlags): Promise<void> {
  if (flags.rebuild) context.stopWithin(BUILD_STOP_MS);
  const key = flags.key === undefined ? undefined : await readPublicKey(flags.key);
  if (flags.newerThan !== undefined && key === undefined) {
    throw new OperatorError({
      code: 'usage',
      message: '--newer-than needs --key: only a signed time can be believed',
      fix: "add the signer's public key: --key release.pub",
    });
  }
  const { folder, file } = await folderOf(named);
  const { findings, manifest } = await verifyFolder(folder, { file, key, newerThan: flags.newerThan });
  const all: Finding[] = [...findings];
  // What is damaged is not worth minutes of building.
  if (flags.rebuild && manifest !== undefined && isSound(findings)) {
    all.push(...(await rebuild(context, manifest, flags)));
  }
  const sound = isSound(all);
  context.answer({ ok: sound, folder, findings: all }, () =>
    [...all.map(findingLine), '', sound ? verdict(all) : `${folder} is NOT what it should be.`].join('\n'),
  );
  if (!sound) context.exitWith(exitFor(all));
}

/** Build the same again in a folder that goes, and compare. @throws OperatorError `verify.definition` and a build's own */
async function rebuild(context: Context, manifest: ManifestView, flags: VerifyFlags): Promise<Finding[]> {
  const [definition, host] = await Promise.all([
    loadDefinition(context.globals().definition),
    readHostFacts(),
  ]);
  if (definition.name !== manifest.name) {
    throw new OperatorError({
      code: 'verify.definition',
      message: `the artifact was built from a definition named ${manifest.name}, and ${definition.origin} is named ${definition.name}`,
      fix: 'name the definition that it was built from with --definition',
    });
  }
  const target = typeof manifest.target === 'string' ? manifest.target : undefined;
  const facts = { ...host, sourceDateEpoch: String(manifest.epoch) };
  const plan = makePlan(definition, facts, { target, base: manifest.base.name, mirror: flags.mirror });
  const output = await files.makeWorkFolder(tmpdir(), 'clusteros-verify');
  try {
    const built = await buildImage(plan, {
      cache: await openCache(flags.cache ? undefined : path.join(output, 'cache')),
      output,
      signal: context.signal,
      engine: engineNamed(typeof manifest.engine === 'string' ? manifest.engine : 'direct'),
      progress: context.globals().json ? silentProgress : lineProgress(context.note),
    });
    const again = viewManifest(await files.readText(path.join(built.folder, MANIFEST)));
    if (typeof again === 'string') throw new Error(`our own manifest describes nothing: ${again}`);
    return rebuildFindings(manifest, again);
  } finally {
    await files.remove(output);
  }
}

/** A day, a time, or seconds since 1970, in seconds. */
function timeOf(text: string): number {
  const plain = /^\d{9,11}$/.test(text) ? Number(text) : undefined;
  const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/.test(text)
    ? Date.parse(text) / 1000
    : Number.NaN;
  const seconds = plain ?? iso;
  if (Number.isFinite(seconds)) return seconds;
  throw new InvalidArgumentError(
    'expected a day or a time in UTC, such as 2026-01-31 or 2026-01-31T12:00:00Z.',
  );
}

/** One line of the report. */
export function findingLine({ state, check, subject, detail }: Finding): string {
  const mark = { ok: 'ok     ', failed: 'FAILED ', missing: 'MISSING', skipped: '-      ' }[state];
  return `${mark}  ${check.padEnd(9)}  ${subject}: ${detail}`;
}

function verdict(findings: readonly Finding[]): string {
  const signed = findings.some(({ check, state }) => check === 'signature' && state === 'ok');
  return signed
    ? 'Sound, and signed by the key given.'
    : 'Sound. Nobody has vouched for it: no signature was checked.';
}

/** Parts that are not there can be fetched; what is damaged, forged or not signed as asked cannot be trusted. */
function exitFor(findings: readonly Finding[]): ExitName {
  const untrusted = findings.some(
    ({ check, state }) => state === 'failed' || (check === 'signature' && state === 'missing'),
  );
  return untrusted ? 'untrusted' : 'missing';
}
