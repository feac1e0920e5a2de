/**
 * Run inside a host of the rig: asks a page again and again, each time by a new connection, and prints a line
 * `START END STATUS` for each question in ms of CLOCK_MONOTONIC, which all processes of a machine share.
 *
 *   page-probe.ts URL
 */
import * as http from 'node:http';

const EVERY_MS = 20;
/** The first packet to a dead machine is lost, and TCP repeats it only a second later. */
const PATIENCE_MS = 250;

const [url = ''] = process.argv.slice(2);
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

// Nobody listens any more.
process.stdout.on('error', () => process.exit());

setInterval(() => {
  const startMs = nowMs();
  const done = (status: number | string) => console.log(`${startMs} ${nowMs()} ${status}`);
  const request = http.get(url, { agent: false, signal: AbortSignal.timeout(PATIENCE_MS) }, (answer) => {
    answer.on('error', () => {});
    answer.resume().on('end', () => done(answer.statusCode ?? 0));
  });
  request.on('error', () => done('none'));
}, EVERY_MS);
