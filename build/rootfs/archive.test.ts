import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { describeError, OperatorError } from '../errors.ts';
import { dateOf, readArchive } from './archive.ts';
import { planOf, RELEASE, serve } from './testing/archive.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

test("the archive's state is a digest for each suite and the newest date", async (t) => {
  const asked: string[] = [];
  const uri = await serve(t, ({ url = '' }, response) => {
    asked.push(url);
    response.end(
      url.includes('updates') ? RELEASE.replace('15 Nov 2025', '16 Nov 2025') : `${RELEASE}${url}`,
    );
  });
  const { apt } = planOf(uri);
  const state = await readArchive(apt);
  assert.deepEqual(
    state.releases.map(({ suite }) => suite),
    ['trixie', 'trixie-updates', 'trixie-security'],
  );
  assert.equal(state.releases[0]?.sha256, sha256(`${RELEASE}/debian/dists/trixie/InRelease`));
  assert.equal(state.date, Date.UTC(2025, 10, 16, 10) / 1000);
  assert.deepEqual(asked.sort(), [
    '/debian-security/dists/trixie-security/InRelease',
    '/debian/dists/trixie-updates/InRelease',
    '/debian/dists/trixie/InRelease',
  ]);
});

test('a mirror that redirects is followed, by each kind of redirect and relative addresses too', async (t) => {
  const kinds = [301, 302, 303, 307, 308];
  const asked: string[] = [];
  const uri = await serve(t, ({ url = '' }, response) => {
    asked.push(url);
    const [, hop = '0', rest = ''] = /^\/hop(\d)(.*)$/.exec(url) ?? [];
    const next = Number(hop) < kinds.length ? `/hop${Number(hop) + 1}${rest || url}` : undefined;
    if (next === undefined) response.end(RELEASE);
    else response.writeHead(kinds[Number(hop)] ?? 500, { location: next }).end('moved');
  });
  const { releases } = await readArchive(planOf(uri).apt);
  assert.equal(releases[0]?.sha256, sha256(RELEASE));
  assert.ok(asked.includes('/hop5/debian/dists/trixie/InRelease'));
});

test('a mirror without InRelease is taken when it has Release and Release.gpg', async (t) => {
  const uri = await serve(t, ({ url = '' }, response) => {
    if (url.endsWith('InRelease')) response.writeHead(404).end();
    else response.end(url.endsWith('.gpg') ? 'signature' : RELEASE);
  });
  const { releases, date } = await readArchive(planOf(uri).apt);
  assert.equal(releases[0]?.sha256, sha256(RELEASE));
  assert.equal(date, Date.UTC(2025, 10, 15, 10) / 1000);
});

test('a mirror whose only Release is not signed has no suite for us', async (t) => {
  const uri = await serve(t, ({ url = '' }, response) => {
    if (url.endsWith('/Release')) response.end(RELEASE);
    else response.writeHead(404).end();
  });
  await assert.rejects(readArchive(planOf(uri).apt), { code: 'mirror.no-suite' });
});

for (const [what, code, answer] of [
  ['a mirror without the suite', 'mirror.no-suite', (response) => response.writeHead(404).end('not here')],
  [
    'a mirror that redirects in a circle',
    'mirror.redirect',
    (response) => response.writeHead(302, { location: '/' }).end(),
  ],
  [
    'a mirror that redirects to another kind of address',
    'mirror.redirect',
    (response) => response.writeHead(301, { location: 'ftp://mirror.example/' }).end(),
  ],
  ['a page instead of an archive', 'mirror.not-an-archive', (response) => response.end('<html>log in here')],
  ['a date that is none', 'mirror.not-an-archive', (response) => response.end('Date: soon\n')],
  ['a mirror that takes the question and says nothing', 'mirror.unreachable', () => {}],
  [
    'a mirror that begins an answer and falls silent',
    'mirror.unreachable',
    (response) => response.write('Origin:'),
  ],
  ['a mirror that hangs up', 'mirror.unreachable', (response) => response.destroy()],
  [
    'an answer without an end',
    'mirror.unreachable',
    (response) => response.end(Buffer.alloc(9 * 2 ** 20, 'x')),
  ],
] as const satisfies readonly (readonly [
  string,
  string,
  (response: import('node:http').ServerResponse) => unknown,
])[]) {
  test(`${what} is one error that names the setting`, async (t) => {
    const uri = await serve(t, (_, response) => {
      answer(response);
    });
    const start = performance.now();
    // Short only where nobody answers: a slow machine must not turn another error into this one.
    const limitMs = /says nothing|falls silent/.test(what) ? 300 : 20_000;
    await assert.rejects(readArchive(planOf(uri).apt, undefined, limitMs), (error) => {
      assert.ok(error instanceof OperatorError);
      assert.equal(error.code, code);
      assert.equal(error.exit, 'network');
      const text = describeError(error);
      assert.match(text, /the mirror was set by the flag --mirror/);
      assert.match(text, /fix: .*--mirror URL, or base.mirror/);
      assert.match(text, /InRelease/);
      return true;
    });
    assert.ok(performance.now() - start < 15_000);
  });
}

test('a port where nobody listens is an unreachable mirror', async () => {
  await assert.rejects(readArchive(planOf('http://127.0.0.1:9/debian').apt), { code: 'mirror.unreachable' });
});

test('a stop while the mirror is silent is a stop and not a fault of the mirror', async (t) => {
  const controller = new AbortController();
  const uri = await serve(t, () => controller.abort());
  await assert.rejects(readArchive(planOf(uri).apt, controller.signal), { code: 'interrupted' });
});

test('the date of a Release file is read wherever it stands', () => {
  assert.equal(dateOf('A: b\nDate: Thu, 01 Jan 1970 00:01:00 UTC\nC: d\n', 'u'), 60);
  assert.throws(
    () => dateOf('A: b\nValid-Date: Thu, 01 Jan 1970 00:01:00 UTC', 'http://u'),
    /http:\/\/u is not a Release/,
  );
});
