import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSurvey, readSurveyAnswer, refuseWhereItLives, type Survey } from './survey.ts';

const UUID = '0f8fad5b-d9cb-469f-a165-708677280000';
const OTHER = '0f8fad5b-d9cb-469f-a165-708677280001';
const own = { uuid: UUID, quorum: false, place: 'voter', index: '40' } as const;
const about = (answer: Survey['others'][number]['answer'], name = 'n2') => ({
  ...{ id: name, name, voter: true, lastSeen: '2026-01-01T00:00:00.000Z' },
  answer,
});

test('a cluster is not begun again while one node that answers has its quorum', () => {
  const living = { own, others: [about({ ...own, quorum: true })] };
  assert.throws(() => refuseWhereItLives(living), {
    code: 'recover.quorum-elsewhere',
    evidence: /^n2 reaches/,
  });
  // Another cluster's quorum says nothing of ours, nor does silence.
  refuseWhereItLives({ own, others: [about({ ...own, quorum: true, uuid: OTHER }), about(undefined)] });
});

test('the operator sees who answers, whose data is newer, and who was last seen when', () => {
  const others = [
    about(undefined, 'n2'),
    { ...about(undefined, 'n3'), lastSeen: undefined },
    about({ ...own, index: '41' }, 'n4'),
    about({ ...own, uuid: OTHER }, 'n5'),
  ];
  assert.deepEqual(describeSurvey({ own, others }), [
    'this node: data up to 40',
    'n2 (voter): does not answer, last seen 2026-01-01T00:00:00.000Z',
    'n3 (voter): does not answer, last seen before this agent started',
    'n4 (voter): answers, data up to 41',
    'n5 (voter): answers, in another cluster',
    'n4 has newer data than this node: recover there instead',
  ]);
});

test('an answer that is none counts as none', () => {
  for (const bad of [undefined, null, {}, { ...own, index: '-1' }, { ...own, uuid: 'x' }, [own]])
    assert.equal(readSurveyAnswer(bad), undefined);
  assert.deepEqual(readSurveyAnswer(own), own);
});
