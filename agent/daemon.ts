import { ANSWER_MS, writeLastKnown } from './api/last-known.ts';
import { serveApi } from './api/server.ts';
import { statusDocument } from './api/view.ts';
import type { ClusterPart } from './cluster/cluster.ts';
import { nodeName } from './config/name.ts';
import { renderIssue } from './console/issue.ts';
import { createConsole } from './console/writer.ts';
import { AgentError } from './errors.ts';
import { type Facts, gather } from './gather.ts';
import { boottime, clock, memory, network, processes } from './host.ts';
import { shortHash } from './identity/identity.ts';
import { fingerprint } from './identity/keys.ts';
import { infoOf } from './info.ts';
import type { Log } from './log.ts';
import type { Environment, Paths } from './paths.ts';
import { offersMark } from './seed/offers.ts';
import { inWallTime, type Standing, standingOf } from './standing.ts';
import { conditionsOf, headline, type Status, stateOf } from './status.ts';
import { isSane, type ServiceManager } from './systemd.ts';
import { VERSION } from './version.ts';

/** How long a new stick, a corrected file or a new address may go unnoticed. */
const PASS_MS = 2_000;

/** How often we see whether the watchdog waits for a sign of life. */
const LOOK_MS = 500;

/** A stop takes at most two seconds, whether systemd listens or not. */
const FAREWELL_MS = 1_000;

/** What starts, or happens seldom, needs much of the program once; waiting needs a small part of it. */
const RELEASE_MS = 60_000;

/** As the reason of the signal: the agent begins anew in the same process, so systemd is told nothing. */
export const AGAIN = 'again';

interface DaemonInputs {
  readonly paths: Paths;
  readonly environment: Environment;
  readonly log: Log;
  readonly manager: ServiceManager;
  /** Ends the agent in order. */
  readonly stop: AbortSignal;
  /** What makes machines a cluster; absent in tests of the rest. */
  readonly cluster?: ClusterPart | undefined;
}

/**
 * Run the agent until it is told to stop: look at the inputs every two seconds, take what is offered, show how
 * the node is. It comes up and answers in every state, since a node that vanishes helps nobody.
 *
 * @throws AgentError `agent.already-running`
 */
export async function runDaemon({
  paths,
  environment,
  log,
  manager,
  stop,
  cluster,
}: DaemonInputs): Promise<void> {
  const startedMs = boottime.sinceBootMs();
  let facts: Facts | undefined;
  let standing: Standing | undefined;
  const look = (): Status => {
    const nowMs = boottime.sinceBootMs();
    standing = standingOf(facts, cluster?.conditions() ?? [], standing, nowMs);
    return { ...inWallTime(standing, startedMs, nowMs, clock.wallClock()), ...aboutNode(facts) };
  };
  let status = look();
  const refresh = () => {
    status = look();
    return status;
  };
  const api = await serveApi(
    paths,
    () => ({ status: refresh(), info: infoFrom(facts, status, paths), view: cluster?.view() }),
    cluster?.api,
  );
  const show = createConsole(paths);
  const stopReleasing = clock.every(RELEASE_MS, () => {
    memory.releaseUnused().catch((error: unknown) => {
      log.warning('memory was not let go of', { reason: String(error) });
    });
  });
  const tell = async (...words: string[]) => {
    const failure = await manager.notify(...words);
    if (failure !== undefined) log.warning('systemd was not told', { words: words[0], failure });
    return failure === undefined;
  };
  let lastPassMs = clock.monotonicMs();
  let stopWatchdog: (() => void) | undefined;
  let mark: string | undefined;
  let mayCreateIdentity = true;
  let announced: string | undefined;
  let told = status;
  let consoleFailure: string | undefined;
  let starting = true;
  let lastKnownFailure: string | undefined;

  while (!stop.aborted) {
    const newMark = await offersMark(paths).catch((error: unknown) => String(error));
    if (facts === undefined || newMark !== mark || areBroken(facts)) {
      mark = newMark;
      facts = await gather(paths, environment, { mayCreateIdentity, before: facts });
      mayCreateIdentity &&= !settlesIdentity(facts);
      if (facts.identityCreated) log.info('made a new identity');
      if (facts.settings.settings) log.setLevel(facts.settings.settings.log.level);
    }
    cluster?.takeFacts(facts);
    refresh();
    logChanges(log, told, status);
    told = status;
    const document = statusDocument(status, cluster?.view());
    await writeLastKnown(paths, document, document.timers?.answerMs ?? ANSWER_MS).catch((error: unknown) => {
      if (lastKnownFailure !== String(error))
        log.warning('the last known status could not be written', { reason: String(error) });
      lastKnownFailure = String(error);
    });
    await show(renderIssue(document)).then(
      () => {
        consoleFailure = undefined;
      },
      (error: unknown) => {
        if (consoleFailure !== String(error))
          log.warning('the console could not be written', { reason: String(error) });
        consoleFailure = String(error);
      },
    );
    const line = headline(status);
    if (line !== announced) {
      // Not waited for: systemd may be slow to listen, and our own work goes on.
      void tell(...(stopWatchdog === undefined ? ['READY=1'] : []), `STATUS=${line}`).then((heard) => {
        if (!heard) announced = undefined;
        // The first sign of life sets the watchdog, which would end a start that takes its time.
        else if (!stop.aborted) stopWatchdog ??= watch(manager, () => lastPassMs, tell, log);
      });
      announced = line;
    }
    if (starting) memory.keepSmall();
    starting = false;
    lastPassMs = clock.monotonicMs();
    await clock.pause(PASS_MS, stop);
  }

  stopWatchdog?.();
  stopReleasing();
  if (stop.reason === AGAIN) {
    await cluster?.done;
    await api.close();
    return;
  }
  log.info('stopping', { signal: String(stop.reason) });
  const heard = new AbortController();
  const farewell = tell('STOPPING=1', 'STATUS=stopping').finally(() => heard.abort());
  await cluster?.done;
  await api.close();
  await Promise.race([farewell, clock.pause(FAREWELL_MS, heard.signal)]);
}

/** Something that may be put right without a change of the seed: it is looked at in each pass. */
function areBroken(facts: Facts): boolean {
  return stateOf(conditionsOf(facts, [], [], 0)) === 'failed';
}

/** Once an identity was had or refused, what its owner then does with the file must not make a new node. */
function settlesIdentity({ identity }: Facts): boolean {
  return identity instanceof AgentError ? identity.exit === 'refused' : identity !== undefined;
}

function watch(
  manager: ServiceManager,
  lastPassMs: () => number,
  tell: (...words: string[]) => Promise<boolean>,
  log: Log,
): () => void {
  if (manager.watchdogMs === undefined) return () => {};
  // It may become shorter at any time.
  const lookMs = Math.min(LOOK_MS, manager.watchdogMs);
  let toldMs = Number.NEGATIVE_INFINITY;
  let wasSane = true;
  return clock.every(lookMs, () => {
    const { watchdogMs = Number.POSITIVE_INFINITY } = manager;
    const now = clock.monotonicMs();
    if (now - toldMs < watchdogMs - lookMs) return;
    const sane = isSane(lastPassMs(), now);
    // When it is not told, each look checks again: the pass may still end in time.
    if (sane) {
      toldMs = now;
      void tell('WATCHDOG=1');
    } else if (wasSane) log.error('the loop has not come round; the watchdog is not told');
    wasSane = sane;
  });
}

/** What the status says besides how the node stands. */
function aboutNode(facts: Facts | undefined): Omit<Status, 'state' | 'since' | 'startedAt' | 'conditions'> {
  const identity = identityOf(facts);
  const key = Buffer.isBuffer(facts?.key) ? facts.key : undefined;
  const settings = facts?.settings.settings;
  return {
    name: nodeName(settings?.name, network.hostname(), identity && shortHash(identity)),
    id: identity?.id,
    version: VERSION,
    pid: processes.self().pid,
    cluster: { name: settings?.cluster.name, keyFingerprint: key && fingerprint(key) },
    addresses: network.addresses(),
    seed: facts?.seed ?? [],
  };
}

function infoFrom(facts: Facts | undefined, status: Status, paths: Paths) {
  return infoOf(status.name, identityOf(facts), facts?.settings.settings, paths);
}

function identityOf(facts: Facts | undefined) {
  return facts?.identity instanceof AgentError ? undefined : facts?.identity;
}

function logChanges(log: Log, before: Status, after: Status): void {
  if (before.id !== after.id) log.info('identity', { name: after.name, id: after.id });
  for (const item of after.seed) {
    const old = before.seed.find((entry) => entry.item === item.item && entry.source === item.source);
    if (old?.at === item.at && old.outcome === item.outcome) continue;
    log[item.outcome === 'refused' ? 'warning' : 'info'](`${item.outcome} ${item.item}`, {
      from: item.source,
      reason: item.reason,
    });
  }
  if (before.state === after.state && before.conditions.length === after.conditions.length) return;
  log[after.state === 'failed' || after.state === 'misconfigured' ? 'error' : 'info'](headline(after), {
    evidence: after.conditions[0]?.evidence,
    fix: after.conditions[0]?.endedBy,
  });
}
