import * as path from 'node:path';
import * as z from 'zod';
import { AgentError } from '../errors.ts';
import { files, processes } from '../host.ts';
import { refuseLooseFile } from '../identity/identity.ts';

/** The enrolment token that the node holds until a member has taken it, and by which one it came in. */

const LIMIT = 4096;
const enrolledSchema = z.object({ token: z.string().max(64) });

export function tokenFile(state: string): string {
  return path.join(state, 'cluster.token');
}

function enrolledFile(state: string): string {
  return path.join(state, 'enrolled.json');
}

/** The text; undefined when none is held. @throws AgentError `key.mode`, `key.owner` */
export async function loadToken(state: string): Promise<string | undefined> {
  const file = tokenFile(state);
  const found = await files.readLimited(file, LIMIT);
  if (found === undefined) return undefined;
  refuseLooseFile({ path: file, mode: found.mode, uid: found.uid, ownUid: processes.self().uid }, 'key');
  return found.bytes.toString('latin1').trim();
}

export async function holdToken(state: string, text: string): Promise<void> {
  await files.writeDurable(tokenFile(state), `${text}\n`, 0o600);
}

export async function forgetToken(state: string): Promise<void> {
  await files.remove(tokenFile(state));
}

/** The id of the token by which this node has come in, or was about to. */
export async function loadEnrolled(state: string): Promise<string | undefined> {
  try {
    const found = await files.readLimited(enrolledFile(state), LIMIT);
    if (found === undefined) return undefined;
    return enrolledSchema.safeParse(JSON.parse(found.bytes.toString('utf8'))).data?.token;
  } catch (error) {
    // It is for the report only.
    if (error instanceof AgentError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Written before the key is held: the report then says what became of the token, whenever the power goes. */
export async function noteEnrolled(state: string, token: string): Promise<void> {
  await files.writeDurable(enrolledFile(state), `${JSON.stringify({ token })}\n`, 0o600);
}
