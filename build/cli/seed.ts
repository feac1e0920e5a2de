import * as path from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { checkSeed } from '../../firstboot/checks.ts';
import { readClusterKey, readJoinToken, readPublicKeys } from '../../firstboot/secrets.ts';
import { type SeedInput, seedFiles } from '../../firstboot/seed.ts';
import { SEED_FORMATS, SEED_INTENT, type SeedFormat, writeVolume } from '../../firstboot/volume.ts';
import { NO_LOGIN_BY_CERTIFICATE } from '../../settings/ssh-keys.ts';
import { type Definition, loadDefinition } from '../definition/load.ts';
import { OperatorError } from '../errors.ts';
import { fileSystemName } from '../file-systems.ts';
import { pasteable, places } from '../host.ts';
import { assertMayWrite, outputFile } from '../may-write.ts';
import type { Context, Register } from './context.ts';
import { KEY_NAME } from './init.ts';

interface SeedFlags {
  readonly format: SeedFormat;
  readonly output?: string;
  /** False for --no-key. */
  readonly key: string | boolean;
  readonly token?: string;
  readonly sshKey?: readonly string[];
  readonly hostname?: string;
  readonly expect?: number;
  readonly join?: readonly string[];
  readonly force?: boolean;
}

const OUTPUTS: Readonly<Record<SeedFormat, string>> = { iso: 'seed.iso', fat: 'seed.img' };

export const registerSeed: Register = (program, context) => {
  program
    .command('seed')
    .description('make the seed: the volume that brings key, settings and SSH keys to machines')
    .addOption(
      new Option('--format <format>', 'fat can be edited later').choices(SEED_FORMATS).default('iso'),
    )
    .option('--output <file>', `the volume (default: ${OUTPUTS.iso}, or ${OUTPUTS.fat} for fat)`)
    .addOption(
      new Option('--key <file>', 'the cluster key').default(true, `${KEY_NAME} beside the definition`),
    )
    .option('--no-key', 'omit the key; machines wait for one')
    .option('--token <file>', 'an enrolment token (node-agent token create) in place of the key')
    .option('--ssh-key <file...>', 'public SSH keys that may log in, besides those of the definition')
    .option('--hostname <name>', 'for a seed of one machine; without it every machine names itself')
    .option('--expect <n>', 'the cluster begins when most of this many machines have met', wholeNumber)
    .option('--join <host...>', 'machines to ask, besides those on the LAN')
    .option('--force', 'replace a seed that was edited, or another file; a key is never replaced')
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build seed --ssh-key ~/.ssh/id_ed25519.pub
  npx clusteros-build seed --format fat --expect 3 --join 192.168.1.10
  npx clusteros-build seed --token token.txt --output more-machines.iso
`,
    )
    .action((flags: SeedFlags) => seed(context, flags));
};

async function seed(context: Context, flags: SeedFlags): Promise<void> {
  const definition = await loadDefinition(context.globals().definition);
  const input = await seedInput(definition, flags, context.note);
  const output = outputFile(flags.output ?? OUTPUTS[flags.format], SEED_INTENT.what);
  await assertMayWrite(output, { ...SEED_INTENT, force: flags.force === true });
  await writeVolume(seedFiles(input), flags.format, output, context.signal);
  await warnOfModes(context, output, input);
  if (input.authorizedKeys.length === 0) {
    context.note('clusteros: this seed has no SSH key, so nobody can log in; add one with --ssh-key');
  }
  const { clusterName, hostname, authorizedKeys, expect, join } = input;
  const document = {
    file: output,
    format: flags.format,
    cluster: clusterName,
    hostname: hostname ?? null,
    sshKeys: authorizedKeys.length,
    clusterKey: input.clusterKey !== undefined,
    token: input.joinToken !== undefined,
    expect: expect ?? null,
    join,
  };
  context.answer(document, () => resultAsText(output, input));
}

/** The seed holds the key; where its mode is not kept, it is everybody's who uses this machine. */
async function warnOfModes(context: Context, output: string, input: SeedInput): Promise<void> {
  if (input.clusterKey === undefined && input.joinToken === undefined) return;
  const folder = path.dirname(output);
  if (await places.keepsModes(folder)) return;
  const kind = fileSystemName(await places.fileSystemOf(folder));
  context.note(
    `clusteros: ${output} lies on ${kind}, which keeps no permissions: every user of this machine can read the key in it`,
  );
}

/**
 * The seed of a definition with the flags over it.
 *
 * @throws OperatorError `seed.invalid` with every mistake; `key.*`
 */
export async function seedInput(
  definition: Definition,
  flags: SeedFlags,
  note: (line: string) => void = () => undefined,
): Promise<SeedInput> {
  const fromFiles = await Promise.all(
    (flags.sshKey ?? []).map(async (file) => ({ file, ...(await readPublicKeys(file)) })),
  );
  const input: SeedInput = {
    clusterName: definition.name,
    hostname: flags.hostname ?? definition.seed.hostname,
    user: definition.seed.user,
    authorizedKeys: [
      ...new Set([...definition.seed.ssh_authorized_keys, ...fromFiles.flatMap(({ keys }) => keys)]),
    ],
    timezone: definition.seed.timezone,
    network: definition.seed.network,
    ...(await membership(definition, flags)),
    expect: flags.expect ?? definition.node.consensus.expect,
    join: [...new Set([...definition.node.discovery.join, ...(flags.join ?? [])])],
  };
  const inFiles = fromFiles.flatMap(({ file, mistakes }) =>
    mistakes.map(({ line, text }) => `${file}:${line}: ${text}`),
  );
  assertSeed(input, inFiles);
  for (const { file, certificates } of fromFiles)
    for (const line of certificates) note(`clusteros: ignored ${file}:${line}: ${NO_LOGIN_BY_CERTIFICATE}`);
  return input;
}

/** What makes a machine a member: the key, or a token that gets it there. */
async function membership(
  definition: Definition,
  { key, token }: SeedFlags,
): Promise<Pick<SeedInput, 'clusterKey' | 'joinToken'>> {
  if (token === undefined) {
    return { clusterKey: key === false ? undefined : await readClusterKey(keyFile(definition, key)) };
  }
  if (typeof key !== 'string') return { joinToken: await readJoinToken(path.resolve(token)) };
  throw new OperatorError({
    code: 'seed.invalid',
    message: 'a seed brings a key or a token, and not both',
    fix: 'leave out --key or --token',
  });
}

/**
 * @param inFiles what is wrong with the files that the flags name
 * @throws OperatorError `seed.invalid` with every mistake
 */
export function assertSeed(input: SeedInput, inFiles: readonly string[] = []): void {
  const mistakes = [...inFiles, ...checkSeed(input)];
  if (mistakes.length === 0) return;
  throw new OperatorError({
    code: 'seed.invalid',
    message: `${mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`} in the values for the seed`,
    evidence: mistakes.join('\n'),
    fix: 'correct the flag or the definition (see: npx clusteros-build seed --help)',
  });
}

/** The key that belongs to a definition. */
export function keyFile(definition: Pick<Definition, 'origin'>, flag: string | boolean): string {
  if (typeof flag === 'string') return path.resolve(flag);
  const beside = definition.origin.startsWith('the ') ? '.' : path.dirname(definition.origin);
  return path.resolve(beside, KEY_NAME);
}

export function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a whole number above 0.');
}

function resultAsText(output: string, input: SeedInput): string {
  const file = path.relative(process.cwd(), output) || output;
  const whose = input.hostname ? `for the machine ${input.hostname}` : 'for any number of machines';
  return [
    `wrote ${file}: the seed of the cluster ${input.clusterName}, ${whose}`,
    ...(input.clusterKey ? ['It holds the cluster key: keep it as safe as the key.'] : []),
    ...(input.joinToken ? ['It holds an enrolment token, and is worthless once that has expired.'] : []),
    '',
    'Attach it as a second drive; machines know it by its label CIDATA:',
    `  QEMU     ${pasteable(['-drive', `file=${file.replaceAll(',', ',,')},format=raw,if=virtio,readonly=on`])}`,
    `  libvirt  virt-install ... ${pasteable(['--disk', `path=${output},readonly=on`])}`,
    `  metal    sudo npx clusteros-build flash DEVICE ${pasteable([file])}       onto a second stick`,
  ].join('\n');
}
