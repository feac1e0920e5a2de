import type { Seed } from '../machines.ts';

/** The files of the seed that the agent reads; those for cloud-init are test/integration/first-boot.test.ts's. Pure. */
export function seedTexts({
  key,
  nodeYaml,
  token,
}: Seed): { readonly path: string; readonly text: string }[] {
  const texts = {
    'clusteros/cluster.key': key && `${key}\n`,
    'clusteros/cluster.token': token && `${token}\n`,
    'clusteros/node.yaml': nodeYaml,
  };
  return Object.entries(texts).flatMap(([path, text]) => (text === undefined ? [] : [{ path, text }]));
}
