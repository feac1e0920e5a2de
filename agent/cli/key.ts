import { AgentError } from '../errors.ts';
import { processes } from '../host.ts';
import { loadKey } from '../identity/key-store.ts';
import { fingerprint } from '../identity/keys.ts';
import { confirm } from './confirm.ts';
import { type Context, printResult } from './context.ts';
import type { YesOptions } from './orders.ts';

/**
 * Print the cluster key, for a seed. Read from the disk: it never crosses the socket.
 *
 * @throws AgentError `key.none`, `key.root`
 */
export async function keyShow(context: Context, options: YesOptions): Promise<void> {
  if (processes.self().uid !== 0) {
    throw new AgentError({
      code: 'key.root',
      exit: 'storage',
      message: 'only root may see the cluster key',
      fix: 'sudo node-agent key show',
    });
  }
  const key = await loadKey(context.paths.state);
  if (key === undefined) {
    throw new AgentError({
      code: 'key.none',
      exit: 'notDone',
      message: 'this node holds no cluster key',
      fix: 'node-agent status says how to give it one',
    });
  }
  await confirm(context, options.yes, {
    about: `The cluster key ${fingerprint(key)} will be shown. Whoever has it can join the cluster and read what it encrypts.`,
    command: 'node-agent key show',
  });
  const document = { key: key.toString('base64'), fingerprint: fingerprint(key) };
  printResult(context, options, document, (it) => it.key);
}
