import type { StepName } from '../config/settings.ts';
import { compareSteps, sameEtcd, slowestOf, USUAL } from './steps.ts';

/**
 * How the cluster comes to one step: every voter reports what it needs and what its etcd runs with, the agent beside
 * the Raft leader proposes the step, and then gives the voters the turn to restart their etcd, one at a time and only
 * while the others are a majority. The record is in etcd, so that the next leader goes on where this one ends.
 */

/** What a node says of itself. */
export interface Report {
  readonly need: StepName;
  /** What its etcd runs with; absent while none runs. */
  readonly runs?: StepName | undefined;
  /** Its settings say so: it takes no turn. */
  readonly fixed?: boolean | undefined;
  /** What makes it need the step. */
  readonly why?: string | undefined;
}

export interface Agreement {
  readonly step: StepName;
  readonly why: string;
  /** How long all voters must do with a faster step before the cluster takes it: doubled each time it was too soon. */
  readonly calmSeconds: number;
  readonly direction?: 'faster' | 'slower' | undefined;
}

export interface AgreementFacts {
  readonly nowMs: number;
  /** Of the leader: ourselves. */
  readonly self: string;
  readonly agreed: Agreement | undefined;
  readonly voters: readonly { readonly id: string; readonly answers: boolean }[];
  readonly reports: ReadonlyMap<string, Report>;
  readonly turn: string | undefined;
  readonly patience: Patience;
  readonly nameOf: (id: string) => string;
}

/** Since when, in monotonic ms, something is so without a break, as far as this leader saw. */
export interface Patience {
  /** Most voters need a slower step, or the settings of one say so. */
  readonly slowerLastsMs?: number | undefined;
  readonly someNeedSlowerMs?: number | undefined;
  readonly fasterDoesMs?: number | undefined;
  readonly turn?: { readonly id: string; readonly sinceMs: number } | undefined;
}

export type AgreementStep =
  | { readonly kind: 'none' }
  | { readonly kind: 'agree'; readonly agreement: Agreement }
  | { readonly kind: 'give-turn'; readonly id: string }
  | { readonly kind: 'end-turn'; readonly id: string };

/** Most voters are too slow, and elections would fail soon; or somebody decided it. */
const LASTS_MS = 15_000;
/**
 * One of them may be busy for a while, with a backup or an update: the others carry the cluster meanwhile. More than
 * the two minutes of measurements and the minute of calm in which a node forgets what is over.
 */
const SOME_MS = 240_000;
const CALM_SECONDS = 600;
const LONGEST_CALM_SECONDS = 4 * 3_600;
/** Of the calm, when no etcd has to be restarted for the faster step. */
const LEASE_ONLY = 0.1;
/** A node that does not take its turn must not hold up the others. */
export const TURN_MS = 180_000;

/** The next step, and what to remember for the next look. Pure. */
export function planAgreement(facts: AgreementFacts): {
  readonly step: AgreementStep;
  readonly patience: Patience;
} {
  const { agreed, voters, reports, nowMs } = facts;
  if (voters.length === 0 || !reports.has(facts.self)) return { step: { kind: 'none' }, patience: {} };
  const needs = voters.map(({ id }) => ({ id, step: reports.get(id)?.need ?? USUAL }));
  const wanted = slowestOf(needs.map(({ step }) => step)) ?? USUAL;
  if (agreed === undefined) {
    const agreement = { step: wanted, why: whyOf(facts, wanted), calmSeconds: CALM_SECONDS };
    return { step: { kind: 'agree', agreement }, patience: {} };
  }
  const most = needs.map(({ step }) => step).sort(compareSteps)[Math.ceil(needs.length / 2) - 1] ?? USUAL;
  const asked = needs.filter(({ id }) => reports.get(id)?.fixed).map(({ step }) => step);
  const lasting = slowestOf([most, ...asked]) ?? USUAL;
  const since = (holds: boolean, before: number | undefined) => (holds ? (before ?? nowMs) : undefined);
  const waited = {
    slowerLastsMs: since(compareSteps(lasting, agreed.step) > 0, facts.patience.slowerLastsMs),
    someNeedSlowerMs: since(compareSteps(wanted, agreed.step) > 0, facts.patience.someNeedSlowerMs),
    fasterDoesMs: since(compareSteps(wanted, agreed.step) < 0, facts.patience.fasterDoesMs),
  };
  const next = changeOf(agreed, lasting, wanted, waited, nowMs);
  if (next !== undefined && facts.turn === undefined) {
    const direction = compareSteps(next, agreed.step) > 0 ? 'slower' : 'faster';
    const tooSoon = direction === 'slower' && agreed.direction === 'faster';
    const calmSeconds = tooSoon ? Math.min(LONGEST_CALM_SECONDS, agreed.calmSeconds * 2) : agreed.calmSeconds;
    const agreement = { step: next, why: whyOf(facts, next), calmSeconds, direction } as const;
    return { step: { kind: 'agree', agreement }, patience: {} };
  }
  return turnOf(facts, agreed.step, waited);
}

function changeOf(
  agreed: Agreement,
  lasting: StepName,
  wanted: StepName,
  { slowerLastsMs, someNeedSlowerMs, fasterDoesMs }: Patience,
  nowMs: number,
): StepName | undefined {
  const over = (sinceMs: number | undefined, ms: number) => sinceMs !== undefined && nowMs - sinceMs >= ms;
  if (over(someNeedSlowerMs, SOME_MS)) return wanted;
  if (over(slowerLastsMs, LASTS_MS)) return lasting;
  const calmMs = agreed.calmSeconds * 1_000 * (sameEtcd(agreed.step, wanted) ? LEASE_ONLY : 1);
  return over(fasterDoesMs, calmMs) ? wanted : undefined;
}

/** Who may restart its etcd: nobody while another does, nobody without a majority of others; the leader last. */
function turnOf(
  facts: AgreementFacts,
  step: StepName,
  waited: Patience,
): { readonly step: AgreementStep; readonly patience: Patience } {
  const { voters, reports, turn, nowMs, self } = facts;
  const before = facts.patience.turn;
  const isDone = (id: string) => {
    const report = reports.get(id);
    const takesNone = report === undefined || report.fixed === true || report.runs === undefined;
    return takesNone || sameEtcd(report.runs, step);
  };
  if (turn !== undefined) {
    const since = before?.id === turn ? before : { id: turn, sinceMs: nowMs };
    const ended = !voters.some(({ id }) => id === turn) || (isDone(turn) && answers(facts, turn));
    const late = nowMs - since.sinceMs >= TURN_MS;
    return {
      step: ended || late ? { kind: 'end-turn', id: turn } : { kind: 'none' },
      patience: { ...waited, turn: since },
    };
  }
  const order = voters
    .map(({ id }) => id)
    .sort((a, b) => Number(a === self) - Number(b === self) || (a < b ? -1 : 1));
  // Whoever had it last comes last, should it not have taken it.
  const at = before === undefined ? -1 : order.indexOf(before.id);
  const next = [...order.slice(at + 1), ...order.slice(0, at + 1)].find((id) => !isDone(id));
  const give = next !== undefined && mayStop(voters, next);
  return {
    step: give ? { kind: 'give-turn', id: next } : { kind: 'none' },
    patience: { ...waited, turn: before },
  };
}

function answers({ voters }: AgreementFacts, id: string): boolean {
  return voters.some((voter) => voter.id === id && voter.answers);
}

/**
 * The others go on without it, or there are none. Of two voters neither can be spared: there are two only while a third
 * is on its way, or the second one is about to go. Pure.
 */
export function mayStop(voters: AgreementFacts['voters'], id: string): boolean {
  const others = voters.filter((voter) => voter.id !== id);
  const living = others.filter((voter) => voter.answers).length;
  if (voters.length <= 1) return living === others.length;
  return living >= Math.floor(voters.length / 2) + 1;
}

function whyOf({ voters, reports, nameOf }: AgreementFacts, step: StepName): string {
  const slow = voters.filter(({ id }) => compareSteps(reports.get(id)?.need ?? USUAL, step) >= 0);
  const [first] = slow.toSorted((a, b) =>
    compareSteps(reports.get(b.id)?.need ?? USUAL, reports.get(a.id)?.need ?? USUAL),
  );
  if (step === 'fast' || first === undefined) return 'all voters are fast enough';
  const report = reports.get(first.id);
  const said = report?.fixed ? 'its settings say so' : (report?.why ?? 'it has not said what it needs');
  return `${nameOf(first.id)}: ${said}`;
}
