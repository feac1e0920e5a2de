import { nodeName } from '../config/name.ts';
import type { Controller } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import { files, inPlace, network } from '../host.ts';
import { shortHash } from '../identity/identity.ts';
import { type HostEntry, withBlock } from './hosts-block.ts';
import { namesOf } from './node-names.ts';

const LIMIT = 4 * 1024 * 1024;
const VERIFY_MS = 30_000;
const REST_MS = 500;

/** Makes every node's name known on this one, by the hosts file. */
export function namesController(hosts: string): Controller {
  return {
    name: 'names',
    inputs: ['facts', 'cards', 'registry', 'mesh'],
    outputs: [],
    async reconcile(view) {
      const facts = view.get('facts');
      const mesh = view.get('mesh');
      const settings = facts?.settings.settings;
      const identity = facts?.identity;
      if (settings === undefined || identity === undefined || identity instanceof AgentError) return {};
      if (mesh?.address === undefined || !Buffer.isBuffer(facts?.key)) return {};
      const own = { id: identity.id, name: nodeName(settings.name, network.hostname(), shortHash(identity)) };
      const names = namesOf(own, view.get('cards') ?? [], view.get('registry'));
      const entries: HostEntry[] = [
        { name: names.get(own.id) ?? own.name, address: mesh.address },
        ...mesh.peers.map(({ id, name, address }) => ({ name: names.get(id) ?? name, address })),
      ];
      try {
        await writeHosts(hosts, entries);
        return { againMs: VERIFY_MS, restMs: REST_MS };
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        const condition = {
          code: 'names.unwritable',
          state: 'failed' as const,
          summary: `the names of the nodes cannot be made known: ${error.message}`,
          endedBy: error.fix ?? `make ${hosts} a file that the agent may write`,
        };
        return { conditions: [condition], againMs: 10_000 };
      }
    },
  };
}

/** Bring the block up to date; the file is only touched when it differs. @throws AgentError */
export async function writeHosts(hosts: string, entries: readonly HostEntry[]): Promise<void> {
  const found = await files.readLimited(hosts, LIMIT);
  if (found === undefined && entries.length === 0) return;
  // latin1 keeps each byte, whatever the file's encoding is.
  const before = found?.bytes.toString('latin1') ?? '';
  const after = withBlock(before, entries);
  if (after !== before) await inPlace.overwriteLines(hosts, Buffer.from(after, 'latin1'));
}
