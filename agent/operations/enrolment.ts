import type { Hint } from '../discovery/hints.ts';
import type { Controller, FoundCondition, Outcome } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import type { Events } from '../events/recorder.ts';
import { holdKey } from '../identity/key-store.ts';
import { fingerprint } from '../identity/keys.ts';
import { parseToken } from '../identity/tokens.ts';
import type { Log } from '../log.ts';
import { forgetToken, noteEnrolled } from '../seed/token-file.ts';
import { ENROL_WAITING } from '../status.ts';
import {
  type Asked,
  afterAsking,
  candidatesOf,
  describeAsked,
  keepAsked,
  planAsking,
  type Target,
  targetKey,
} from './asking.ts';
import { enrol, type TokenCall } from './enrol.ts';

interface EnrolmentDeps {
  readonly state: string;
  readonly call: TokenCall;
  readonly hints: () => readonly Hint[];
  readonly events: Pick<Events, 'record'>;
  readonly log: Log;
  /** Monotonic ms. */
  readonly now: () => number;
  /** In [0, 1), to spread load. */
  readonly random: () => number;
  /** The node holds a cluster key now. */
  readonly keyHeld: () => void;
}

/**
 * Gets the cluster key for a node that has a token in its place. Whom to ask is told by the join lists and by
 * beacons that nobody can check yet: the token's secret proves both sides, so that a wrong place costs a call.
 */
export function enrolmentController(deps: EnrolmentDeps): Controller {
  const { now, random, log } = deps;
  let asked = new Map<string, Asked>();
  let token = '';
  let enrolled = false;

  const ask = async (target: Target, text: string): Promise<boolean> => {
    try {
      const { clusterKey, clusterName } = await enrol(text, target, deps.call);
      await hold(deps, text, clusterKey);
      const details = { address: target.address, cluster: clusterName, key: fingerprint(clusterKey) };
      log.info('enrolled with a token', details);
      deps.events.record({
        kind: 'node.enrolled',
        summary: `this node got the cluster key from ${target.address}, by its token`,
        details,
      });
      return true;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      const key = targetKey(target);
      const reason = error.evidence ?? error.message;
      if (asked.get(key)?.reason !== reason) log.info('not enrolled', { peer: key, reason });
      asked.set(key, afterAsking(asked.get(key), reason, now(), random()));
      return false;
    }
  };

  return {
    name: 'enrolment',
    inputs: ['facts', 'contacts'],
    outputs: [],
    async reconcile(view): Promise<Outcome> {
      const facts = view.get('facts');
      const settings = facts?.settings.settings;
      const identity = facts?.identity;
      if (facts?.token === undefined || facts.key !== undefined || !settings) return {};
      if (!identity || identity instanceof AgentError || (enrolled && token === facts.token)) return {};
      if (token !== facts.token) {
        asked = new Map();
        enrolled = false;
      }
      token = facts.token;
      const contacts = (view.get('contacts') ?? []).map(({ address, peerPort }) => ({
        address,
        port: peerPort,
      }));
      const candidates = candidatesOf(contacts, deps.hints());
      asked = keepAsked(asked, candidates);
      const { targets, againMs } = planAsking(candidates, asked, now());
      const done = await Promise.all(targets.map((target) => ask(target, token)));
      enrolled = done.includes(true);
      if (enrolled) deps.keyHeld();
      return { conditions: enrolled ? [] : [waiting(token, candidates, asked)], againMs };
    },
  };
}

/** In this order a power cut at any moment leaves a node that asks again, or one that has the key. */
async function hold({ state }: EnrolmentDeps, text: string, clusterKey: Buffer): Promise<void> {
  await noteEnrolled(state, parseToken(text)?.id ?? '');
  await holdKey(state, clusterKey);
  await forgetToken(state);
}

function waiting(
  text: string,
  candidates: readonly Target[],
  asked: ReadonlyMap<string, Asked>,
): FoundCondition {
  const id = parseToken(text)?.id ?? '';
  return {
    code: ENROL_WAITING,
    state: 'waiting',
    summary: `waiting for a member that takes the token ${id}`,
    evidence: candidates.length === 0 ? 'nobody has been found that could be asked' : describeAsked(asked),
    endedBy:
      candidates.length === 0
        ? 'a member of the cluster on this network; or name one: node-agent join ADDRESS'
        : 'if the token is expired or used up, put another one in its place: node-agent token create, on a member',
  };
}
