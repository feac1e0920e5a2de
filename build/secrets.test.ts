import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { identityFromSeed, serializeIdentity } from '../agent/identity/identity.ts';
import { makeToken, tokenText } from '../agent/identity/tokens.ts';
import { secretByName, secretIn } from './secrets.ts';
import { publicKeyOf, publicKeyText, signKeyOf, signKeyText } from './trust/minisign.ts';

const base64 = (bytes: number) => randomBytes(bytes).toString('base64');
const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

test('a secret is known by its content, in whatever form it is kept', () => {
  const dashes = '-----';
  const secrets = {
    'a cluster key': `${base64(32)}\n`,
    'with a comment': `# the key of the lab\r\n\r\n${base64(32)}\r\n`,
    'in a variable': `CLUSTER_KEY=${base64(32)}\nOTHER=1\n`,
    'a token': tokenText(makeToken(randomBytes)),
    'in PEM': pem,
    'of OpenSSH': `${dashes}BEGIN OPENSSH PRIVATE KEY${dashes}\nb3Bl\n`,
    'encrypted, behind a certificate': `${dashes}BEGIN CERTIFICATE${dashes}\nMII\n${dashes}BEGIN ENCRYPTED PRIVATE KEY${dashes}\n`,
    'of PGP': `${dashes}BEGIN PGP PRIVATE KEY BLOCK${dashes}\n`,
    'in base64 once more': `client-key-data: ${Buffer.from(pem).toString('base64')}\n`,
    'of age': `# created: today\nAGE-SECRET-KEY-1${'Q'.repeat(58)}\n`,
    'of minisign': signKeyText(signKeyOf(randomBytes(32))),
    'of PuTTY': 'PuTTY-User-Key-File-3: ssh-ed25519\n',
    'of WireGuard': `[Interface]\nPrivateKey = ${base64(32)}\n`,
    'password hashes': 'daemon:*:1:0:99999:7:::\nroot:$y$j9T$abc$def:20000:0:99999:7:::\n',
    'a locked account': 'me:!$6$salt$hash:20000:0:99999:7:::\n',
    'an identity': serializeIdentity(identityFromSeed(randomBytes(32), new Date())),
    'in UTF-8 with a mark': `\ufeff${base64(32)}\r\n`,
    'exported to a shell': `export CLUSTER_KEY="${base64(32)}"\n`,
    'of gossip': `{"encrypt_key": "${base64(32)}"}\n`,
    'in base64, in lines': Buffer.from(pem).toString('base64').replace(/.{60}/g, '$&\n'),
    'of age, after quantum computers': `AGE-SECRET-KEY-PQ-1${'Q'.repeat(58)}\n`,
    'of OpenVPN': `#\n${dashes}BEGIN OpenVPN Static key V1${dashes}\n6acef03f\n`,
    'of curl': 'machine example.org\n  login me\n  password hunter2\n',
    'of PostgreSQL': '# hosts\ndb.example.org:5432:*:me:hunter2\n',
    'of a registry': '{"auths":{"registry.example":{"auth":"bWU6aHVudGVyMg=="}}}',
    'of Amazon': '[default]\naws_access_key_id = A\naws_secret_access_key = wJal\n',
    'of a forge': `GIT_TOKEN=ghp_${'a'.repeat(36)}\n`,
    'in a kubeconfig': `users: [{user: {token: eyJhbGciOiJSUzI1.eyJpc3MiOiJrdWJl.${'s'.repeat(40)}}}]\n`,
    'of k3s': `K10${'a'.repeat(64)}::server:b0b\n`,
    'of a web server': 'me:$apr1$abcdefgh$0123456789abcdefghijkl\n',
    'of Ceph': '[client.admin]\n\tkey = AQBvaBFZAAAAABAA9VHgwCg3rWn8fMaX8KL01A==\n',
    'of BIND': 'key "rndc-key" {\n  secret "6Vt9Zt9zV0cS0J2v1o2g8k0w";\n};\n',
    'of a wireless network': 'network={\n  ssid="lab"\n  psk="hunter22"\n}\n',
    JWK: '{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}',
  };
  for (const [what, text] of Object.entries(secrets)) {
    assert.notEqual(secretIn(Buffer.from(text)), undefined, what);
    const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
    assert.notEqual(secretIn(utf16), undefined, `${what}, in UTF-16`);
  }
});

test('what is public, or only speaks of secrets, is none', () => {
  const open = {
    'a public key': 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@lab\n',
    'a certificate': '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    'of minisign': publicKeyText(publicKeyOf(signKeyOf(randomBytes(32)))),
    'a peer of WireGuard': `[Peer]\nPublicKey = ${base64(32)}\nAllowedIPs = 10.0.0.0/8\n`,
    'accounts without passwords': 'root:x:0:0:root:/root:/bin/bash\ndaemon:*:1:0:99999:7:::\n',
    'a digest': `${'a'.repeat(64)}  image.qcow2\n`,
    'how to reach a registry': '{"auths": {}, "credsStore": "pass"}',
    'a machine of apt without a password': 'machine example.org login me\n',
    'prose about a machine': 'default machine of the lab\nAsk for the password.\n',
    'fields with colons': 'a:b:c:d:e\n10:30:00 12:30:15:20:10\nfe80:1:2:3:4:5:6:7\n',
    'a key file of WireGuard': '[WireGuard]\nPrivateKeyFile=/etc/wireguard/key\n',
    'where a token is': 'token: /run/secrets/token\nTOKEN_FILE=/run/token\n',
    prose: 'Keep the private key safe; /etc/shadow has mode 0640.\n',
    nothing: '',
  };
  for (const [what, text] of Object.entries(open)) assert.equal(secretIn(Buffer.from(text)), undefined, what);
});

test('a secret is known by its name too, where its content says nothing', () => {
  for (const name of [
    '/etc/shadow',
    '/etc/gshadow-',
    'lab/cluster.key',
    'CLUSTER.KEY',
    '/etc/munge/munge.key',
    '/etc/ssh/ssh_host_ed25519_key',
    '/home/me/.ssh/id_rsa',
    '/var/lib/clusteros/identity.json',
    '/etc/ssl/private/site.pem',
    '/root/.ssh/id_ed25519_work',
    '/root/.kube/config',
    'cluster.token',
    '/etc/shadow.bak',
    '/etc/host.keytab',
    '/etc/apt/auth.conf.d/lab.conf',
    '/etc/slurm/jwt_hs256.key',
  ])
    assert.notEqual(secretByName(name), undefined, name);
  for (const name of [
    '/etc/ssh/ssh_host_ed25519_key.pub',
    'id_rsa.pub',
    'shadow.md',
    'keys.txt',
    'id_rsa_work.pub',
  ])
    assert.equal(secretByName(name), undefined, name);
});
