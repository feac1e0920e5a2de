import * as path from 'node:path';
import * as z from 'zod';
import { STEP_NAMES } from '../config/settings.ts';
import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { Controller, Outcome, View } from '../engine/controller.ts';
import type { Timers } from '../engine/resources.ts';
import { AgentError, expected } from '../errors.ts';
import { clock, files } from '../host.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import { KEYS } from '../registry/keys.ts';
import { parseValue } from '../registry/records.ts';
import {
  type Agreement,
  type AgreementStep,
  mayStop,
  type Patience,
  planAgreement,
  type Report,
} from './agree.ts';
import { lateOf, type Need, nextNeed, wordsFor } from './choose.ts';
import { createMeasure } from './measure.ts';
import { fixedStep, timersOf } from './resource.ts';

interface TimersDeps {
  /** Of the whole cluster, see `createClusterClient`. */
  readonly client: Pick<EtcdClient, 'put' | 'txn' | 'status'>;
  readonly paths: Paths;
  readonly log: Log;
}

const LOOK_MS = 5_000;
/** The disk and the other voters: a voter's pace is everybody's, a client's only its own. */
const VOTER_PROBE_MS = 10_000;
const CLIENT_PROBE_MS = 60_000;
/** The same write again no sooner than this. */
const WRITES_APART_MS = 10_000;
/** How old the measurements may be that others see. */
const SHOWN_MS = 60_000;
const FILE_LIMIT = 4_096;

const remembered = z.object({ step: z.enum(STEP_NAMES), etcd: z.enum(STEP_NAMES) });
type Remembered = z.infer<typeof remembered>;

/** Measures this machine, and comes to one pace with the cluster; see `agree.ts`. */
export function createTimers({ client, paths, log }: TimersDeps): Controller {
  const file = path.join(paths.state, 'timers.json');
  let measure: ReturnType<typeof createMeasure> | undefined;
  let before: Remembered | undefined;
  let isLoaded = false;
  let need: Need | undefined;
  let patience: Patience = {};
  let lostSinceMs: number | undefined;
  let probedMs = Number.NEGATIVE_INFINITY;
  let answering: ReadonlySet<string> = new Set();
  let lastWrite = { mark: '', atMs: Number.NEGATIVE_INFINITY };
  let last: Timers | undefined;
  let shownMs = Number.NEGATIVE_INFINITY;

  const answersOf = (voters: readonly string[]) => voters.map((id) => ({ id, answers: answering.has(id) }));

  const load = async (): Promise<void> => {
    if (isLoaded) return;
    const found = await files.readLimited(file, FILE_LIMIT).catch(() => undefined);
    before = found && parseValue(remembered, found.bytes.toString('utf8'));
    isLoaded = true;
  };

  const ask = (url: string) => client.status(url).catch((error: unknown) => expected(error, 'etcd.'));

  const probe = async (view: View, self: string, nowMs: number): Promise<void> => {
    const { place = 'none', voters = [], endpoints = [] } = view.get('consensus') ?? {};
    const hasTurn = view.get('registry')?.timers?.turn === self;
    if (!hasTurn && nowMs - probedMs < (place === 'client' ? CLIENT_PROBE_MS : VOTER_PROBE_MS)) return;
    probedMs = nowMs;
    const found = new Set<string>();
    const peers = view.get('mesh')?.peers ?? [];
    const asked = voters
      .filter((id) => id !== self)
      .map(async (id) => {
        const address = peers.find((peer) => peer.id === id)?.address;
        const url = endpoints.find((endpoint) => endpoint.startsWith(`https://${address}:`));
        const startMs = clock.monotonicMs();
        const status = url === undefined || place === 'client' ? undefined : await ask(url);
        measure?.noteRoundTrip(id, status && clock.monotonicMs() - startMs);
        if (status !== undefined && status.leader !== '0') found.add(id);
      });
    await Promise.all([measure?.probeDisk(), ...asked]);
    answering = found.add(self);
  };

  const write = async (mark: string, act: () => Promise<unknown>): Promise<void> => {
    const nowMs = clock.monotonicMs();
    if (lastWrite.mark === mark && nowMs - lastWrite.atMs < WRITES_APART_MS) return;
    lastWrite = { mark, atMs: nowMs };
    // What the registry does not show is written again.
    await act().catch((error: unknown) => log.debug('no agreement on timers', { reason: String(error) }));
  };

  const report = async (view: View, self: string, own: Report): Promise<void> => {
    const known = view.get('registry')?.timers?.reports[self];
    const same = known?.need === own.need && known.runs === own.runs && known.fixed === own.fixed;
    const text = JSON.stringify(own);
    if (!same)
      await write(`report ${own.need} ${own.runs} ${own.fixed}`, () => client.put(KEYS.timersOf(self), text));
  };

  const lead = async (view: View, self: string, nowMs: number): Promise<void> => {
    const { voters = [] } = view.get('consensus') ?? {};
    const { agreed, turn, reports = {} } = view.get('registry')?.timers ?? {};
    const cards = view.get('cards') ?? [];
    const ownName = view.get('facts')?.settings.settings?.name;
    const planned = planAgreement({
      nowMs,
      self,
      agreed,
      voters: answersOf(voters),
      reports: new Map(Object.entries(reports)),
      turn,
      patience,
      nameOf: (id) =>
        (id === self ? ownName : cards.find(({ card }) => card.id === id)?.card.name) ?? id.slice(0, 8),
    });
    patience = planned.patience;
    const { step } = planned;
    if (step.kind === 'none') return;
    await write(JSON.stringify(step), async () => {
      await carryOut(client, step);
      log.info('agreeing on timers', {
        step: step.kind,
        about: step.kind === 'agree' ? step.agreement.step : step.id,
        why: step.kind === 'agree' ? step.agreement.why : undefined,
      });
    });
  };

  return {
    name: 'timers',
    inputs: ['facts', 'consensus', 'registry'],
    outputs: ['timers'],
    async reconcile(view: View): Promise<Outcome> {
      const facts = view.get('facts');
      const { identity } = facts ?? {};
      const settings = facts?.settings.settings;
      if (!identity || identity instanceof AgentError || settings === undefined) return {};
      measure ??= createMeasure(paths.state);
      await load();
      const self = identity.id;
      const nowMs = clock.monotonicMs();
      await probe(view, self, nowMs);
      const consensus = view.get('consensus');
      const lateness = measure.now((consensus?.voters ?? []).filter((id) => id !== self));
      const fixed = fixedStep(settings);
      need = nextNeed(need, lateness && lateOf(lateness), nowMs);
      const quorum = consensus?.quorum ?? false;
      lostSinceMs = consensus?.genesis === undefined || quorum ? undefined : (lostSinceMs ?? nowMs);
      const { agreed, turn } = view.get('registry')?.timers ?? {};
      const why = lateness === undefined ? 'not enough was measured yet' : wordsFor(lateness);
      const next = timersOf({
        self,
        settings,
        agreed,
        turn,
        need: fixed ?? need.step,
        needWhy: why,
        lateness,
        place: consensus?.place ?? 'none',
        maySpare: mayStop(answersOf(consensus?.voters ?? []), self),
        lostForMs: lostSinceMs === undefined ? undefined : nowMs - lostSinceMs,
        etcd: before?.etcd,
        remembered: before?.step,
      });
      const isDue = nowMs - shownMs >= SHOWN_MS;
      const timers = steadied(last, next, isDue);
      if (isDue) shownMs = nowMs;
      if (timers.step !== last?.step || timers.etcd !== last.etcd) {
        log.info('timers', { step: timers.step, etcd: timers.etcd, source: timers.source, why: timers.why });
        await remember(timers);
      }
      last = timers;
      const votes = consensus?.place === 'voter' || consensus?.place === 'learner';
      if (quorum && votes && lateness !== undefined) {
        const runs = consensus?.timers;
        await report(view, self, {
          need: timers.need,
          runs,
          ...(fixed === undefined ? {} : { fixed: true }),
          why,
        });
        if (consensus?.leader === self) await lead(view, self, nowMs);
        else patience = {};
      }
      return { outputs: { timers }, againMs: LOOK_MS, restMs: 1_000 };
    },
    close: async () => measure?.close(),
  };

  async function remember({ step, etcd, source }: Timers): Promise<void> {
    // What this node chose alone is no agreement.
    const lasting: Remembered = { step: source === 'cluster' ? step : (before?.step ?? step), etcd };
    before = lasting;
    await files.writeDurable(file, `${JSON.stringify(lasting)}\n`, 0o600).catch((error: unknown) => {
      log.warning('the timers could not be remembered', { reason: String(error) });
    });
  }
}

/** Each is refused when another leader's agent was first. */
async function carryOut(
  client: TimersDeps['client'],
  step: Exclude<AgreementStep, { kind: 'none' }>,
): Promise<void> {
  const key = KEYS.timersTurn;
  if (step.kind === 'agree') {
    await client.put(KEYS.agreedTimers, JSON.stringify(step.agreement satisfies Agreement));
  } else if (step.kind === 'give-turn') {
    const absent = { key, target: 'create', value: '0' } as const;
    await client.txn({ compare: [absent], success: [{ kind: 'put', key, value: step.id }] });
  } else {
    const same = { key, target: 'value', value: step.id } as const;
    await client.txn({ compare: [same], success: [{ kind: 'delete', key }] });
  }
}

/** Measurements differ with each look: they are news only together with something that follows from them. Pure. */
function steadied(before: Timers | undefined, next: Timers, isDue: boolean): Timers {
  if (before?.lateness === undefined || isDue) return next;
  const fields = ['step', 'source', 'etcd', 'turn', 'need', 'leaseSeconds', 'graceSeconds'] as const;
  const same = fields.every((field) => before[field] === next[field]);
  const why = next.source === 'own' ? before.why : next.why;
  return same ? { ...next, why, lateness: before.lateness } : next;
}
