/**
 * Loaded into each process of tests: one that does not come to its end, though each of its tests has a limit, says
 * what it waits for, and has failed.
 */
const limit = process.env.CLUSTEROS_TEST_FILE_LIMIT_MS;
if (limit !== undefined) setTimeout(giveUp, Number(limit)).unref();

function giveUp() {
  const waitsFor = [...new Set(process.getActiveResourcesInfo())].join(', ');
  process.stderr.write(`${process.argv[1]} has not ended after ${limit} ms; it waits for: ${waitsFor}\n`);
  process.exit(1);
}
