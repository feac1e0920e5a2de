import { nodeName } from '../config/name.ts';
import { configError } from '../config/problems.ts';
import { AgentError } from '../errors.ts';
import { type Facts, gather } from '../gather.ts';
import { network } from '../host.ts';
import { publicPart, shortHash } from '../identity/identity.ts';
import { fingerprint } from '../identity/keys.ts';
import { describeItem } from '../seed/report.ts';
import { KEY_MISSING_ENDED_BY } from '../status.ts';
import { type Context, type Options, printResult, rows } from './context.ts';

/**
 * Make what a node needs, once; running it again only says what there is.
 *
 * @throws AgentError of the identity, the key, the storage or the settings, in this order; what could be made
 *   by then stays
 */
export async function init(context: Context, options: Options): Promise<void> {
  const facts = await gather(context.paths, context.environment, { mayCreateIdentity: true });
  printResult(context, options, summaryOf(facts), asText);
}

type Summary = ReturnType<typeof summaryOf>;

function summaryOf({ identity, identityCreated, key, settings, seed, storage }: Facts) {
  for (const part of [identity, key, storage]) if (part instanceof AgentError) throw part;
  if (settings.problems !== undefined) throw configError(settings.problems);
  if (identity === undefined || identity instanceof AgentError || key instanceof AgentError) {
    throw new Error('an identity was neither made nor refused');
  }
  return {
    ...publicPart(identity),
    isNew: identityCreated,
    name: nodeName(settings.settings.name, network.hostname(), shortHash(identity)),
    cluster: { name: settings.settings.cluster.name, keyFingerprint: key && fingerprint(key) },
    waitsFor: key === undefined ? `a cluster key: ${KEY_MISSING_ENDED_BY}` : undefined,
    seed,
  };
}

function asText(summary: Summary): string {
  const { isNew, cluster, seed } = summary;
  return `${isNew ? 'This machine has a new identity.' : 'This machine has its identity already.'}
${rows([
  ['name', summary.name],
  ['id', summary.id],
  ['mesh key', summary.wireguardPublicKey],
  ['cluster', cluster.name],
  ['key', cluster.keyFingerprint === undefined ? 'none' : `held, fingerprint ${cluster.keyFingerprint}`],
  ...seed.map((item) => ['seed', describeItem(item)] as const),
  ['waits for', summary.waitsFor],
])}`;
}
