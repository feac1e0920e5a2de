/**
 * `npm run bench:image`: our build against plain mmdebstrap (and vmdb2, when it is here), and what the agent costs
 * a boot, all in one run on one machine. Times mean nothing by themselves; the ratios do.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { cacheFolderOf } from '../build/cache.ts';
import { readHostFacts } from '../build/definition/host-facts.ts';
import { loadDefinition } from '../build/definition/load.ts';
import { makePlan } from '../build/definition/make-plan.ts';
import type { Plan } from '../build/definition/plan.ts';
import { clock, run } from '../build/host.ts';
import { sourceLines } from '../build/rootfs/mmdebstrap.ts';
import { buildWithCli, ROOT } from '../test/images.ts';
import { bootFigures } from './boot.ts';
import { firstBoot } from './first-boot.ts';
import { vmdb2Seconds } from './vmdb2.ts';

const folder = mkdtempSync(path.join(process.env.CLUSTEROS_BENCH_FOLDER ?? tmpdir(), 'cos-bench-'));
try {
  await bench();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  const plan = makePlan(await loadDefinition(undefined), await readHostFacts(), { base: 'debian-13' });
  say('warming the package cache');
  const warm = await buildWithCli({ output: path.join(folder, 'warm'), args: ['--base', 'debian-13'] });

  const plain = await seconds('plain mmdebstrap to a folder', () => plainMmdebstrap(plan));
  rmSync(path.join(folder, 'plain'), { recursive: true, force: true });
  const cold = await seconds('clusteros-build image, cold, to qcow2', () => coldBuild());
  const rebuild = await rebuildFigures();
  const vmdb2 = await vmdb2Seconds(plan, folder);
  const boot = await bootFigures(warm.image);
  const first = await firstBoot(warm.image, folder);

  say('');
  say('| what | seconds | ratio | aim |');
  say('|---|---|---|---|');
  say(`| plain mmdebstrap, same packages, to a folder | ${plain.toFixed(1)} | 1 | |`);
  say(
    `| vmdb2, same packages | ${typeof vmdb2 === 'number' ? `${vmdb2.toFixed(1)} | ${(vmdb2 / plain).toFixed(2)}` : `- | ${vmdb2}`} | |`,
  );
  say(`| clusteros-build image, cold | ${cold.toFixed(1)} | ${(cold / plain).toFixed(2)} | 0.45 |`);
  say(`| bundling the agent alone | ${rebuild.bundle.toFixed(1)} | | |`);
  say(
    `| clusteros-build image, only the agent changed | ${rebuild.image.toFixed(1)} | +${(rebuild.image - rebuild.bundle).toFixed(1)} s | +5 s |`,
  );
  say(
    `| boot to multi-user.target, agent disabled (median of ${boot.rounds}) | ${boot.plain.toFixed(1)} | 1 | |`,
  );
  say(
    `| first boot with a seed, power to ready (npm run bench:boot compares) | ${first.ready.toFixed(1)} | | |`,
  );
  say(`| boot to agent ready | ${boot.agent.toFixed(1)} | ${(boot.agent / boot.plain).toFixed(2)} | 1.15 |`);
}

/** The baseline: defaults but for the archive files, which both take from the same warm cache. */
async function plainMmdebstrap(plan: Plan): Promise<void> {
  const hooks = path.join(ROOT, 'build', 'rootfs', 'hooks');
  const rest = path.join(folder, 'rest-of-cache');
  writeFileSync(
    rest,
    '#!/bin/sh\nfind "$CLUSTEROS_DEBS" -maxdepth 1 -name "*.deb" -exec cp -n -t "$1/var/cache/apt/archives" {} +\n',
    {
      mode: 0o755,
    },
  );
  await run(
    [
      'mmdebstrap',
      '--variant=apt',
      `--architectures=${plan.arch}`,
      `--keyring=${plan.apt.keyring}`,
      `--include=${plan.packages.join(',')}`,
      '--skip=download/empty,essential/unlink',
      `--setup-hook=${path.join(hooks, 'setup')}`,
      `--essential-hook=${rest}`,
      plan.base.suite,
      path.join(folder, 'plain'),
      ...sourceLines(plan),
    ],
    {
      env: {
        CLUSTEROS_DEBS: path.join(cacheFolderOf(), 'debs', plan.base.name),
        CLUSTEROS_BASE: plan.base.name,
      },
    },
  );
}

async function coldBuild(): Promise<void> {
  const cache = path.join(folder, 'cache');
  await run(['mkdir', cache]);
  await run(['cp', '-r', path.join(cacheFolderOf(), 'debs'), path.join(cache, 'debs')]);
  await buildWithCli({
    output: path.join(folder, 'cold'),
    env: { CLUSTEROS_CACHE: cache },
    args: ['--base', 'debian-13'],
  });
}

/** A clone with a changed agent, on the warm cache: bundling alone, then another change and a whole build. */
async function rebuildFigures(): Promise<{ bundle: number; image: number }> {
  const clone = path.join(folder, 'clone');
  await run(['git', 'clone', '--quiet', ROOT, clone]);
  await run(['ln', '-s', path.join(ROOT, 'node_modules'), path.join(clone, 'node_modules')]);
  const main = path.join(clone, 'agent', 'main.ts');
  const original = readFileSync(main, 'utf8');
  const change = (mark: string) =>
    writeFileSync(main, `${original}\nprocess.env.CLUSTEROS_BENCH_MARK = '${mark}';\n`);
  const command = (...words: string[]) =>
    run([process.execPath, path.join(clone, 'build', 'main.ts'), ...words], {
      cwd: clone,
      env: { CLUSTEROS_CACHE: cacheFolderOf() },
    });
  const bundle = await seconds('bundling a changed agent', async () => {
    change('one');
    await command('agent', '--output', path.join(folder, 'node-agent'));
  });
  const image = await seconds('clusteros-build image, another agent', async () => {
    change('two');
    await command('image', '--json', '--base', 'debian-13', '--output', path.join(folder, 'rebuilt'));
  });
  return { bundle, image };
}

async function seconds(what: string, work: () => Promise<unknown>): Promise<number> {
  say(`${what} ...`);
  const start = clock.monotonicMs();
  await work();
  const took = (clock.monotonicMs() - start) / 1000;
  say(`${what}: ${took.toFixed(1)} s`);
  return took;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
