import { nodeName } from '../config/name.ts';
import { DEFAULT_SETTINGS, settingFields } from '../config/settings.ts';
import { AgentError } from '../errors.ts';
import { readSettings } from '../gather.ts';
import { network } from '../host.ts';
import { shortHash } from '../identity/identity.ts';
import { loadIdentity } from '../identity/store.ts';
import { type Info, infoOf } from '../info.ts';
import { askAgent, type Context, type Options, printResult, rows } from './context.ts';

/** @throws AgentError when neither the agent answers nor the identity can be read */
export async function info(context: Context, options: Options): Promise<void> {
  printResult(context, options, await obtain(context), renderInfo);
}

async function obtain(context: Context): Promise<Info> {
  try {
    return await askAgent<Info>(context, '/v1/info');
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const identity = await loadIdentity(context.paths.state);
    if (identity === undefined) throw error;
    const { settings } = await readSettings(context.paths, context.environment);
    return infoOf(
      nodeName(settings?.name, network.hostname(), shortHash(identity)),
      identity,
      settings,
      context.paths,
    );
  }
}

function renderInfo(it: Info): string {
  return rows([
    ['name', it.name],
    ['id', it.identity?.id ?? 'none'],
    ['public key', it.identity?.publicKey],
    ['mesh key', it.identity?.wireguardPublicKey],
    ['created', it.identity?.created],
    ['version', `${it.version} (node ${it.node}, ${it.arch})`],
    ['state in', it.paths.state],
    ['settings', settingsWords(it.settings)],
  ]);
}

/** Those that somebody has set; `--json` has them all. */
function settingsWords(settings: Info['settings']): string {
  if (settings === undefined) return 'invalid; see node-agent status';
  const valueIn = (tree: unknown, path: readonly string[]) =>
    JSON.stringify(path.reduce((inner, key) => (inner as Record<string, unknown>)?.[key], tree));
  const set = settingFields().flatMap(({ path }) => {
    const value = valueIn(settings, path);
    return value === valueIn(DEFAULT_SETTINGS, path) ? [] : [`${path.join('.')}: ${value}`];
  });
  return set.length === 0 ? 'all as by default' : set.join(`\n${' '.repeat(13)}`);
}
