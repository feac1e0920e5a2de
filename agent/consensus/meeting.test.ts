import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identityFromSeed } from '../identity/identity.ts';
import { signBirth, uuidOf } from './birth.ts';
import { createKeeper, type Durable } from './durable.ts';
import { createFounding } from './founding.ts';
import type { Sight } from './genesis.ts';
import { heirsToDecline, type OwnCluster, planMeeting } from './meeting.ts';
import { sightOf } from './testing/sight.ts';

const [SELF, SECOND, CUT_OFF] = [1, 2, 3].map((byte) =>
  identityFromSeed(Buffer.alloc(32, byte), new Date(0)),
) as [
  ReturnType<typeof identityFromSeed>,
  ReturnType<typeof identityFromSeed>,
  ReturnType<typeof identityFromSeed>,
];
const uuid = (digit: string) => uuidOf(0, `${digit.repeat(8)}-0000-4000-8000-000000000000`);
const OURS = signBirth(SELF, { uuid: uuid('a'), expect: 3 });
const HEIR = signBirth(CUT_OFF, { uuid: uuid('b'), expect: 1, ancestors: [OURS.uuid] });
const HEIR_OF_HEIR = signBirth(CUT_OFF, { uuid: uuid('c'), expect: 1, ancestors: [HEIR.uuid, OURS.uuid] });
const VOTERS = [SELF.id, SECOND.id, CUT_OFF.id];

const sight = (genesis = HEIR, more: Partial<Sight> = {}) =>
  sightOf(SELF.id, { present: [CUT_OFF.id], sightings: [{ genesis, carriers: [CUT_OFF.id] }], ...more });
const own = (durable: Partial<Durable> = {}, more: Partial<OwnCluster> = {}): OwnCluster => ({
  durable: { genesis: OURS, confirmed: true, started: true, voters: VOTERS, ...durable },
  hasData: true,
  empty: false,
  quorumLostMs: 0,
  ...more,
});

test('without a quorum a recovered cluster is followed, as an operator began it for that', () => {
  assert.equal(planMeeting(own(), sight()).kind, 'leave');
});

test('a cluster that had its quorum when it saw an heir never follows it, but by an order', () => {
  assert.deepEqual(heirsToDecline(own({}, { quorum: true, quorumLostMs: undefined }), sight()), [HEIR.uuid]);
  assert.deepEqual(heirsToDecline(own(), sight()), []);
  // After a power cut: no quorum for long.
  const noted = { notFollowed: [HEIR.uuid] };
  assert.equal(planMeeting(own(noted), sight()).kind, 'conflict');
  assert.equal(planMeeting(own(noted), sight(HEIR_OF_HEIR)).kind, 'conflict');
  assert.equal(planMeeting(own({ ...noted, follow: CUT_OFF.id }), sight()).kind, 'leave');
  assert.equal(planMeeting(own({ ...noted, follow: SECOND.id }), sight()).kind, 'conflict');
});

test('an heir that was seen with a quorum is kept as declined, so that a power cut later changes nothing', async () => {
  const { durable } = own();
  const disk: Durable[] = [];
  const keeper = createKeeper(durable, async (next) => void disk.push(next));
  const founding = createFounding({
    self: SELF,
    keeper,
    sight: () => sight(),
    call: async () => ({}),
    randomUuid: () => uuid('d'),
    log: { info: () => {}, warning: () => {} },
  });
  await founding.pass({ hasData: true, empty: false, quorum: true });
  assert.deepEqual(disk.at(-1)?.notFollowed, [HEIR.uuid]);
  const { meeting } = await founding.pass({ hasData: true, empty: false, quorumLostMs: 0 });
  assert.equal(meeting.kind, 'conflict');
  assert.equal(keeper.now().genesis?.uuid, OURS.uuid);
});

test('voters that are back after a power cut wait for their quorum instead of following an heir', () => {
  const both = [
    { genesis: HEIR, carriers: [CUT_OFF.id] },
    { genesis: OURS, carriers: [SECOND.id] },
  ];
  const back = sight(HEIR, { present: [CUT_OFF.id, SECOND.id], sightings: both });
  assert.equal(planMeeting(own(), back).kind, 'conflict');
  // The second voter has gone over, or is not there.
  assert.equal(planMeeting(own(), sight(HEIR, { present: [CUT_OFF.id], sightings: both })).kind, 'leave');
});
