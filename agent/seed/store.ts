import * as path from 'node:path';
import { files } from '../host.ts';
import { OFFER_LIMIT } from './judge.ts';
import { parseReport, type SeedItem, serializeReport } from './report.ts';

/** The copy of the seed's settings: they must outlive the stick. */
export function heldSettingsFile(state: string): string {
  return path.join(state, 'node.yaml');
}

function reportFile(state: string): string {
  return path.join(state, 'seed.json');
}

export async function loadHeldSettings(state: string): Promise<Buffer | undefined> {
  return (await files.readLimited(heldSettingsFile(state), OFFER_LIMIT))?.bytes;
}

export async function holdSettings(state: string, text: Buffer): Promise<void> {
  await files.writeDurable(heldSettingsFile(state), text, 0o600);
}

export async function loadReport(state: string): Promise<SeedItem[]> {
  const found = await files.readLimited(reportFile(state), 4 * OFFER_LIMIT);
  return found === undefined ? [] : parseReport(found.bytes.toString('utf8'));
}

/** Written only when it differs, since each durable write costs the disk two flushes. */
export async function saveReport(
  state: string,
  before: readonly SeedItem[],
  after: readonly SeedItem[],
): Promise<void> {
  const text = serializeReport(after);
  if (text !== serializeReport(before)) await files.writeDurable(reportFile(state), text, 0o600);
}
