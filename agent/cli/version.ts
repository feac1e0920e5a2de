import { processes } from '../host.ts';
import { VERSION } from '../version.ts';
import { type Context, type Options, printResult } from './context.ts';

export async function version(context: Context, options: Options): Promise<void> {
  const { node, arch } = processes.self();
  printResult(
    context,
    options,
    { version: VERSION, node, arch },
    (it) => `node-agent ${it.version} (node ${it.node}, ${it.arch})`,
  );
}
