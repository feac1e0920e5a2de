import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { TestContext } from 'node:test';
import { type Paths, pathsFrom } from '../paths.ts';

/** A throwaway machine for one test: every path of the agent inside one folder, removed at its end. */
export interface Sandbox {
  readonly folder: string;
  readonly environment: Record<string, string>;
  readonly paths: Paths;
  /** Put a file below the sandbox, folders included. */
  put(file: string, data: string | Uint8Array, mode?: number): string;
  /** Put a file on the seed, into its folder `clusteros`. */
  seed(name: string, data: string | Uint8Array): string;
}

/** @param t any that calls what it is given at its end */
export function makeSandbox(t: Pick<TestContext, 'after'>): Sandbox {
  const folder = mkdtempSync(path.join(tmpdir(), 'agent-test.'));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const environment = {
    CLUSTEROS_STATE_DIR: path.join(folder, 'state'),
    CLUSTEROS_RUN_DIR: path.join(folder, 'run'),
    CLUSTEROS_CONFIG: path.join(folder, 'etc/node.yaml'),
    CLUSTEROS_SEED_DIR: path.join(folder, 'seed'),
    CLUSTEROS_ISSUE_DIR: path.join(folder, 'console/issue.d'),
  };
  const put = (file: string, data: string | Uint8Array, mode = 0o600) => {
    const target = path.join(folder, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, data, { mode });
    return target;
  };
  return {
    folder,
    environment,
    paths: pathsFrom(environment),
    put,
    seed: (name, data) => put(`seed/clusteros/${name}`, data),
  };
}
