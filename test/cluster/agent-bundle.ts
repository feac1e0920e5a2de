import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { V8_FLAGS } from '../../build/agent/bundle.ts';
import { bundleSource } from '../../build/agent/source.ts';

/** The Node that becomes the agent; pinned by the lock file. */
export const PINNED_NODE = path.resolve(
  import.meta.dirname,
  `../../node_modules/node-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}/bin/node`,
);

let bundle: Uint8Array | undefined;

/** The agent as it stands in the working tree, and `node-agent` as a command for it. */
export interface InstalledAgent {
  readonly argv: readonly [string, ...string[]];
  /** A folder for PATH. */
  readonly bin: string;
}

/** Bundled once in each test process (0.2 s). @throws OperatorError `agent.bundle` */
export function installAgent(folder: string): InstalledAgent {
  bundle ??= bundleSource('0.0.0-test');
  const file = path.join(folder, 'agent.mjs');
  const bin = path.join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(file, bundle);
  const argv = [PINNED_NODE, '--disable-warning=ExperimentalWarning', ...V8_FLAGS, file] as const;
  const words = argv.map((word) => `'${word}'`).join(' ');
  writeFileSync(path.join(bin, 'node-agent'), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return { argv: [...argv], bin };
}

/** The built agent instead: one executable file, as machines have it. */
export function installBuiltAgent(folder: string, file: string): InstalledAgent {
  const bin = path.join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const program = path.join(bin, 'node-agent');
  symlinkSync(file, program);
  return { argv: [program], bin };
}
