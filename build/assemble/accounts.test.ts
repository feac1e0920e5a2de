import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withUsers } from './accounts.ts';

const users = [
  { name: 'clusteros-serf', id: 871, summary: 'Cluster-OS gossip' },
  { name: 'clusteros-etcd', id: 872, summary: 'Cluster-OS consensus' },
];

test('each user gets a group of its name, no password and no shell', () => {
  assert.equal(
    withUsers('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\n', users),
    'root:x:0:0:root:/root:/bin/bash\n' +
      'clusteros-serf:x:871:871:Cluster-OS gossip:/nonexistent:/usr/sbin/nologin\n' +
      'clusteros-etcd:x:872:872:Cluster-OS consensus:/nonexistent:/usr/sbin/nologin\n',
  );
  assert.equal(withUsers('/etc/group', '', users), 'clusteros-serf:x:871:\nclusteros-etcd:x:872:\n');
  assert.equal(
    withUsers('/etc/shadow', 'root:*:1:0:99999:7:::\n', users.slice(0, 1)),
    'root:*:1:0:99999:7:::\nclusteros-serf:!*:::::::\n',
  );
  assert.equal(withUsers('/etc/gshadow', '', users.slice(0, 1)), 'clusteros-serf:!*::\n');
  assert.equal(withUsers('/etc/shadow', 'root:*:1\n', []), 'root:*:1\n');
});

test('a name or a number that a package has taken stops the build', () => {
  const refused = (file: '/etc/passwd' | '/etc/group', text: string) =>
    assert.throws(() => withUsers(file, text, users), /of the packages has/);
  refused('/etc/passwd', 'clusteros-etcd:x:150:150::/:/bin/sh\n');
  refused('/etc/passwd', 'other:x:871:5::/:/bin/sh\n');
  refused('/etc/group', 'other:x:872:\n');
});
