/**
 * Runs on a machine under test, see `fencing.ts`: looks every few milliseconds whether the role's address and its
 * listening socket are here, and asks the page. Lines `NS GAP STATE` in the journal: time by CLOCK_MONOTONIC, which
 * all network namespaces of a kernel share; ns since the look before; `a` address, `l` listening, `p` answered.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as os from 'node:os';
import * as path from 'node:path';
import { clock } from '../../build/host.ts';

const [address = '', journal = ''] = process.argv.slice(2);
const PORT = 80;
const EVERY_MS = 10;
const ASK_EVERY_NS = 50_000_000n;
const SIGN_OF_LIFE_NS = 250_000_000n;

const stop = path.join(path.dirname(journal), 'stop');
/** As /proc/net/tcp has it: bytes in the order of the machine, then the port. */
const socket = `${Buffer.from(address.split('.').map(Number)).readUInt32LE().toString(16).toUpperCase().padStart(8, '0')}:${PORT.toString(16).toUpperCase().padStart(4, '0')}`;
const listening = new RegExp(`^\\s*\\d+: ${socket} 00000000:0000 0A `, 'm');

let before = process.hrtime.bigint();
let written = 0n;
let state = '';
let askedAt = 0n;
while (!existsSync(stop)) {
  const now = process.hrtime.bigint();
  const here = hasAddress();
  const next = `${here ? 'a' : ''}${listening.test(readFileSync('/proc/net/tcp', 'utf8')) ? 'l' : ''}` || '-';
  if (next !== state || next !== '-' || now - written >= SIGN_OF_LIFE_NS) {
    note(now, now - before, next);
    written = now;
  }
  // Without the address the request would go to the holder's machine.
  if (here && now - askedAt >= ASK_EVERY_NS) {
    askedAt = now;
    ask();
  }
  [state, before] = [next, now];
  await clock.pause(EVERY_MS);
}
process.exit(0);

function hasAddress(): boolean {
  return Object.values(os.networkInterfaces()).some((list) => list?.some((each) => each.address === address));
}

/** It counts at the moment of the answer, and only if the address is here then. */
function ask(): void {
  const request = http.get(
    { host: address, port: PORT, path: '/healthz', agent: false, timeout: 300 },
    (answer) => {
      answer.resume();
      if (answer.statusCode === 200 && hasAddress()) note(process.hrtime.bigint(), 0n, 'p');
    },
  );
  request.on('timeout', () => request.destroy());
  request.on('error', () => {});
}

function note(at: bigint, gap: bigint, what: string): void {
  appendFileSync(journal, `${at} ${gap} ${what}\n`);
}
