/** Compares what was built again with what is there. Pure. */
import type { ManifestView } from './manifest-view.ts';
import type { Finding } from './verify.ts';

/** One finding for each artifact of `there`. */
export function rebuildFindings(there: ManifestView, again: ManifestView): Finding[] {
  const why = differences(there, again);
  return there.artifacts.map(({ file, sha256 }) => {
    const made = again.artifacts.find((each) => each.file === file);
    if (made?.sha256 === sha256) {
      return { subject: file, check: 'rebuild', state: 'ok', detail: 'built again, the same bytes' };
    }
    const because =
      why.length > 0
        ? `other inputs: ${why.join('; ')}`
        : 'from the same inputs: this is a fault of ours, please report it';
    const what = made === undefined ? 'was not built again' : 'built again, it has other bytes';
    return { subject: file, check: 'rebuild', state: 'failed', detail: `${what}, ${because}` };
  });
}

/** Which inputs of two builds differ, in words. */
export function differences(there: ManifestView, again: ManifestView): string[] {
  const found: string[] = [];
  if (there.base.name !== again.base.name)
    found.push(`the base was ${there.base.name} and is ${again.base.name}`);
  for (const { suite, sha256 } of there.base.suites) {
    const now = again.base.suites.find((each) => each.suite === suite);
    if (now?.sha256 !== sha256) found.push(`the archive's ${suite} has changed since`);
  }
  if (there.epoch !== again.epoch) found.push(`the time was ${there.epoch} and is ${again.epoch}`);
  if (there.tool.version !== again.tool.version)
    found.push(`clusteros-build was ${there.tool.version} and is ${again.tool.version}`);
  if (there.tool.node !== again.tool.node)
    found.push(`Node was ${there.tool.node} and is ${again.tool.node}`);
  if (there.agent.sha256 !== again.agent.sha256)
    found.push(`the node agent is another (${there.agent.version}, ${again.agent.version})`);
  found.push(
    ...changed(
      'file',
      there.files.map(({ path, mode, sha256 }) => [path, `${mode} ${sha256}`]),
      again.files.map(({ path, mode, sha256 }) => [path, `${mode} ${sha256}`]),
    ),
    ...changed(
      'package',
      there.packages.map(({ name, version }) => [name, version]),
      again.packages.map(({ name, version }) => [name, version]),
    ),
  );
  return found;
}

const MOST_NAMED = 5;

function changed(
  kind: string,
  there: readonly (readonly [string, string])[],
  again: readonly (readonly [string, string])[],
): string[] {
  const now = new Map(again);
  const before = new Map(there);
  const names = [...new Set([...before.keys(), ...now.keys()])].filter(
    (name) => before.get(name) !== now.get(name),
  );
  if (names.length === 0) return [];
  const shown = names.slice(0, MOST_NAMED).join(', ');
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return [`${names.length === 1 ? `the ${kind}` : `the ${kind}s`} ${shown}${more}`];
}
