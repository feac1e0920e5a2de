import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeError } from '../errors.ts';
import { tryRun } from '../host.ts';
import { probeNamespaces, refusedToRoot, refusedToUser } from './namespaces.ts';

test('a user without subordinate ids is told so, with the command that gives them', () => {
  // mmdebstrap 1.3.5
  const said = 'W: /etc/subuid is empty\nE: failed to parse /etc/subuid and /etc/subgid\n';
  const error = refusedToUser(said, 'ada');
  assert.equal(error.code, 'namespaces.subuid');
  assert.match(describeError(error), /ada has no subordinate ids[\s\S]*usermod --add-subuids .* ada/);
});

test('missing newuidmap and a kernel without user namespaces are told apart', () => {
  assert.equal(refusedToUser('W: cannot find newuidmap\n', 'ada').code, 'namespaces.uidmap');
  const error = refusedToUser('E: unshare() failed: Operation not permitted\n', 'ada');
  assert.equal(error.code, 'namespaces.user');
  assert.match(describeError(error), /apparmor_restrict_unprivileged_userns/);
});

test('root in an ordinary container is told which capability is missing', () => {
  const error = refusedToRoot('unshare: unshare failed: Operation not permitted\n');
  assert.equal(error.exit, 'missing');
  assert.match(describeError(error), /CAP_SYS_ADMIN[\s\S]*unshare failed[\s\S]*--cap-add SYS_ADMIN/);
});

test('the probe tells what a build would meet, and leaves no mount behind', async () => {
  const mounts = async () => (await tryRun(['findmnt', '--noheadings', '--output', 'TARGET,SOURCE'])).stdout;
  const before = await mounts();
  // It depends on the machine; but it ends, and says something that helps.
  const found = await probeNamespaces();
  assert.match(found?.code ?? 'namespaces.', /^namespaces\./);
  assert.equal(await mounts(), before);
});
