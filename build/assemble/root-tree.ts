/** The root file system of an image: the packages' tree with everything of ours over it. */
import { AGENT_PATH } from '../../image-layers/agent.ts';
import type { LayerFile } from '../../image-layers/layer.ts';
import type { Plan } from '../definition/plan.ts';
import type { files } from '../host.ts';
import { type InstalledPackage, parseDpkgStatus } from '../rootfs/dpkg-status.ts';
import { ACCOUNT_FILES, withUsers } from './accounts.ts';
import type { Tree } from './tree/node.ts';
import { applyOverlay } from './tree/overlay.ts';
import { WindowReader } from './window-reader.ts';

export interface RootTree {
  readonly tree: Tree;
  readonly packages: readonly InstalledPackage[];
  /** A whole file of the tree. @throws Error when it is not there */
  readonly read: (path: string) => Promise<Buffer>;
}

interface RootTreeInput {
  readonly plan: Plan;
  /** The packages' tree, and the agent's program; the files behind them stay open while the result is used. */
  readonly packages: Tree;
  readonly agent: { readonly handle: files.FileHandle; readonly size: number };
  /** Files that depend on the medium. */
  readonly ownFiles: readonly LayerFile[];
  /** Seconds since 1970, for files of ours. */
  readonly epoch: number;
  /** What tells this image's packages from others': nodes compare it before they share a role. */
  readonly imageId: string;
}

export async function makeRootTree(input: RootTreeInput): Promise<RootTree> {
  const { plan, packages, agent, epoch } = input;
  const tree = applyOverlay(
    packages,
    {
      files: [...plan.files, ...input.ownFiles, ...inputFiles(input)],
      links: plan.links,
      units: plan.units,
      removes: [...plan.removes, '/etc/apt/sources.list'],
      programs: [{ path: AGENT_PATH, size: agent.size, source: { handle: agent.handle, position: 0 } }],
    },
    epoch,
  );
  const read = (path: string) => readWhole(tree, path);
  const users = plan.layers.flatMap((layer) => layer.users ?? []);
  for (const file of ACCOUNT_FILES) {
    const node = tree.get(file.slice(1));
    // A package tree without accounts is a test's.
    if (node === undefined) continue;
    const source = Buffer.from(withUsers(file, (await read(file)).toString('utf8'), users));
    tree.set(file.slice(1), { ...node, size: source.length, source });
  }
  return { tree, read, packages: parseDpkgStatus((await read('/var/lib/dpkg/status')).toString('utf8')) };
}

/** Files that depend on where the packages come from. */
function inputFiles({ plan, imageId }: RootTreeInput): LayerFile[] {
  return [
    { path: '/etc/clusteros/image.json', mode: 0o644, text: `${JSON.stringify({ id: imageId })}\n` },
    { path: '/etc/apt/sources.list.d/clusteros.sources', mode: 0o644, text: aptSourcesOfNode(plan) },
  ];
}

/** The archive that a node upgrades from: never the build's own proxy (deb822 form, sources.list(5)). */
function aptSourcesOfNode(plan: Plan): string {
  const { node, suites, components, keyring } = plan.apt;
  const [release, updates, security] = suites.map(({ suite }) => suite);
  const stanza = (uri: string, names: readonly (string | undefined)[]) =>
    `Types: deb\nURIs: ${uri}\nSuites: ${names.filter(Boolean).join(' ')}\nComponents: ${components.join(' ')}\nSigned-By: ${keyring}\n`;
  return `${stanza(node.mirror, [release, updates])}\n${stanza(node.securityMirror, [security])}`;
}

async function readWhole(tree: Tree, path: string): Promise<Buffer> {
  let node = tree.get(path.replace(/^\/+/, ''));
  for (let hops = 0; node?.kind === 'symlink' && hops < 8; hops++) {
    const folder = path.slice(0, path.lastIndexOf('/'));
    path = new URL(node.target ?? '', `file://${folder}/`).pathname;
    node = tree.get(path.replace(/^\/+/, ''));
  }
  if (node?.kind !== 'file') throw new Error(`the image has no file ${path}`);
  if (node.source === undefined) return Buffer.alloc(0);
  if (node.source instanceof Uint8Array) return Buffer.from(node.source);
  return await new WindowReader(node.source.handle).read(node.source.position, node.size);
}
