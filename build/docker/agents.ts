/** What the agents in the containers say of themselves. */
import { z } from 'zod';
import { targetVoters } from '../../agent/consensus/membership.ts';
import type { Engine } from './engine.ts';

const statusSchema = z.looseObject({
  state: z.string(),
  name: z.string().optional(),
  cluster: z.looseObject({ uuid: z.string().optional() }).optional(),
  mesh: z.looseObject({ ready: z.boolean(), address: z.string().optional() }).optional(),
  consensus: z
    .looseObject({
      place: z.string(),
      quorum: z.boolean(),
      leader: z.string().optional(),
      voters: z.array(z.string()).default([]),
    })
    .optional(),
  members: z.array(z.looseObject({ name: z.string(), status: z.string() })).default([]),
});

const errorSchema = z.looseObject({ error: z.looseObject({ message: z.string() }) });

export type AgentStatus = z.infer<typeof statusSchema>;

const ANSWER_LIMIT_MS = 20_000;

/** The status of a node's agent, or why there is none. */
export async function agentStatus(engine: Engine, container: string): Promise<AgentStatus | string> {
  const argv = ['exec', container, 'node-agent', 'status', '--json'];
  const { exitCode, stdout, stderr } = await engine.try(argv, { timeoutMs: ANSWER_LIMIT_MS });
  return statusOrReason(exitCode, stdout, stderr);
}

/** What `node-agent status --json` has said: its status, else the reason in its own words. Pure. */
export function statusOrReason(exitCode: number | undefined, stdout: string, stderr: string) {
  const status = statusSchema.safeParse(parsed(stdout));
  if (status.success) return status.data;
  const failure = errorSchema.safeParse(parsed(stderr) ?? parsed(stdout));
  if (failure.success) return failure.data.error.message;
  const words = `${stderr}${stdout}`.trim().split('\n')[0];
  return words || `node-agent status ends with ${exitCode}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What keeps these nodes from being one whole cluster, or undefined. Pure.
 *
 * With fewer voters than fit it would be no better than one machine, and the node that is next waits again, for its
 * etcd.
 *
 * @param agents by node name; a text says why there is no status
 */
export function lacking(agents: ReadonlyMap<string, AgentStatus | string>): string | undefined {
  const clusters = new Set<string>();
  for (const [name, agent] of agents) {
    if (typeof agent === 'string') return `${name}: ${agent}`;
    if (agent.state !== 'ready') return `${name} is ${agent.state}`;
    if (!agent.consensus?.quorum) return `${name} sees no quorum`;
    const alive = agent.members.filter(({ status }) => status === 'alive').length;
    if (alive < agents.size) return `${name} sees ${alive} of ${agents.size} nodes`;
    const voters = agent.consensus.voters.length;
    const wanted = targetVoters(agents.size);
    if (voters < wanted) return `${name} sees ${voters} of ${wanted} voters`;
    clusters.add(agent.cluster?.uuid ?? '');
  }
  return clusters.size > 1 ? `the nodes are in ${clusters.size} clusters` : undefined;
}
