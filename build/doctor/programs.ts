import { hostPrograms, isPresent, missingPrograms } from '../../bin/host-programs.mjs';
import { tryRun } from '../host.ts';

/** A host program or file as doctor found it. */
export interface ProgramReport {
  readonly name: string;
  readonly present: boolean;
  /** False for what only another base than the host's needs. */
  readonly required: boolean;
  readonly version: string | undefined;
  readonly neededBy: string;
  /** How to get it, as a command. */
  readonly install: string;
}

type Entry = ReturnType<typeof hostPrograms>[number];

/** Look at every program of bin/host-programs.json. */
export async function reportPrograms(family: 'debian' | 'ubuntu'): Promise<ProgramReport[]> {
  const entries = hostPrograms();
  const missing = missingPrograms(entries, family, isPresent);
  return Promise.all(
    entries.map(async (entry) => {
      const present = isPresent(entry);
      return {
        name: entry.name,
        present,
        required: present
          ? entry.onlyForBase === undefined || entry.onlyForBase === family
          : missing.includes(entry),
        version: present ? await versionOf(entry) : undefined,
        neededBy: entry.neededBy,
        install: `sudo apt-get install ${entry.package}`,
      };
    }),
  );
}

/** The program's own word, else its package's. */
async function versionOf(entry: Entry): Promise<string | undefined> {
  try {
    if (entry.version !== undefined) {
      const { stdout, stderr } = await tryRun(entry.version, { timeoutMs: 10_000 });
      const found = versionIn(`${stdout}\n${stderr}`);
      if (found !== undefined) return found;
    }
    const { stdout, exitCode } = await tryRun([
      'dpkg-query',
      '--show',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own syntax
      '--showformat=${Version}',
      entry.package,
    ]);
    return exitCode === 0 && stdout !== '' ? stdout : undefined;
  } catch {
    // Present but without a version to tell: doctor shows it so.
    return undefined;
  }
}

/** The first version number in a program's words: two or more numbers with dots, and what sticks to them. */
export function versionIn(text: string): string | undefined {
  return /\d+(?:\.\d+)+[\w.+~-]*/.exec(text)?.[0];
}
