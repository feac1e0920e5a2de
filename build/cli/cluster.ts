import type { Command } from 'commander';
import { askAll, chooseNode, listNodes, noCluster, removeCluster } from '../docker/cluster.ts';
import { type Engine, findEngine } from '../docker/engine.ts';
import { stateFolderOf } from '../docker/state.ts';
import { files } from '../host.ts';
import { named } from './cluster-name.ts';
import { addClusterUp } from './cluster-up.ts';
import { statusAsText } from './cluster-view.ts';
import type { Context, Register } from './context.ts';

interface NameFlag {
  readonly name: string;
}

/** systemd ends its units in an orderly way; the agent alone may take twenty seconds. */
const STOP_SECONDS = 60;

export const registerCluster: Register = (program, context) => {
  const family = program
    .command('cluster')
    .description('a quick cluster under Docker on this machine: five nodes by one command')
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build image --target docker       once: the image that the nodes run
  npx clusteros-build cluster up                  five nodes, node1 at 10.90.0.10
  npx clusteros-build cluster status
  npx clusteros-build cluster shell node2
  npx clusteros-build cluster exec node1 -- node-agent members
  npx clusteros-build cluster stop node3          and start node3 again later
  npx clusteros-build cluster clean               takes everything away, the cluster's key too
`,
    );
  addClusterUp(family, context);
  addLooks(family, context);
  addWays(family, context);
  addEnds(family, context);
};

async function engineOf(context: Context): Promise<Engine> {
  return await findEngine(process.env, context.signal);
}

function addLooks(family: Command, context: Context): void {
  named(family.command('status').description('the nodes, their containers and their agents')).action(
    async ({ name }: NameFlag) => {
      const engine = await engineOf(context);
      const nodes = await listNodes(engine, name);
      if (nodes.length === 0) throw noCluster(name);
      const agents = await askAll(engine, nodes);
      const document = nodes.map((node) => ({ ...node, agent: agents.get(node.name) }));
      context.answer({ cluster: name, nodes: document }, () => statusAsText(name, nodes, agents));
    },
  );
  named(family.command('info').argument('[node]', 'such as node2; default: the first that runs'))
    .description('what a node is: identity, key, addresses, settings')
    .action(async (node: string | undefined, { name }: NameFlag) => {
      const engine = await engineOf(context);
      const { container } = chooseNode(await listNodes(engine, name), name, node);
      const json = context.globals().json ? ['--json'] : [];
      const { stdout } = await engine.run(['exec', container, 'node-agent', 'info', ...json]);
      context.answer(json.length > 0 ? JSON.parse(stdout) : undefined, () => stdout);
    });
  named(family.command('logs').argument('[node]', 'such as node2; default: the first that runs'))
    .description("a node's journal")
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('-n, --lines <n>', 'how many of the last lines', '200')
    .option('-u, --unit <unit>', 'one unit, such as node-agent')
    .action(
      async (node: string | undefined, flags: NameFlag & { follow?: true; lines: string; unit?: string }) => {
        const engine = await engineOf(context);
        const { container, state } = chooseNode(await listNodes(engine, flags.name), flags.name, node);
        const journal = ['journalctl', '--no-pager', '--lines', flags.lines];
        if (flags.unit !== undefined) journal.push('--unit', flags.unit);
        if (flags.follow) journal.push('--follow');
        // Of a container that does not run, what its console showed is left.
        const argv =
          state === 'running' ? ['exec', container, ...journal] : ['logs', '--tail', flags.lines, container];
        if (flags.follow) return void (await engine.try(argv, { interactive: true }));
        const { stdout, stderr } = await engine.run(argv);
        context.answer({ node: node ?? null, lines: stdout.split('\n') }, () => `${stdout}${stderr}`);
      },
    );
}

function addWays(family: Command, context: Context): void {
  named(family.command('shell').argument('[node]', 'such as node2; default: the first that runs'))
    .description('a shell on a node, as root')
    .action(async (node: string | undefined, { name }: NameFlag) => {
      const engine = await engineOf(context);
      const { container } = chooseNode(await listNodes(engine, name), name, node);
      const terminal = process.stdin.isTTY ? ['--interactive', '--tty'] : ['--interactive'];
      const argv = ['exec', ...terminal, container, '/bin/bash', '--login'];
      const { exitCode } = await engine.try(argv, { interactive: true });
      if (exitCode !== 0) context.exitWith('command');
    });
  named(family.command('exec').argument('<node>').argument('<command...>', 'behind --'))
    .description('run a command on a node, with its output and as its end')
    .action(async (node: string, command: string[], { name }: NameFlag) => {
      const engine = await engineOf(context);
      const { container } = chooseNode(await listNodes(engine, name), name, node);
      if (!context.globals().json) {
        const { exitCode } = await engine.try(['exec', container, ...command], { interactive: true });
        if (exitCode !== 0) context.exitWith('command');
        return;
      }
      const result = await engine.try(['exec', container, ...command]);
      context.answer({ node, ...result }, () => result.stdout);
      if (result.exitCode !== 0) context.exitWith('command');
    });
}

function addEnds(family: Command, context: Context): void {
  for (const [order, description, argv] of [
    ['stop', 'stop nodes in an orderly way; their state stays', ['stop', '--time', String(STOP_SECONDS)]],
    ['start', 'start stopped nodes again', ['start']],
  ] as const) {
    named(family.command(order).argument('[node...]', 'such as node2 node3; default: all'))
      .description(description)
      .action(async (wanted: string[], { name }: NameFlag) => {
        const engine = await engineOf(context);
        const nodes = await listNodes(engine, name);
        const chosen = wanted.length === 0 ? nodes : wanted.map((node) => chooseNode(nodes, name, node));
        if (chosen.length === 0) throw noCluster(name);
        await engine.run([...argv, ...chosen.map(({ container }) => container)]);
        const names = chosen.map((node) => node.name);
        context.answer({ cluster: name, [order]: names }, () => `${order}: ${names.join(', ')}`);
      });
  }
  named(family.command('clean'))
    .description('remove nodes, their state, the network and the key that was made for them')
    .action(async ({ name }: NameFlag) => {
      const engine = await findEngine(process.env, context.signal, 'allowed');
      const removed = await removeCluster(engine, name);
      await files.remove(stateFolderOf(name));
      context.answer({ cluster: name, removed }, () =>
        removed.length === 0
          ? `there is nothing of a quick cluster ${name}`
          : `removed ${removed.join(', ')}`,
      );
    });
}
