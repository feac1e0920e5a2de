import * as z from 'zod';
import type { Consensus } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { uuidSchema } from './birth.ts';

/** The kind of the request on the peer channel. */
export const SURVEY = 'survey';

/** What a node says before an operator begins its cluster again on another one. */
export interface SurveyAnswer {
  readonly uuid?: string | undefined;
  readonly quorum: boolean;
  readonly place: Consensus['place'];
  /** Of the Raft log that etcd has there: the highest has the newest data. */
  readonly index?: string | undefined;
}

export interface Surveyed {
  readonly id: string;
  readonly name: string;
  /** Absent when the node does not answer. */
  readonly answer?: SurveyAnswer | undefined;
  /** Was a voter when a majority answered last. */
  readonly voter: boolean;
  /** ISO 8601; absent when this agent has not seen it since it started. */
  readonly lastSeen?: string | undefined;
}

export interface Survey {
  readonly own: SurveyAnswer;
  readonly others: readonly Surveyed[];
}

const answerSchema = z.object({
  uuid: uuidSchema.optional(),
  quorum: z.boolean(),
  place: z.enum(['none', 'client', 'learner', 'voter']),
  index: z
    .string()
    .regex(/^\d{1,20}$/)
    .optional(),
});

/** Undefined for whatever is no answer. Never throws. Pure. */
export function readSurveyAnswer(value: unknown): SurveyAnswer | undefined {
  return answerSchema.safeParse(value).data;
}

/**
 * A node that is cut off must not begin its cluster again while that one works elsewhere. Pure.
 *
 * @throws AgentError `recover.quorum-elsewhere`
 */
export function refuseWhereItLives({ own, others }: Survey): void {
  const living = others.filter(({ answer }) => answer?.quorum && answer.uuid === own.uuid);
  if (living.length === 0) return;
  throw new AgentError({
    code: 'recover.quorum-elsewhere',
    exit: 'notDone',
    message: 'the cluster has a quorum: only this node is cut off from it, and nothing is lost',
    evidence: living.map(({ name }) => `${name} reaches a majority of the voters`).join('\n'),
    fix: 'mend the network between this node and the voters: node-agent status',
  });
}

/** Who answers, with which data, and who was last seen when; a line each. Pure. */
export function describeSurvey({ own, others }: Survey): string[] {
  const newest = others.filter(
    ({ answer }) => answer?.uuid === own.uuid && isNewer(answer?.index, own.index),
  );
  const lines = others.map(({ name, voter, answer, lastSeen }) => {
    const who = `${name}${voter ? ' (voter)' : ''}`;
    if (answer === undefined)
      return `${who}: does not answer, last seen ${lastSeen ?? 'before this agent started'}`;
    const data = answer.index === undefined ? 'no data of its own' : `data up to ${answer.index}`;
    return `${who}: answers, ${answer.uuid === own.uuid ? data : 'in another cluster'}`;
  });
  return [
    `this node: ${own.index === undefined ? 'no running etcd' : `data up to ${own.index}`}`,
    ...lines,
    ...newest.map(({ name }) => `${name} has newer data than this node: recover there instead`),
  ];
}

function isNewer(theirs: string | undefined, ours: string | undefined): boolean {
  return theirs !== undefined && (ours === undefined || BigInt(theirs) > BigInt(ours));
}
