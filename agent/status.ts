import { configError } from './config/problems.ts';
import { AgentError } from './errors.ts';
import type { Facts } from './gather.ts';
import type { Address } from './host/network.ts';
import type { SeedItem } from './seed/report.ts';

/** From worst to best, but for `starting`, which only says that nothing has been looked at yet. */
export const STATES = ['starting', 'failed', 'misconfigured', 'waiting', 'ready'] as const;
export type State = (typeof STATES)[number];

/** Something that keeps the node from being ready. */
export interface Condition {
  /** Stable: `key.missing`, `config.invalid`, `identity.mode`. */
  readonly code: string;
  readonly state: Exclude<State, 'starting' | 'ready'>;
  /** What is wrong or waited for. */
  readonly summary: string;
  readonly evidence?: string | undefined;
  /** What would end it, as an order. */
  readonly endedBy: string;
  /** ISO 8601, by the clock as it is set when it is asked. */
  readonly since: string;
}

/** A condition as its finder has it; since when is known by whoever keeps the last look. */
export type FoundCondition = Omit<Condition, 'since'>;

/** A condition as it is kept, by a clock that nobody sets. */
export interface StandingCondition extends FoundCondition {
  /** Ms since boot. */
  readonly sinceMs: number;
}

/** The document of GET /v1/status. Holds no secret. */
export interface Status {
  readonly state: State;
  /** Since when the state is what it is; as all times here by the clock as it is set now. */
  readonly since: string;
  readonly name: string;
  readonly id: string | undefined;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly cluster: { readonly name: string | undefined; readonly keyFingerprint: string | undefined };
  readonly conditions: readonly Condition[];
  readonly addresses: readonly Address[];
  readonly seed: readonly SeedItem[];
}

export const KEY_MISSING_ENDED_BY =
  'put it as clusteros/cluster.key on a volume labelled CIDATA, or run: ' +
  'sudo install -m 600 FILE /etc/clusteros/cluster.key';

/**
 * What keeps the node from being ready, worst first; empty when it is ready. A condition that was there before
 * keeps its time. Pure.
 *
 * @param more what other parts of the agent found
 * @param nowMs since boot
 */
export function conditionsOf(
  facts: Facts,
  more: readonly FoundCondition[],
  before: readonly StandingCondition[],
  nowMs: number,
): StandingCondition[] {
  const found = [...fromErrors(facts), ...fromSettings(facts), ...fromWaiting(facts, more), ...more];
  const badness = (condition: FoundCondition) => STATES.indexOf(condition.state);
  found.sort((a, b) => badness(a) - badness(b));
  const sinceMs = (code: string) => before.find((condition) => condition.code === code)?.sinceMs ?? nowMs;
  return found.map((condition) => ({ ...condition, sinceMs: sinceMs(condition.code) }));
}

/** The worst condition names the state. Pure. */
export function stateOf(conditions: readonly FoundCondition[]): State {
  return STATES.find((state) => conditions.some((condition) => condition.state === state)) ?? 'ready';
}

/** What the node waits for in one line, for `systemctl status` and the console. */
export function headline(status: Pick<Status, 'state' | 'conditions'>): string {
  const [first] = status.conditions;
  if (first === undefined) return status.state;
  return first.summary.startsWith(status.state) ? first.summary : `${status.state}: ${first.summary}`;
}

/** What failed, in its own words. Pure. @param otherwise what ends it when the error does not say */
export function conditionOf(error: AgentError, otherwise = TRIED_AGAIN): FoundCondition {
  return {
    code: error.code,
    state: 'failed',
    summary: error.message,
    evidence: error.evidence,
    endedBy: error.fix ?? otherwise,
  };
}

const TRIED_AGAIN = 'it is tried again by itself; journalctl -u node-agent tells more';

function fromErrors(facts: Facts): FoundCondition[] {
  const parts = [facts.identity, facts.key, ...facts.spoilt, facts.storage];
  const errors = parts.filter((part) => part instanceof AgentError);
  const distinct = errors.filter(
    (error, index) => errors.findIndex(({ code }) => code === error.code) === index,
  );
  return distinct.map((error) => conditionOf(error, 'see the message'));
}

function fromSettings(facts: Facts): FoundCondition[] {
  const found: FoundCondition[] = [];
  if (facts.settings.problems !== undefined) {
    const { code, message, evidence, fix = '' } = configError(facts.settings.problems);
    found.push({ code, state: 'misconfigured', summary: message, evidence, endedBy: fix });
  }
  const seedSettings = facts.seed.find(({ item, source }) => item === 'node.yaml' && source === 'seed');
  if (seedSettings?.outcome === 'refused' && !facts.holdsSeedSettings) {
    found.push({
      code: 'seed.settings',
      state: 'misconfigured',
      summary: "the seed's settings were refused",
      evidence: seedSettings.reason,
      endedBy: 'correct clusteros/node.yaml on the CIDATA volume, or take the volume away',
    });
  }
  const cloud = facts.seed.find(({ item, source }) => item === 'cloud-init' && source === 'seed');
  if (cloud?.outcome === 'refused') {
    found.push({
      code: 'seed.cloud-init',
      state: 'misconfigured',
      summary: 'cloud-init did not carry out all of the seed',
      evidence: cloud.reason,
      endedBy:
        'correct user-data or network-config on the CIDATA volume, change instance-id in meta-data, and restart',
    });
  }
  return found;
}

export const ENROL_WAITING = 'enrol.waiting';

/** Until somebody was asked; whoever asks then tells more. */
const BEFORE_ENROLMENT: FoundCondition = {
  code: ENROL_WAITING,
  state: 'waiting',
  summary: 'waiting for a member that takes the token',
  endedBy: 'a member of the cluster on this network; or name one: node-agent join ADDRESS',
};

function fromWaiting(facts: Facts, more: readonly FoundCondition[]): FoundCondition[] {
  if (facts.key !== undefined) return [];
  if (facts.token !== undefined)
    return more.some(({ code }) => code === ENROL_WAITING) ? [] : [BEFORE_ENROLMENT];
  const refused = facts.seed.filter(({ item, outcome }) => item === 'cluster.key' && outcome === 'refused');
  return [
    {
      code: 'key.missing',
      state: 'waiting',
      summary: 'waiting for a cluster key',
      evidence:
        refused.map(({ source, reason }) => `the one from the ${source} was refused: ${reason}`).join('\n') ||
        undefined,
      endedBy: KEY_MISSING_ENDED_BY,
    },
  ];
}
