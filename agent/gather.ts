import { readDocument } from './config/document.ts';
import { readEnvironment } from './config/environment.ts';
import type { ConfigProblem } from './config/problems.ts';
import { type Resolved, resolveSettings } from './config/resolve.ts';
import type { Settings } from './config/settings.ts';
import { AgentError } from './errors.ts';
import { clock, files } from './host.ts';
import type { Identity } from './identity/identity.ts';
import { holdKey, loadKey } from './identity/key-store.ts';
import { ensureIdentity, loadIdentity, prepareState } from './identity/store.ts';
import { loadRetiredKeys } from './operations/retired-keys.ts';
import type { Environment, Paths } from './paths.ts';
import { type Held, judgeOffers, OFFER_LIMIT } from './seed/judge.ts';
import { collectOffers } from './seed/offers.ts';
import { type SeedItem, updateReport } from './seed/report.ts';
import { heldSettingsFile, holdSettings, loadHeldSettings, loadReport, saveReport } from './seed/store.ts';
import { forgetToken, holdToken, loadEnrolled, loadToken } from './seed/token-file.ts';

/** What goes, and what is wrong with what stands in the files now. */
type SettingsFacts = Resolved | { readonly settings: Settings; readonly problems: readonly ConfigProblem[] };

/** What one look at all inputs found. Parts that failed are errors here, so that the others still count. */
export interface Facts {
  readonly identity: Identity | AgentError | undefined;
  /** Made in this pass. */
  readonly identityCreated: boolean;
  readonly key: Buffer | AgentError | undefined;
  /** An enrolment token that no member has taken yet; absent once there is a key. */
  readonly token?: string | undefined;
  readonly settings: SettingsFacts;
  readonly seed: readonly SeedItem[];
  /** Settings of some seed are held, so that a later bad seed changes nothing. */
  readonly holdsSeedSettings: boolean;
  /** What is wrong in files of which the node goes on with what it had read before. */
  readonly spoilt: readonly AgentError[];
  /** The state folder could not be written or read. */
  readonly storage: AgentError | undefined;
}

interface GatherOptions {
  /** False after an identity was refused: what its owner then does with the file must not make a new node. */
  readonly mayCreateIdentity: boolean;
  /** Of the look before: a file that is spoilt while the agent runs is told, and the node goes on by what it had. */
  readonly before?: Pick<Facts, 'identity' | 'key' | 'settings'> | undefined;
}

/** Look at every input once, take what is offered, and say what the node has. */
export async function gather(paths: Paths, environment: Environment, options: GatherOptions): Promise<Facts> {
  const prepared = await attempt(() => prepareState(paths.state));
  const unwritable = prepared instanceof AgentError ? prepared : undefined;
  const made = await attempt(() => obtainIdentity(paths.state, options.mayCreateIdentity && !unwritable));
  const loaded = await attempt(() => loadKey(paths.state));
  const taken = await attempt(() =>
    takeOffers(
      paths,
      environment,
      loaded instanceof AgentError ? undefined : loaded,
      loaded instanceof AgentError,
    ),
  );
  const failed = taken instanceof AgentError ? taken : undefined;
  const { before } = options;
  const identity =
    made instanceof AgentError ? made : (made?.identity ?? (before?.identity && lostIdentity()));
  const found = loaded instanceof AgentError || failed ? loaded : (taken as Taken).key;
  const key = found ?? (before?.key && lostKey());
  const [identityNow, keyNow] = [orBefore(identity, before?.identity), orBefore(key, before?.key)];
  return {
    identity: identityNow.inForce,
    identityCreated: made instanceof AgentError ? false : (made?.created ?? false),
    key: keyNow.inForce,
    spoilt: [...identityNow.spoilt, ...keyNow.spoilt],
    token: failed ? undefined : (taken as Taken).token,
    settings: orInForce(await readSettings(paths, environment), before?.settings.settings),
    seed: failed ? [] : (taken as Taken).report,
    holdsSeedSettings: failed ? false : (taken as Taken).holdsSettings,
    storage: unwritable ?? failed,
  };
}

/** Pure. */
function orInForce(found: Resolved, inForce: Settings | undefined): SettingsFacts {
  return found.settings === undefined && inForce !== undefined ? { ...found, settings: inForce } : found;
}

function orBefore<T>(now: T | AgentError | undefined, before: T | AgentError | undefined) {
  const isSpoilt = now instanceof AgentError && before !== undefined && !(before instanceof AgentError);
  return isSpoilt ? { inForce: before, spoilt: [now] } : { inForce: now, spoilt: [] };
}

function lostIdentity(): AgentError {
  return new AgentError({
    code: 'identity.missing',
    exit: 'refused',
    message: 'this node has lost its identity while the agent ran',
    fix: 'restore identity.json; or, to make this a new node: systemctl restart node-agent',
  });
}

function lostKey(): AgentError {
  return new AgentError({
    code: 'key.lost',
    exit: 'refused',
    message: 'this node has lost its cluster key while the agent ran',
    fix: 'put it back as cluster.key beside node.yaml in /etc/clusteros, mode 0600; another node shows it: node-agent key show',
  });
}

interface Taken {
  readonly key: Buffer | undefined;
  readonly token: string | undefined;
  readonly holdsSettings: boolean;
  readonly report: readonly SeedItem[];
}

async function obtainIdentity(state: string, mayCreate: boolean) {
  if (mayCreate) return ensureIdentity(state);
  const identity = await loadIdentity(state);
  return identity && { identity, created: false };
}

/** @param keyDamaged the held key cannot be trusted: offered keys are then left alone, since none may replace it */
async function takeOffers(
  paths: Paths,
  environment: Environment,
  heldKey: Buffer | undefined,
  keyDamaged: boolean,
): Promise<Taken> {
  const offers = (await collectOffers(paths, environment)).map((offer) =>
    keyDamaged && offer.item === 'cluster.key'
      ? { ...offer, content: { refusal: 'the key that this node holds is damaged; see its status' } }
      : offer,
  );
  const held: Held = {
    key: heldKey,
    settings: await loadHeldSettings(paths.state),
    token: await loadToken(paths.state),
    enrolledBy: await loadEnrolled(paths.state),
    retired: (await loadRetiredKeys(paths.state)).map(({ fingerprint }) => fingerprint),
  };
  const judgement = judgeOffers(held, offers);
  let key = heldKey;
  if (judgement.held.key && judgement.held.key !== heldKey)
    key = await holdKey(paths.state, judgement.held.key);
  // A token is good for getting a key: one that came by another way, or in the last moment before, is enough.
  const token = key === undefined && !keyDamaged ? judgement.held.token : undefined;
  if (token !== undefined && token !== held.token) await holdToken(paths.state, token);
  if (key !== undefined && held.token !== undefined) await forgetToken(paths.state);
  if (judgement.held.settings && judgement.held.settings !== held.settings) {
    await holdSettings(paths.state, judgement.held.settings);
  }
  const before = await loadReport(paths.state);
  const report = updateReport(before, judgement.decisions, clock.wallClock());
  await saveReport(paths.state, before, report);
  return { key, token, report, holdsSettings: judgement.held.settings !== undefined };
}

/** The settings of all sources together: /etc, then the seed's copy, then the environment. */
export async function readSettings(paths: Paths, environment: Environment): Promise<Resolved> {
  const sources = [];
  for (const file of [paths.config, heldSettingsFile(paths.state)]) {
    const found = await attempt(() => files.readLimited(file, OFFER_LIMIT));
    if (found instanceof AgentError) {
      return { problems: [{ source: file, setting: '', expectation: found.message }] };
    }
    if (found !== undefined) sources.push(readDocument(file, found.bytes));
  }
  return resolveSettings([...sources, readEnvironment(environment)]);
}

/** An administrator's error becomes a value; one of ours is not for catching here. */
async function attempt<T>(work: () => Promise<T>): Promise<T | AgentError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
}
