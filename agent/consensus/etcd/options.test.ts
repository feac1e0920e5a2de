import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { makeSandbox } from '../../testing/sandbox.ts';
import { clientUrlOf, ETCD, memberConfig, QUOTA_BYTES } from './config.ts';
import { type RELEASES, releaseOf } from './options.ts';
import { freePort } from './testing/rig.ts';

const wish = {
  nodeId: 'a',
  meshAddress: '127.0.0.1',
  tls: { ca: '', certificate: '', key: '' },
  state: 'new',
  token: 'uuid',
  timers: 'slow',
} as const;

/** The installed one, and builds of others: `CLUSTEROS_TEST_ETCDS=/a/etcd:/b/etcd`. */
const PROGRAMS = [ETCD, ...(process.env.CLUSTEROS_TEST_ETCDS ?? '').split(':').filter(Boolean)];

for (const program of PROGRAMS) {
  const skip = existsSync(program) ? false : `${program} is not installed`;

  test(`every option of ${program} takes effect, by its own log`, { skip, timeout: 120_000 }, async (t) => {
    const { folder } = makeSandbox(t);
    const release = releaseOf(await printed(program));
    assert.ok(release);
    const [peerPort, clientPort] = [await freePort(), await freePort()];
    const members = { a: `http://127.0.0.1:${peerPort}` };
    const dataFolder = `${folder}/data`;
    const whole = memberConfig({
      ...wish,
      dataFolder,
      members,
      peerPort,
      clientPort,
      verbose: true,
      release,
    });
    const { 'client-transport-security': _, 'peer-transport-security': __, ...options } = JSON.parse(whole);
    const file = `${folder}/etcd.json`;
    // Without TLS, for which this test has no certificates: the cluster's tests do.
    const plain = JSON.stringify(options, undefined, 1).replaceAll('https://', 'http://');
    writeFileSync(file, plain.replace(/,http:\/\/127[^"]*/, ''));

    const first = await logUntil(t, program, file, SERVES);
    const told = JSON.parse(first.find((line) => line.includes('"starting an etcd server"')) ?? '{}');
    const shown = Object.fromEntries(Object.keys(EFFECTS).map((key) => [key, told[key]]));
    assert.deepEqual(shown, EFFECTS);
    // A member that has data compares it before it serves: the one option whose name changed.
    const second = await logUntil(t, program, file, SERVES, async () => {
      const url = `${clientUrlOf('127.0.0.1', clientPort).replace('https', 'http')}/v3/maintenance/status`;
      assert.equal(
        (await fetch(url, { method: 'POST', body: '{}' })).status,
        200,
        'the JSON gateway answers',
      );
    });
    assert.ok(
      second.some((line) => /initial corruption check(ing)? passed/.test(line)),
      second.join('\n'),
    );
  });
}

const SERVES = /serving client traffic/;

/** What etcd says of itself when it starts: its words for what the options ask. */
const EFFECTS = {
  name: 'a',
  'heartbeat-interval': '500ms',
  'election-timeout': '5s',
  'pre-vote': true,
  'snapshot-count': 10_000,
  'quota-backend-bytes': QUOTA_BYTES,
  'auto-compaction-mode': 'periodic',
  'auto-compaction-interval': '1h0m0s',
  'initial-cluster-state': 'new',
  'initial-cluster-token': 'uuid',
  'force-new-cluster': false,
};

test('each release gets the names that it knows, and no name that it would ignore', () => {
  const keys = (release: (typeof RELEASES)[number]) => {
    const members = { a: 'https://127.0.0.1:1' };
    const text = memberConfig({ ...wish, dataFolder: '/d', members, peerPort: 1, clientPort: 2, release });
    return Object.keys(JSON.parse(text));
  };
  const old = ['experimental-initial-corrupt-check', 'enable-v2'];
  for (const release of ['3.4', '3.5'] as const) {
    assert.ok(old.every((key) => keys(release).includes(key)));
    assert.ok(!keys(release).includes('feature-gates'));
  }
  for (const release of ['3.6', '3.7'] as const) {
    assert.deepEqual(
      keys(release).filter((key) => old.includes(key) || key.startsWith('experimental-')),
      [],
    );
    assert.ok(keys(release).includes('feature-gates'));
  }
});

test('the release is read from what etcd prints; a newer one is taken for the newest that we know', () => {
  assert.deepEqual(
    ['3.4.23', '3.5.16', '3.6.0', '3.7.3', '3.8.0-rc.0', '3.3.25', '2.3.8'].map((version) =>
      releaseOf(`etcd Version: ${version}\nGit SHA: x\nGo Version: go1.19\n`),
    ),
    ['3.4', '3.5', '3.6', '3.7', '3.7', undefined, undefined],
  );
  assert.equal(releaseOf('command not found'), undefined);
});

function printed(program: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['--version'], { env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', () => resolve(text));
  });
}

/** The lines up to and with the one that is awaited; then etcd is ended. */
function logUntil(
  t: { after: (work: () => void) => void },
  program: string,
  file: string,
  awaited: RegExp,
  meanwhile: () => Promise<void> = async () => {},
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [`--config-file=${file}`], { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => void child.kill('SIGKILL'));
    let [text, reached] = ['', false];
    let work = Promise.resolve();
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (reached || !awaited.test(text)) return;
      reached = true;
      work = meanwhile();
      void work.finally(() => child.kill('SIGTERM')).catch(() => {});
    });
    child.once('close', () => {
      if (reached) work.then(() => resolve(text.split('\n')), reject);
      else reject(new Error(`etcd ended before ${awaited}:\n${text}`));
    });
  });
}
