import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostMirrorOf, parseAptSources, securityMirrorBeside } from './apt-sources.ts';

const DEB822 = `# See sources.list(5)
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: trixie trixie-updates
Components: main
 non-free-firmware
# a comment inside
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie
Components: main

Types: deb-src
URIs: http://src.example/debian
Suites: trixie
Components: main
`;

test('both formats of apt give the same archives, and what is off or source only is left out', () => {
  const sources = parseAptSources('debian.sources', DEB822);
  assert.deepEqual(
    sources.map(({ uri, suite }) => `${uri} ${suite}`),
    [
      'http://mirror.example/debian/ trixie',
      'http://mirror.example/debian/ trixie-updates',
      'http://mirror.example/debian-security trixie-security',
    ],
  );
  assert.deepEqual(sources[0]?.components, ['main', 'non-free-firmware']);
  const lines = parseAptSources(
    'sources.list',
    'deb [arch=amd64 signed-by=/k.gpg] http://m/debian trixie main contrib # why\n# deb http://x/debian trixie main\ndeb-src http://m/debian trixie main\n deb http://m/debian trixie-updates main\n',
  );
  assert.deepEqual(lines, [
    { uri: 'http://m/debian', suite: 'trixie', components: ['main', 'contrib'], signedBy: '/k.gpg' },
    { uri: 'http://m/debian', suite: 'trixie-updates', components: ['main'], signedBy: undefined },
  ]);
});

test("the host's mirror is the one of its distribution, with its security archive", () => {
  assert.deepEqual(hostMirrorOf(parseAptSources('a.sources', DEB822), 'debian'), {
    mirror: 'http://mirror.example/debian',
    securityMirror: 'http://mirror.example/debian-security',
  });
  const ubuntu =
    'deb http://de.archive.ubuntu.com/ubuntu/ noble main universe\ndeb http://security.ubuntu.com/ubuntu noble-security main\n';
  assert.deepEqual(hostMirrorOf(parseAptSources('sources.list', ubuntu), 'ubuntu'), {
    mirror: 'http://de.archive.ubuntu.com/ubuntu',
    securityMirror: 'http://security.ubuntu.com/ubuntu',
  });
});

test('archives of vendors, snapshots, discs and local files are no mirror of the distribution', () => {
  const vendors = [
    'deb https://download.docker.com/linux/debian trixie stable',
    'deb https://apt.releases.hashicorp.com trixie main',
    'deb https://packages.cloud.google.com/apt cloud-sdk-trixie main',
    'deb https://apt.postgresql.org/pub/repos/apt trixie-pgdg main',
    'deb cdrom:[Debian]/debian trixie main',
    'deb file:/srv/debian trixie main',
    'deb http://snapshot.debian.org/archive/debian/20250101T000000Z trixie main',
    'deb http://u:secret@mirror.example/debian trixie main',
    'deb http://mirror.example/debian ./',
    'nonsense',
  ].join('\n');
  assert.equal(hostMirrorOf(parseAptSources('x.list', vendors), 'debian'), undefined);
});

test('a mirror with another folder counts when the distribution signs it', () => {
  const line =
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://nexus.example/repository/apt trixie main';
  assert.equal(
    hostMirrorOf(parseAptSources('x.list', line), 'debian')?.mirror,
    'https://nexus.example/repository/apt',
  );
});

test('the security updates are beside the mirror', () => {
  assert.equal(securityMirrorBeside('http://m/debian', 'debian'), 'http://m/debian-security');
  assert.equal(securityMirrorBeside('http://m/ubuntu', 'ubuntu'), 'http://m/ubuntu');
});
