import * as path from 'node:path';
import * as z from 'zod';
import { AgentError } from '../errors.ts';
import { files } from '../host.ts';

/** Our mesh address, held over reboots. */
export interface Claim {
  readonly address: string;
  /** How many addresses of our sequence others had before us. */
  readonly counter: number;
  /** We were in a cluster with it. */
  readonly established: boolean;
  /** We were an etcd member with it: it must not change before consensus says otherwise. */
  readonly voter: boolean;
}

const LIMIT = 4096;

const schema = z.object({
  version: z.literal(1),
  address: z.ipv4(),
  counter: z.int().min(0),
  established: z.boolean(),
  voter: z.boolean(),
});

function claimFile(state: string): string {
  return path.join(state, 'mesh.json');
}

/**
 * The held claim; undefined when there is none.
 *
 * @throws AgentError `mesh.claim` for a file that is none, and the gateway's for one that cannot be read
 */
export async function loadClaim(state: string): Promise<Claim | undefined> {
  const file = claimFile(state);
  const found = await files.readLimited(file, LIMIT);
  return found === undefined ? undefined : parseClaim(found.bytes.toString('utf8'), file);
}

/** Lasts over a power cut: the address is told to others only after it is held. */
export async function saveClaim(state: string, claim: Claim): Promise<void> {
  await files.writeDurable(claimFile(state), serializeClaim(claim), 0o600);
}

export function serializeClaim({ address, counter, established, voter }: Claim): string {
  return `${JSON.stringify({ version: 1, address, counter, established, voter }, undefined, 2)}\n`;
}

export function parseClaim(text: string, file: string): Claim {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, 'the file is not JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw damaged(file, parsed.error.issues[0]?.message ?? 'unknown form', parsed.error);
  const { version: _, ...claim } = parsed.data;
  return claim;
}

function damaged(file: string, evidence: string, cause: unknown): AgentError {
  return new AgentError({
    code: 'mesh.claim',
    exit: 'storage',
    message: `${file} does not say which mesh address this node has`,
    evidence,
    fix: `it is written anew once the cluster's registry has confirmed the address; or: rm ${file}`,
    cause,
  });
}
