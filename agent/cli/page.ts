import { AgentError } from '../errors.ts';
import { memory, processes } from '../host.ts';
import { servePage } from '../workloads/page/serve.ts';
import type { Context, Options } from './context.ts';

/**
 * The program of the role `page`, started by the agent that holds it.
 *
 * @throws AgentError when the role's lease ends: the unit is then failed, not finished
 */
export async function page({ paths }: Context, options: Options): Promise<void> {
  const {
    address = '',
    port = '80',
    socket = paths.statusSocket,
    lease = '',
  } = options as Record<string, string>;
  const stop = processes.stopSignal();
  memory.keepSmall();
  const why = await servePage({ address, port: Number(port), socket, leaseFile: lease }, stop);
  if (why === 'stopped') return;
  throw new AgentError({
    code: 'role.lease-over',
    exit: 'notDone',
    message: 'the lease of the role is over: the status page ends',
    fix: 'node-agent status says who holds it now',
  });
}
