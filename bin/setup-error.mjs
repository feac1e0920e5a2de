/** A failure of the set-up that the operator can mend: what happened, the evidence, the remedy. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {{ evidence?: string, fix?: string, exitCode?: number }} [details]
   */
  constructor(message, details = {}) {
    super(message);
    this.name = 'SetupError';
    this.evidence = details.evidence ?? '';
    this.fix = details.fix ?? '';
    this.exitCode = details.exitCode ?? 3;
  }
}

/**
 * Run an entry's main function; a SetupError is told in plain words and becomes the exit code.
 *
 * @param {() => void | Promise<void>} main
 */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`clusteros: ${error.message}\n`);
    if (error.evidence) process.stderr.write(`${error.evidence.trimEnd().replace(/^/gm, '  ')}\n`);
    if (error.fix) process.stderr.write(`  fix: ${error.fix}\n`);
    process.exitCode = error.exitCode;
  }
}
