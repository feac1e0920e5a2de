import * as path from 'node:path';
import { type BuildFailure, buildSync, formatMessagesSync } from 'esbuild';
import { OperatorError } from '../errors.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/**
 * The agent's sources and libraries as one module. Synchronous on purpose: esbuild then leaves no service
 * process behind, and takes a tenth of a second.
 *
 * @throws OperatorError `agent.bundle` with the compiler's messages
 */
export function bundleSource(version: string): Uint8Array {
  return bundle(version).source;
}

/** The folders of the npm packages of which something is in the bundle, below the repository, by name. */
export function bundledFolders(): string[] {
  const folders = bundle('0').inputs.flatMap(
    (file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? [],
  );
  return [...new Set(folders)].sort();
}

function bundle(version: string): { source: Uint8Array; inputs: string[] } {
  try {
    const { outputFiles, metafile } = buildSync({
      entryPoints: ['agent/main.ts'],
      absWorkingDir: ROOT,
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      format: 'esm',
      target: 'node26',
      // The package.json in reach must not change the output.
      tsconfigRaw: '{}',
      minifySyntax: true,
      minifyWhitespace: true,
      // Names stay: a stack in a bug report is worth the bytes.
      minifyIdentifiers: false,
      keepNames: false,
      legalComments: 'none',
      // One character beyond Latin-1 would make V8 keep the whole text with two bytes for each.
      charset: 'ascii',
      logLevel: 'silent',
      define: { CLUSTEROS_VERSION: JSON.stringify(version) },
      // Libraries in CommonJS ask for Node's own modules with require(). Undici takes HTTP/2 if it is there, and
      // loading it costs 3 MB.
      banner: {
        js: "const require=name=>{if(name==='node:http2')throw Error(name);return process.getBuiltinModule(name)};",
      },
    });
    const [output] = outputFiles;
    if (output === undefined) throw new Error('esbuild gave no output');
    // What was looked at and left no byte in the output is not in it.
    const kept = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
    const inputs = kept.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file);
    return { source: Buffer.from(withoutEnumeration(output.text), 'latin1'), inputs };
  } catch (cause) {
    const { errors = [] } = cause as Partial<BuildFailure>;
    if (errors.length === 0) throw cause;
    throw new OperatorError({
      code: 'agent.bundle',
      exit: 'internal',
      message: "the agent's sources cannot be bundled",
      evidence: formatMessagesSync(errors, { kind: 'error', color: false }).join('\n'),
      cause,
    });
  }
}

/**
 * Node's own modules by `process.getBuiltinModule` instead of `import`, which reads every name that a module exports,
 * and behind some names there is another part of Node to be loaded: 60 modules more, a tenth of the agent's start.
 *
 * @param text esbuild's output, which is ASCII, with the imports of all files at its top level
 */
export function withoutEnumeration(text: string): string {
  const taken = (name: string) => `process.getBuiltinModule("${name}")`;
  return text
    .replaceAll(/\bimport\{([\w$, ]+)\}from"(node:[\w/]+)";/g, (_, names: string, module: string) => {
      return `const{${names.replaceAll(/ as /g, ':')}}=${taken(module)};`;
    })
    .replaceAll(/\bimport\*as ([\w$]+) from"(node:[\w/]+)";/g, (_, name: string, module: string) => {
      return `const ${name}=${taken(module)};`;
    });
}
