import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { removeCluster } from './cluster.ts';
import { findEngine, isPodman } from './engine.ts';

const { signal } = new AbortController();

/** A program `docker` that stands in for the real one, and is the only one that is found. */
async function fakeDocker(t: TestContext, script: string): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'fake-docker.'));
  const before = process.env.PATH;
  t.after(async () => {
    process.env.PATH = before;
    await rm(folder, { recursive: true });
  });
  const file = path.join(folder, 'docker');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  process.env.PATH = `${folder}:${before}`;
}

test('a machine without Docker is told what to install', async (t) => {
  await fakeDocker(t, '');
  process.env.PATH = '/nowhere';
  await assert.rejects(findEngine({}, signal), { code: 'docker.absent', fix: /apt-get install docker\.io/ });
});

test('an engine that does not run is told, with how to start it', async (t) => {
  await fakeDocker(
    t,
    'echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." >&2; exit 1',
  );
  await assert.rejects(findEngine({}, signal), {
    code: 'docker.not-running',
    exit: 'missing',
    evidence: /Cannot connect/,
    fix: /systemctl start docker/,
  });
});

test('an engine that we may not speak to is told, with the group', async (t) => {
  await fakeDocker(t, 'echo "permission denied while trying to connect to the socket" >&2; exit 1');
  await assert.rejects(findEngine({}, signal), { code: 'docker.permission', fix: /usermod -aG docker/ });
});

test('failures with a remedy have codes of their own, and others stay what they are', async (t) => {
  await fakeDocker(t, 'case $1 in version) echo 20;; *) echo "$*" >&2; exit 125;; esac');
  const engine = await findEngine({}, signal);
  for (const [said, code] of [
    ['Error: Pool overlaps with other one on this address space', 'docker.subnet'],
    ['Conflict. The container name "/lab-node1" is already in use by container', 'docker.name-in-use'],
    ['error gathering device information while adding custom device "/dev/net/tun"', 'docker.device'],
    ['something else', 'command.failed'],
  ] as const) {
    await assert.rejects(engine.run([said]), { code }, said);
  }
  assert.equal((await engine.try(['something else'])).exitCode, 125);
});

test('podman under the name docker is refused, and so is podman behind the client of Docker', async (t) => {
  await fakeDocker(t, 'case $1 in --version) echo "podman version 4.3.1";; *) echo "{}";; esac');
  await assert.rejects(findEngine({}, signal), { code: 'docker.podman', exit: 'missing', fix: /docker\.io/ });
  assert.equal(
    isPodman('Docker version 28.2.2, build e6534b4', '{"Components":[{"Name":"Podman Engine"}]}'),
    true,
  );
  assert.equal(isPodman('Docker version 28.2.2, build e6534b4', '{"Components":[{"Name":"Engine"}]}'), false);
});

test('clean removes what is labelled under podman too, which knows no column for one label', async (t) => {
  await fakeDocker(
    t,
    `case "$*" in
      *.Label*) echo "Error: template: ps:1: function Label not defined" >&2; exit 125;;
      "ps "*) printf 'lab-node10\\nlab-node2\\n';;
      "volume ls"*) echo lab-node2;;
      "network ls"*) echo abc;;
      "rm "*|"volume rm"*|"network rm"*) ;;
      *) echo "podman version 4.3.1";;
    esac`,
  );
  const engine = await findEngine({}, signal, 'allowed');
  assert.deepEqual(await removeCluster(engine, 'lab'), [
    'node2',
    'node10',
    'volume lab-node2',
    'network abc',
  ]);
});

test("the operator's choice of an engine reaches it, and nothing else of the environment does", async (t) => {
  await fakeDocker(t, 'echo "$DOCKER_HOST $SECRET"');
  const engine = await findEngine({ DOCKER_HOST: 'ssh://lab', SECRET: 'no' }, signal);
  assert.equal((await engine.run(['ps'])).stdout.trim(), 'ssh://lab');
});
