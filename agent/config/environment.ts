import { nearestWord } from '../../settings/mistakes.ts';
import { type Environment, PATH_VARIABLES } from '../paths.ts';
import type { Source } from './document.ts';
import { checkSettings } from './document.ts';
import type { ConfigProblem } from './problems.ts';
import { settingFields } from './settings.ts';

/** Names that operators know from elsewhere; `CLUSTEROS_*` wins over them. */
const ALIASES: Readonly<Record<string, string>> = {
  NODE_NAME: 'name',
  NODE_BOOTSTRAP: 'consensus.bootstrap',
  NODE_JOIN: 'discovery.join',
  SERF_BIND_PORT: 'gossip.port',
  RAFT_BIND_PORT: 'consensus.peer_port',
  WIREGUARD_PORT: 'mesh.port',
};

/** Variables that hold the cluster key. */
const KEY_VARIABLES = ['CLUSTEROS_CLUSTER_KEY', 'CLUSTER_AUTH_KEY'] as const;

/** Variable that holds an enrolment token. */
export const TOKEN_VARIABLE = 'CLUSTEROS_JOIN_TOKEN';

/**
 * The settings that the environment makes: `CLUSTEROS_MESH_PORT` is `mesh.port`. An empty variable sets
 * nothing. Other names with our prefix are mistakes.
 */
export function readEnvironment(environment: Environment): Source {
  const byVariable = variables();
  const problems: ConfigProblem[] = [];
  const raw: Record<string, unknown> = {};
  const setBy = new Map<string, string>();
  const names = Object.keys(environment).sort(
    (a, b) => Number(a in ALIASES) - Number(b in ALIASES) || (a < b ? -1 : 1),
  );
  for (const variable of names) {
    const text = environment[variable]?.trim();
    if (!text) continue;
    const setting = byVariable.get(variable);
    if (setting === undefined) {
      if (isOurs(variable)) {
        problems.push({
          source: 'environment',
          setting: variable,
          expectation: 'unknown variable',
          nearest: nearestWord(
            variable,
            [...byVariable.keys()].map((name) => name.toLowerCase()),
          )?.toUpperCase(),
        });
      }
      continue;
    }
    if (setBy.has(setting)) continue;
    setBy.set(setting, variable);
    put(raw, setting.split('.'), coerce(setting, text));
  }
  for (const { path, said } of checkSettings(raw)) {
    problems.push({
      source: 'environment',
      ...said,
      setting: variableOf(path, setBy) ?? said.setting,
    });
  }
  return { name: 'environment', raw: problems.length === 0 ? raw : {}, problems, place: () => ({}) };
}

/** The cluster key of the environment, unjudged. */
export function keyFromEnvironment(environment: Environment): { variable: string; text: string } | undefined {
  for (const variable of KEY_VARIABLES) {
    const text = environment[variable];
    if (text) return { variable, text };
  }
  return undefined;
}

/** The enrolment token of the environment, unjudged. */
export function tokenFromEnvironment(environment: Environment): string | undefined {
  return environment[TOKEN_VARIABLE] || undefined;
}

/** The variable that set what stands at the path, or what it stands in. */
function variableOf(path: readonly PropertyKey[], setBy: ReadonlyMap<string, string>): string | undefined {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const variable = setBy.get(path.slice(0, depth).join('.'));
    if (variable !== undefined) return variable;
  }
  return undefined;
}

function variables(): Map<string, string> {
  const own = settingFields().map(
    ({ path }) => [`CLUSTEROS_${path.join('_').toUpperCase()}`, path.join('.')] as const,
  );
  return new Map([...own, ...Object.entries(ALIASES)]);
}

function isOurs(variable: string): boolean {
  const known: readonly string[] = [...PATH_VARIABLES, ...KEY_VARIABLES, TOKEN_VARIABLE];
  return variable.startsWith('CLUSTEROS_') && !known.includes(variable);
}

/** The environment knows only text; the schema then judges what it became. */
function coerce(setting: string, text: string): unknown {
  if (setting === 'discovery.join' || setting === 'firewall.open')
    return text.split(/[\s,]+/).filter(Boolean);
  if (setting === 'labels') return labelsIn(text);
  if (/^consensus\.bootstrap$|\.enabled$/.test(setting)) return BOOLEANS[text.toLowerCase()] ?? text;
  if (/(port|expect|grace|lease)$/.test(setting) && /^\d{1,9}$/.test(text)) return Number(text);
  return text;
}

/** `disk=ssd,gpu=a100` */
function labelsIn(text: string): unknown {
  const pairs = text.split(/[\s,]+/).filter(Boolean);
  return Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s, 2)));
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  '1': true,
  false: false,
  no: false,
  '0': false,
};

function put(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head = '', ...rest] = path;
  if (rest.length === 0) {
    tree[head] = value;
    return;
  }
  const inner = (tree[head] ?? {}) as Record<string, unknown>;
  tree[head] = inner;
  put(inner, rest, value);
}
