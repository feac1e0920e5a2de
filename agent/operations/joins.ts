import * as path from 'node:path';
import * as z from 'zod';
import { settingsSchema } from '../config/settings.ts';
import { AgentError } from '../errors.ts';
import { files } from '../host.ts';
import { readRecord } from '../own-record.ts';

/** Addresses that the operator named by `node-agent join`, besides those of the settings. */
const MOST = 64;
const LIMIT = 64 * 1024;

const fileSchema = z.object({ addresses: z.array(z.string().max(300)).max(MOST) });

function joinsFile(state: string): string {
  return path.join(state, 'joins.json');
}

/** Newest last; empty when there are none or the file is damaged: it can be said again. */
export async function loadJoins(state: string): Promise<readonly string[]> {
  const record = await readRecord(joinsFile(state), LIMIT, fileSchema);
  return record?.addresses.filter(isAddress) ?? [];
}

/**
 * Keep an address; of more than 64 the oldest is forgotten.
 *
 * @throws AgentError `join.bad-address`
 */
export async function addJoin(state: string, address: string): Promise<readonly string[]> {
  if (!isAddress(address)) {
    throw new AgentError({
      code: 'join.bad-address',
      exit: 'usage',
      message: `${JSON.stringify(address.slice(0, 100))} is no address; expected host, host:port or [IPv6]:port`,
      fix: 'node-agent join 192.0.2.7',
    });
  }
  const before = (await loadJoins(state)).filter((known) => known !== address);
  const addresses = [...before, address].slice(-MOST);
  return save(state, addresses);
}

/**
 * Ask an address no more.
 *
 * @throws AgentError `join.unknown-address` when nobody named it by `node-agent join`
 */
export async function removeJoin(state: string, address: string): Promise<readonly string[]> {
  const before = await loadJoins(state);
  const addresses = before.filter((known) => known !== address);
  if (addresses.length === before.length) {
    throw new AgentError({
      code: 'join.unknown-address',
      exit: 'notDone',
      message: `${JSON.stringify(address.slice(0, 100))} was not named by node-agent join`,
      evidence: before.length === 0 ? 'no address was' : `named were: ${before.join(', ')}`,
      fix: 'name one of these; an address of the settings goes from discovery.join there',
    });
  }
  return save(state, addresses);
}

async function save(state: string, addresses: readonly string[]): Promise<readonly string[]> {
  await files.writeDurable(joinsFile(state), `${JSON.stringify({ addresses })}\n`, 0o600);
  return addresses;
}

function isAddress(text: string): boolean {
  return settingsSchema.safeParse({ discovery: { join: [text] } }).success;
}
