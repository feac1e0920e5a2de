import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { Command } from 'commander';
import { seedFiles } from '../../firstboot/seed.ts';
import { loadDefinition } from '../definition/load.ts';
import type { OperatorError } from '../errors.ts';
import { files, run, which } from '../host.ts';
import type { Context } from './context.ts';
import { keyFile, registerSeed, seedInput } from './seed.ts';

const folder = await files.makeWorkFolder(tmpdir(), 'cosseedcli');
after(() => files.remove(folder));
const definitionFile = path.join(folder, 'cluster.yaml');
const clusterKey = Buffer.alloc(32, 7).toString('base64');
await files.writeAtomic(path.join(folder, 'cluster.key'), clusterKey, 0o600);
await files.writeAtomic(
  definitionFile,
  'name: lab\nseed: {timezone: Europe/Berlin}\nnode: {discovery: {join: [10.0.0.1]}, consensus: {expect: 3}}\n',
);
const definition = await loadDefinition(definitionFile);

test('the seed follows the definition, and flags stand over it', async () => {
  const plain = await seedInput(definition, { format: 'iso', key: true });
  assert.deepEqual(
    [plain.clusterName, plain.timezone, plain.expect, plain.join, plain.clusterKey, plain.hostname],
    ['lab', 'Europe/Berlin', 3, ['10.0.0.1'], clusterKey, undefined],
  );
  const flags = {
    format: 'iso',
    key: false,
    expect: 5,
    join: ['10.0.0.1', '10.0.0.2'],
    hostname: 'n1',
  } as const;
  const flagged = await seedInput(definition, flags);
  assert.deepEqual(
    [flagged.expect, flagged.join, flagged.clusterKey, flagged.hostname],
    [5, ['10.0.0.1', '10.0.0.2'], undefined, 'n1'],
  );
});

test('a token takes the place of the key, and a file that holds none is refused', async () => {
  const file = path.join(folder, 'token.txt');
  const token = `${'A'.repeat(8)}.${'b'.repeat(24)}`;
  await files.writeAtomic(file, `${token}\nIt lets one machine in until tomorrow.\n`, 0o600);
  const input = await seedInput(definition, { format: 'iso', key: true, token: file });
  assert.deepEqual([input.clusterKey, input.joinToken], [undefined, token]);
  const secrets = seedFiles(input).filter(({ path }) => /key|token/.test(path));
  assert.deepEqual(secrets, [{ path: 'clusteros/cluster.token', text: `${token}\n` }]);
  await files.writeAtomic(file, 'no token at all\n', 0o600);
  await assert.rejects(seedInput(definition, { format: 'iso', key: true, token: file }), {
    code: 'token.invalid',
  });
  await assert.rejects(seedInput(definition, { format: 'iso', key: '/k', token: file }), {
    code: 'seed.invalid',
  });
});

test('every mistake in the flags is told at once', async () => {
  const flags = { format: 'iso', key: true, hostname: 'No', join: ['a b'] } as const;
  await assert.rejects(seedInput(definition, flags), {
    code: 'seed.invalid',
    message: /2 mistakes/,
    evidence: /host name "No"[\s\S]*discovery\.join/,
  });
});

test('no file that --ssh-key names is repeated, and each bad line has its file and number', async () => {
  const [mixed, none] = [path.join(folder, 'mixed.pub'), path.join(folder, 'cluster.key')];
  const good = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEl0TDtlxsTFutZ3ux0r+9acPHZCntaOJ4j5LEtVGS8b x';
  await files.writeAtomic(mixed, `${good}\n# more\nnonsense here\n`);
  const flags = { format: 'iso', key: true, sshKey: [mixed, none], hostname: 'No' } as const;
  await assert.rejects(seedInput(definition, flags), (error: OperatorError) => {
    assert.match(
      error.evidence ?? '',
      /mixed\.pub:3: expected a public key[\s\S]*cluster\.key:1: [\s\S]*host name/,
    );
    assert.ok(!error.evidence?.includes('nonsense') && !error.evidence?.includes(clusterKey.slice(0, 6)));
    return true;
  });
});

test('the key is looked for beside the definition', () => {
  assert.equal(keyFile({ origin: '/a/b/cluster.yaml' }, true), '/a/b/cluster.key');
  assert.equal(keyFile({ origin: 'the built-in default' }, true), path.resolve('cluster.key'));
  assert.equal(keyFile({ origin: '/a/b/cluster.yaml' }, '/k'), '/k');
});

const skip = (await which('xorriso')) === undefined && 'xorriso is not installed';

test('the command writes the volume and says where it is', { skip }, async () => {
  const output = path.join(folder, 'out.iso');
  const answers: unknown[] = [];
  const program = new Command().exitOverride();
  const context: Context = {
    signal: new AbortController().signal,
    stopWithin: () => undefined,
    globals: () => ({ definition: definitionFile, json: true }),
    answer: (document) => void answers.push(document),
    emit: () => undefined,
    note: () => undefined,
    exitWith: () => undefined,
  };
  registerSeed(program, context);
  await program.parseAsync(['seed', '--output', output, '--expect', '4'], { from: 'user' });
  assert.equal((answers[0] as { file: string }).file, output);
  const { stdout } = await run(['blkid', '-p', '-o', 'value', '-s', 'LABEL', output]);
  assert.equal(stdout.trim(), 'CIDATA');
});
