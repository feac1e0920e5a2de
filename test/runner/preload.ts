/**
 * Loaded into each process of tests. One that does not come to its end, though each of its tests has a limit, says what
 * it waits for, and has failed. One that ends notes what it and its programs used of the processor.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import * as path from 'node:path';

/** Of a second: what /proc counts in, on every Linux of ours (proc_pid_stat(5), sysconf(_SC_CLK_TCK)). */
const TICKS = 100;

/** As run-job.ts gave them with the import. */
const { limit, usage } = Object.fromEntries(new URL(import.meta.url).searchParams);
if (limit !== undefined) setTimeout(giveUp, Number(limit)).unref();
if (usage !== undefined) process.on('exit', () => noteUsage(usage));

function giveUp(): void {
  const waitsFor = [...new Set(process.getActiveResourcesInfo())].join(', ');
  process.stderr.write(`${process.argv[1]} has not ended after ${limit} ms; it waits for: ${waitsFor}\n`);
  process.exit(1);
}

/** User and system time of this process and of all that it waited for, and that those waited for. */
function noteUsage(folder: string): void {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  const line = JSON.stringify({
    files: [process.argv[1], ...process.argv.slice(2)],
    cpuSeconds: ticks / TICKS,
  });
  appendFileSync(path.join(folder, String(process.pid)), `${line}\n`);
}
