/** Looks at a folder of artifacts as somebody who has only the folder, and perhaps the signer's public key. */
import * as path from 'node:path';
import { digestOf } from '../assemble/manifest.ts';
import { OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import { MANIFEST, parseSums, SIGNATURE, SUMS, type Sum } from './checksums.ts';
import { type ManifestView, viewManifest } from './manifest-view.ts';
import { checkSignature, keyName, type PublicKey } from './minisign.ts';
import { sbomFault, sbomName, withSoftware } from './spdx.ts';

export interface Finding {
  /** What was looked at: mostly a file of the folder. */
  readonly subject: string;
  readonly check: 'digest' | 'signature' | 'manifest' | 'sbom' | 'rebuild';
  /** `skipped` is no fault: there was nothing to check, or nothing to check it with. */
  readonly state: 'ok' | 'failed' | 'missing' | 'skipped';
  readonly detail: string;
}

interface Verdict {
  readonly folder: string;
  readonly manifest: ManifestView | undefined;
  readonly findings: readonly Finding[];
}

/** The folder of what the operator named: a folder of artifacts, or a file in one. @throws OperatorError `verify.missing` */
export async function folderOf(named: string): Promise<{ folder: string; file: string | undefined }> {
  const status = await files.statOrUndefined(named);
  if (status === undefined) {
    throw new OperatorError({
      code: 'verify.missing',
      exit: 'missing',
      message: `there is nothing at ${named}`,
      fix: 'name an artifact, or the folder that it lies in',
    });
  }
  const place = path.resolve(named);
  return status.isDirectory()
    ? { folder: place, file: undefined }
    : { folder: path.dirname(place), file: path.basename(place) };
}

/**
 * Digests, signature, manifest and bills of materials.
 *
 * @param asked.file must be in the list of digests
 * @param asked.key then the folder must be signed, by it, and the signature must cover everything
 * @param asked.newerThan seconds since 1970: the signed time must be later, or an old folder was put in the new one's place
 */
export async function verifyFolder(
  folder: string,
  asked: {
    readonly file?: string | undefined;
    readonly key?: PublicKey | undefined;
    readonly newerThan?: number | undefined;
  } = {},
): Promise<Verdict> {
  const list = await textOf(folder, SUMS);
  const sums = list === undefined ? [] : parseSums(list);
  const findings: Finding[] = [];
  if (list === undefined) findings.push(missing(SUMS, 'digest', 'the list of digests is not there'));
  if (typeof sums === 'string') findings.push(failed(SUMS, 'digest', sums));
  const known = typeof sums === 'string' ? [] : sums;
  if (asked.file !== undefined && ![...known.map(({ file }) => file), SUMS, SIGNATURE].includes(asked.file)) {
    findings.push(failed(asked.file, 'digest', `${SUMS} does not list it`));
  }
  findings.push(await signatureFinding(folder, list, asked.key, asked.newerThan));
  for (const sum of known) findings.push(await digestFinding(folder, sum));
  const { view, found } = await manifestFindings(folder, known);
  findings.push(...found);
  if (view !== undefined) findings.push(...(await sbomFindings(folder, view)));
  findings.push(...(await unlisted(folder, known)));
  if (asked.key !== undefined) findings.push(...uncovered(findings, known));
  return { folder, manifest: view, findings };
}

export function isSound(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state === 'ok' || state === 'skipped');
}

async function signatureFinding(
  folder: string,
  list: string | undefined,
  key: PublicKey | undefined,
  newerThan: number | undefined,
): Promise<Finding> {
  const text = await textOf(folder, SIGNATURE);
  if (key === undefined) {
    const why =
      text === undefined ? 'not signed' : "signed, but not checked: give the signer's key with --key";
    return { subject: SIGNATURE, check: 'signature', state: 'skipped', detail: why };
  }
  if (text === undefined) return missing(SIGNATURE, 'signature', 'the folder is not signed');
  const check = checkSignature(Buffer.from(list ?? ''), text, key);
  if (!check.ok) return failed(SIGNATURE, 'signature', check.reason);
  const time = signedTime(check.trusted);
  const when = time === undefined ? 'it tells no time' : `of ${timeText(time)}`;
  if (newerThan !== undefined && (time === undefined || time <= newerThan)) {
    return failed(
      SIGNATURE,
      'signature',
      `signed by ${keyName(key.id)}, ${when}: not newer than ${timeText(newerThan)}`,
    );
  }
  return ok(SIGNATURE, 'signature', `signed by ${keyName(key.id)}, ${when}`);
}

/** Seconds since 1970 in a trusted comment, as minisign and we write it. */
function signedTime(trusted: string): number | undefined {
  const [, seconds] = /(?:^|\t)timestamp:(\d{1,12})(?:\t|$)/.exec(trusted) ?? [];
  return seconds === undefined ? undefined : Number(seconds);
}

function timeText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

async function digestFinding(folder: string, { file, sha256 }: Sum): Promise<Finding> {
  const place = path.join(folder, file);
  if (!(await files.exists(place))) return missing(file, 'digest', 'the file is not there');
  const found = await digestOf(place);
  if (found.sha256 === sha256) return ok(file, 'digest', `sha256 ${sha256.slice(0, 16)}...`);
  return failed(file, 'digest', `damaged or replaced: its sha256 is ${found.sha256}, listed is ${sha256}`);
}

async function manifestFindings(
  folder: string,
  sums: readonly Sum[],
): Promise<{ view: ManifestView | undefined; found: Finding[] }> {
  const text = await textOf(folder, MANIFEST);
  if (text === undefined)
    return { view: undefined, found: [missing(MANIFEST, 'manifest', 'the manifest is not there')] };
  const view = viewManifest(text);
  if (typeof view === 'string') return { view: undefined, found: [failed(MANIFEST, 'manifest', view)] };
  const faults: Finding[] = [];
  for (const { file, bytes, sha256 } of view.artifacts) {
    const status = await files.statOrUndefined(path.join(folder, file));
    const sum = sums.find((each) => each.file === file);
    if (status === undefined)
      faults.push(missing(file, 'manifest', 'the manifest names it, and it is not there'));
    else if (status.size !== bytes)
      faults.push(failed(file, 'manifest', `it has ${status.size} bytes, the manifest says ${bytes}`));
    if (sum === undefined) faults.push(failed(file, 'manifest', `the manifest names it, ${SUMS} does not`));
    else if (sum.sha256 !== sha256)
      faults.push(failed(file, 'manifest', `the manifest and ${SUMS} give it different digests`));
  }
  const count = `${view.artifacts.length} artifact${view.artifacts.length === 1 ? '' : 's'}`;
  const sound = ok(MANIFEST, 'manifest', `${count} of ${view.base.name}, ${view.packages.length} packages`);
  return { view, found: faults.length > 0 ? faults : [sound] };
}

async function sbomFindings(folder: string, manifest: ManifestView): Promise<Finding[]> {
  return await Promise.all(
    withSoftware(manifest).map(async (artifact): Promise<Finding> => {
      const subject = sbomName(artifact.file);
      const text = await textOf(folder, subject);
      if (text === undefined) return { subject, check: 'sbom', state: 'skipped', detail: 'there is none' };
      const fault = sbomFault(text, manifest, artifact);
      return fault === undefined
        ? ok(subject, 'sbom', 'tells the same packages as the manifest')
        : failed(subject, 'sbom', fault);
    }),
  );
}

/** What somebody put beside the artifacts is not theirs, and nothing vouches for it. */
async function unlisted(folder: string, sums: readonly Sum[]): Promise<Finding[]> {
  const known = [...sums.map(({ file }) => file), SUMS, SIGNATURE, MANIFEST];
  if (sums.length === 0) return [];
  return (await files.listFolder(folder))
    .filter((name) => !known.includes(name))
    .map((subject) => ({
      subject,
      check: 'digest',
      state: 'skipped',
      detail: `not checked: ${SUMS} does not list it`,
    }));
}

/** What was checked and is not in the signed list could have been put there by anybody. */
function uncovered(findings: readonly Finding[], sums: readonly Sum[]): Finding[] {
  const read = findings.filter(({ check, state }) => ['manifest', 'sbom'].includes(check) && state === 'ok');
  return read
    .filter(({ subject }) => !sums.some(({ file }) => file === subject))
    .map(({ subject }) =>
      failed(subject, 'signature', `${SUMS} does not list it, so the signature says nothing of it`),
    );
}

async function textOf(folder: string, file: string): Promise<string | undefined> {
  const place = path.join(folder, file);
  return (await files.exists(place)) ? await files.readText(place) : undefined;
}

function ok(subject: string, check: Finding['check'], detail: string): Finding {
  return { subject, check, state: 'ok', detail };
}

function failed(subject: string, check: Finding['check'], detail: string): Finding {
  return { subject, check, state: 'failed', detail };
}

function missing(subject: string, check: Finding['check'], detail: string): Finding {
  return { subject, check, state: 'missing', detail };
}
