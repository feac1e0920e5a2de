/**
 * Runs on a machine under test, see `checker.ts`: writes numbered keys and notes what became of each, or reads all
 * back through one endpoint. It speaks to etcd as the agent does, by the agent's own client.
 */
import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import * as path from 'node:path';
import { certificateFiles } from '../../agent/consensus/certificates/files.ts';
import { createEtcdClient } from '../../agent/consensus/etcd/client.ts';
import { tlsFromFiles } from '../../agent/consensus/etcd/tls-files.ts';
import { EtcdError } from '../../agent/consensus/etcd/types.ts';
import { clock } from '../../build/host.ts';

/** What the program is told, as JSON in its only argument. */
export type Orders =
  | {
      readonly do: 'write';
      /** The agent's run folder. */
      readonly run: string;
      readonly prefix: string;
      /** Lines `try|ok|unknown|refused NUMBER VALUE`; `stop` beside it ends the program. */
      readonly journal: string;
      /** A file with one endpoint a line, looked at before each write. */
      readonly endpoints: string;
      readonly everyMs: number;
    }
  | { readonly do: 'read'; readonly run: string; readonly prefix: string; readonly endpoint: string };

const CALL_MS = 3_000;
const READ_MS = 20_000;

const orders = JSON.parse(process.argv[2] ?? 'null') as Orders;
const certificates = certificateFiles(path.join(orders.run, 'etcd', 'tls'));
const tls = tlsFromFiles(() => ({ ...certificates, generation: writtenMs(Object.values(certificates)) }));

if (orders.do === 'write') await write(orders);
else await read(orders);
process.exit(0);

/** The agent counts what it writes; we have to look. */
function writtenMs(list: readonly string[]): number {
  return Math.max(...list.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0));
}

async function write({ journal, endpoints, prefix, everyMs }: Orders & { do: 'write' }): Promise<void> {
  const stop = path.join(path.dirname(journal), 'stop');
  const client = createEtcdClient({
    endpoints: () => shuffled(readFileSync(endpoints, 'utf8').split('\n').filter(Boolean)),
    tls,
    timeoutMs: CALL_MS,
  });
  // A write to a file is in the kernel when it returns: a killed program loses none of these lines.
  const note = (word: string, number: number, value: string) =>
    appendFileSync(journal, `${word} ${number} ${value}\n`);
  for (let number = 0; !existsSync(stop); number++) {
    const startMs = clock.monotonicMs();
    const value = `${number}.${Math.random().toString(36).slice(2)}`;
    note('try', number, value);
    try {
      await client.put(`${prefix}${number}`, value);
      note('ok', number, value);
    } catch (error) {
      const unknown = !(error instanceof EtcdError) || error.outcomeUnknown;
      note(unknown ? 'unknown' : 'refused', number, `${value} ${(error as EtcdError).code ?? error}`);
    }
    await clock.pause(Math.max(1, startMs + everyMs - clock.monotonicMs()));
  }
}

async function read({ prefix, endpoint }: Orders & { do: 'read' }): Promise<void> {
  const client = createEtcdClient({ endpoints: () => [endpoint], tls, timeoutMs: READ_MS });
  const { kvs } = await client.range(prefix, { prefix: true });
  const text = JSON.stringify(kvs.map(({ key, value, version }) => [key, value, version]));
  // A pipe takes 64 KiB at a time, and what is left is lost when the program ends.
  await new Promise((done) => process.stdout.write(text, done));
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
