/**
 * What is on the CIDATA partition of a stick before anybody edits it: settings that say nothing yet, with the lines
 * to uncomment, and examples to copy. A machine that meets it takes nothing from it.
 */
import { type SeedFile, windowsLines } from './seed.ts';
import { render } from './templates.ts';

const NAMES = [
  ['README.txt', 'sample-README.txt.hbs'],
  ['clusteros/install.yaml', 'sample-install.yaml.hbs'],
  ['clusteros/node.yaml', 'sample-node.yaml.hbs'],
  ['examples/cluster.key', 'sample-cluster.key.hbs'],
  ['examples/meta-data', 'sample-meta-data.hbs'],
  ['examples/user-data', 'sample-user-data.hbs'],
] as const;

/** In a fixed order, with line ends that every editor shows. */
export function sampleFiles(clusterName: string): SeedFile[] {
  return NAMES.map(([path, template]) => ({ path, text: windowsLines(render(template, { clusterName })) }));
}
