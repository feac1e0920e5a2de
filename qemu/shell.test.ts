import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import { files, run, which } from '../build/host.ts';
import { knownHostsLine, makeShellKeys, sshArgv } from './shell.ts';

const folder = await files.makeWorkFolder(tmpdir(), 'cosshell');
after(() => files.remove(folder));
const skip = (await which('ssh-keygen')) === undefined && 'ssh is not installed';

test('the key pair is private, usable, and kept when it is there', { skip }, async () => {
  const keys = await makeShellKeys(folder);
  assert.equal(((await files.statOrUndefined(keys.identity))?.mode ?? 0) & 0o077, 0);
  const { stdout } = await run(['ssh-keygen', '-y', '-f', keys.identity]);
  assert.ok(keys.publicKey.startsWith(stdout.trim()));
  assert.equal((await makeShellKeys(folder)).publicKey, keys.publicKey);
});

test('ssh finds the host key of a forwarded port where it was noted', { skip }, async () => {
  const keys = await makeShellKeys(folder);
  await files.writeAtomic(keys.knownHosts, knownHostsLine(2222, `${keys.publicKey}\n`));
  const { stdout } = await run(['ssh-keygen', '-F', '[127.0.0.1]:2222', '-f', keys.knownHosts]);
  assert.match(stdout, /^\[127\.0\.0\.1\]:2222 ssh-ed25519 AAAA\S+$/m);
});

test('ssh accepts the options, checks the host key strictly and uses no other key', { skip }, async () => {
  const [program = '', ...rest] = sshArgv(2222, 'clusteros', { identity: '/k/id', knownHosts: '/k/hosts' });
  const { stdout } = await run([program, '-G', ...rest]);
  const settings = new Map(stdout.split('\n').map((line) => line.split(/ (.*)/s, 2) as [string, string]));
  assert.deepEqual(
    [
      'port',
      'user',
      'hostname',
      'identityfile',
      'userknownhostsfile',
      'stricthostkeychecking',
      'identitiesonly',
    ].map((name) => settings.get(name)),
    ['2222', 'clusteros', '127.0.0.1', '/k/id', '/k/hosts', 'true', 'yes'],
  );
});
