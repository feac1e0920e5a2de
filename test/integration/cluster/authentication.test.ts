// needs: cpu 0.8, memory 1.5 GiB
/**
 * Who does not hold the cluster key never becomes a member, and nobody passes for another node: by the key, by
 * gossip, by a card that was copied, and by a whole disk that was copied. Each refusal is told with its address.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import type { SignedCard } from '../../../agent/engine/resources.ts';
import { PINNED_NODE } from '../../cluster/agent-bundle.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import type { Imposture, SHAPES, Verdicts } from '../../cluster/impostor-program.ts';
import type { Machine } from '../../cluster/machines.ts';
import type { HostMachine } from '../../cluster/namespaces/machine.ts';
import { step } from '../../cluster/step.ts';
import { eventually } from '../../cluster/waits.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

const WAIT_MS = 90_000;
const IMPOSTOR = path.resolve(import.meta.dirname, '../../cluster/impostor-program.ts');

test('nobody gets in without the key, and nobody passes for another node', async (t) => {
  const key = newKey();
  await withCluster(t, { hosts: 3, seed: { key } }, async (cluster) => {
    const members = [...cluster.machines] as [HostMachine, HostMachine, HostMachine];
    const [one, two, three] = members;
    await formCluster(members);

    await step(t, 'a node with another key never becomes a member, and both sides say so', async () => {
      const nodeYaml = `discovery:\n  join: [${one.address}]\n`;
      const other = await cluster.add({ name: 'other', seed: { key: newKey(), nodeYaml } });
      await other.startAgent();
      for (const [here, there] of [
        [one, other],
        [other, one],
      ] as const) {
        await eventually(
          `${here.name} logs that it refused ${there.name}`,
          async () => (await refusalLines(here, there)).length > 0,
          { deadlineMs: WAIT_MS },
        );
        const { refusals = [] } = await here.agentStatus();
        assert.ok(refusals.some(({ address, code }) => address === there.address && code === 'other-key'));
        assert.match(
          await here.must(['node-agent', 'status']),
          new RegExp(`${there.address}: failed authentication: `),
        );
      }
      await onlyThese(members);
      const { members: seen = [], cluster: own } = await other.agentStatus();
      assert.deepEqual(
        seen.map(({ name }) => name),
        ['other'],
      );
      const { cluster: theirs } = await one.agentStatus();
      assert.notEqual(own.uuid ?? 'none', theirs.uuid);
    });

    await step(t, 'a Serf without encryption never becomes a member, and is told of', async () => {
      const bare = await cluster.add({ name: 'bare' });
      const join = members.flatMap(({ address }) => ['-retry-join', `${address}:7946`]);
      const serf = ['serf', 'agent', '-node=bare', `-bind=${bare.address}`, '-retry-interval=3s', ...join];
      const unheard = ['bash', '-c', 'exec "$@" >/tmp/serf.log 2>&1', 'bash'];
      await bare.must(['setsid', '--fork', ...unheard, ...serf]);
      await eventually(
        'a member logs that it refused it',
        async () => (await Promise.all(members.map((each) => refusalLines(each, bare)))).flat().length > 0,
        { deadlineMs: WAIT_MS },
      );
      await onlyThese(members);
      await eventually(
        'it has only itself',
        async () => /^bare .* alive[^\n]*\n$/.test(await bare.must(['serf', 'members'])),
        { deadlineMs: WAIT_MS },
      );
    });

    await step(t, 'a card without its private key, an altered and an oversized one are refused', async () => {
      const impostor = await cluster.add({ name: 'impostor' });
      const cards = await eventually('the cards are on the disk', () => cardsOf(one), {
        deadlineMs: WAIT_MS,
      });
      const stolen = cards.find((card) => nameIn(card) === three.name);
      assert.ok(stolen !== undefined);
      for (let n = 0; n < 3; n += 1) {
        const asked: Imposture = { key, card: stolen, target: { address: one.address, port: 7947 } };
        const said = await impostor.must([PINNED_NODE, IMPOSTOR], { input: JSON.stringify(asked) });
        const verdicts = JSON.parse(said) as Verdicts;
        assert.deepEqual(verdicts, {
          replayed: 'replayed',
          altered: 'altered',
          oversized: 'oversized',
          'large-request': 'the request was too large',
        } satisfies Record<(typeof SHAPES)[number], string>);
      }
      const lines = await refusalLines(one, impostor);
      for (const reason of [/replayed card/, /altered/, /more than 4096 bytes/, /request is larger/]) {
        // Three times within the minute, logged once; both sizes share their line.
        const told = lines.filter((line) => reason.test(line)).length;
        assert.ok(told <= 1, lines.join('\n'));
        if (!/request/.test(reason.source)) assert.equal(told, 1, `${reason}: ${lines.join('\n')}`);
      }
      const { refusals = [] } = await one.agentStatus();
      const counts = refusals
        .filter(({ address }) => address === impostor.address)
        .map(({ code, times }) => `${code} ${times}`);
      assert.deepEqual(counts.sort(), ['altered 3', 'oversized 6', 'replayed 3']);
      await onlyThese(members);
      await impostor.powerCut();
    });

    await step(t, 'a cloned disk never votes, also while its original is off', async () => {
      await three.stopAgent();
      const clone = await cluster.add({ name: 'clone' });
      await cluster.copyState(three, clone);
      await three.startAgent();
      await settled(members);
      await three.powerCut();
      await clone.startAgent();
      await clone.until(
        'knows that its data is old',
        (status) => codesOf(status).includes('consensus.old-data'),
        WAIT_MS,
      );
      assert.equal(await hasRunEtcd(clone), false);
      await clone.powerCut();
      await three.powerOn();
      await settled(members);
    });

    await step(t, 'a cloned disk is told to stand back, and can become a node of its own', async () => {
      const clone = cluster.machine('clone');
      const [before] = await settled(members);
      await clone.powerOn();
      const duplicate = (status: Conditions) => codesOf(status).includes('identity.duplicate');
      const status = await clone.until('knows that it is the clone', duplicate, WAIT_MS);
      const [condition] = status.conditions;
      assert.equal(condition?.code, 'identity.duplicate');
      assert.match(condition.summary, new RegExp(`the machine at ${three.address} has the same identity`));
      await eventually(
        'no engine runs on the clone',
        async () => {
          const running = (await clone.processes()).map(({ name }) => name);
          return !running.some((name) => ['serf', 'etcd', 'wireguard-go'].includes(name));
        },
        { deadlineMs: WAIT_MS },
      );
      assert.equal(await hasRunEtcd(clone), false);
      const [after] = await settled(members);
      assert.equal(after?.cluster.uuid, before?.cluster.uuid);
      assert.ok(!duplicate(await three.agentStatus()));
      // A third node may have told the clone before the two met.
      await eventually(
        'the original logs who had its identity',
        async () =>
          (await linesOf(three)).some((line) => /cloned disk/.test(line) && line.includes(clone.address)),
        { deadlineMs: WAIT_MS },
      );

      await clone.must(['node-agent', 'reset', '--yes'], { timeoutMs: 60_000 });
      const all = await settled([...members, clone]);
      assert.equal(all[3]?.cluster.uuid, before?.cluster.uuid);
      assert.ok(!all.slice(0, 3).some(({ id }) => id === all[3]?.id));
    });

    await step(t, 'those with another key and without one still try, and fill no log', async () => {
      const clone = cluster.machine('clone');
      await onlyThese([clone, ...members]);
      // Those whose agent has not been started again since.
      for (const machine of [one, two, cluster.machine('other')]) {
        const last = new Map<string, number>();
        for (const { text, atMs } of (await machine.record()).lines) {
          if (!text.includes('failed authentication')) continue;
          const pauseMs = atMs - (last.get(text) ?? Number.NEGATIVE_INFINITY);
          assert.ok(pauseMs > 55_000, `${machine.name} logs again after ${pauseMs} ms: ${text}`);
          last.set(text, atMs);
        }
      }
      const { refusals = [] } = await one.agentStatus();
      const other = refusals.find(({ address }) => address === cluster.machine('other').address);
      assert.ok((other?.times ?? 0) > 10, 'its beacon comes each second');
      assert.equal((await cluster.machine('other').agentStatus()).members?.length, 1);
    });
  });
});

interface Conditions {
  readonly conditions: readonly { readonly code: string }[];
}

function codesOf({ conditions }: Conditions): string[] {
  return conditions.map(({ code }) => code);
}

/** Since the machine was switched on: the agent keeps what etcd says. */
async function hasRunEtcd(machine: Machine): Promise<boolean> {
  return (await machine.exec(['test', '-e', `${machine.paths.run}/log/etcd.log`])).code === 0;
}

async function linesOf(machine: Machine): Promise<string[]> {
  return (await machine.record()).lines.map(({ text }) => text);
}

/** What the agent of `here` logged of refusing `there`. */
async function refusalLines(here: Machine, there: Machine): Promise<string[]> {
  const peer = `"peer":"${there.address}"`;
  return (await linesOf(here)).filter(
    (line) => line.includes('"failed authentication: ') && line.includes(peer),
  );
}

async function onlyThese(machines: readonly Machine[]): Promise<void> {
  const names = machines.map(({ name }) => name);
  for (const machine of machines) {
    const { members = [], state } = await machine.agentStatus();
    assert.deepEqual(
      members.map(({ name }) => name),
      names,
      `members in the eyes of ${machine.name}`,
    );
    assert.equal(state, 'ready');
  }
}

async function cardsOf(machine: Machine): Promise<readonly SignedCard[]> {
  const text = await machine.readText(path.join(machine.paths.state, 'cards.json'));
  return (JSON.parse(text) as { cards: SignedCard[] }).cards;
}

function nameIn({ body }: SignedCard): string {
  return (JSON.parse(Buffer.from(body, 'base64').toString('utf8')) as { name: string }).name;
}
