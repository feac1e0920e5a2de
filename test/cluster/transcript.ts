/** A failure of a cluster on one page. */
import { mkdirSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import type { TestContext } from 'node:test';
import { clock } from '../../build/host.ts';
import type { Cluster, MachineRecord } from './machines.ts';

const FOLDER = '/tmp/clusteros-transcripts';

interface PageSize {
  /** Lines of each agent, and of each engine. */
  readonly agent: number;
  readonly engine: number;
}

const ON_SCREEN: PageSize = { agent: 15, engine: 6 };
const IN_FILE: PageSize = { agent: 1_000, engine: 200 };

/** A failure of the scenario prints the transcript, and is the test's. */
export async function told(t: TestContext, cluster: Cluster, scenario: () => Promise<void>): Promise<void> {
  try {
    await scenario();
  } catch (error) {
    await transcribe(cluster, t.fullName).then(
      (page) => process.stderr.write(page),
      (reason: unknown) => process.stderr.write(`no transcript: ${String(reason)}\n`),
    );
    throw error;
  }
}

/** Collect from every machine, save the long form, @returns the page to print, which names the file. */
export async function transcribe(cluster: Cluster, title: string): Promise<string> {
  const records = await Promise.all(cluster.machines.map((machine) => machine.record()));
  const slug = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60);
  const stamp = clock.wallClock().toISOString().replace(/[:.]/g, '-');
  const file = path.join(FOLDER, `${stamp}-${slug}.txt`);
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(file, renderTranscript(title, records, IN_FILE));
  return `${renderTranscript(title, records, ON_SCREEN)}more: ${file}\n`;
}

/** Pure. */
function renderTranscript(title: string, records: readonly MachineRecord[], size: PageSize): string {
  const width = Math.max(0, ...records.map(({ name }) => name.length));
  const at = (name: string) => name.padEnd(width);
  const lines = records
    .flatMap(({ name, lines: said }) => said.slice(-size.agent).map((line) => ({ name, ...line })))
    .sort((a, b) => a.atMs - b.atMs);
  return [
    `──── ${title}`,
    '── what the agents said',
    ...lines.map(({ name, atMs, text }) => `${timeOf(atMs)} ${at(name)} ${text}`),
    '── how they are',
    ...records.flatMap(({ name, headline, conditions }) => [
      `${at(name)} ${headline}`,
      ...conditions.map((each) => indent(each, width + 3)),
    ]),
    '── what runs',
    ...records.flatMap(({ name, processes }) => processes.map((each) => `${at(name)} ${each.slice(0, 160)}`)),
    ...records.flatMap(({ name, engines }) =>
      Object.entries(engines).flatMap(([unit, text]) => [
        `── ${unit} of ${name}`,
        ...text.trimEnd().split('\n').slice(-size.engine),
      ]),
    ),
    '',
  ].join('\n');
}

/** Hours to milliseconds, as the logs of the engines show it (UTC). */
function timeOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}

function indent(text: string, by: number): string {
  return text.replace(/^/gm, ' '.repeat(by));
}
