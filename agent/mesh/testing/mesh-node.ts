/**
 * One node's mesh in a process of its own, for tests that put it into a namespace: `mesh-node.ts FOLDER SEED_HEX
 * SETTINGS_JSON`. Reads commands as lines of JSON, writes what it has as lines of JSON.
 */
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { settingsSchema } from '../../config/settings.ts';
import { childUnits } from '../../engine/child-units.ts';
import { runControllers } from '../../engine/controller.ts';
import type { Resources } from '../../engine/resources.ts';
import { createStore } from '../../engine/store.ts';
import { boottime, files } from '../../host.ts';
import { identityFromSeed } from '../../identity/identity.ts';
import { createLog } from '../../log.ts';
import { pathsFrom } from '../../paths.ts';
import { createMesh } from '../mesh.ts';

export interface Command {
  readonly set?: Partial<Resources>;
  readonly hold?: string;
  /** How long, in ms; a minute unless given. */
  readonly holdMs?: number;
  /** Hold it by a lease that is renewed without a pause, until one was over before the next. */
  readonly renew?: string;
  readonly release?: string;
  /** Ends the controllers, takes all away, and ends the process. */
  readonly tearDown?: true;
}

export interface Report {
  readonly mesh?: Resources['mesh'];
  readonly conditions?: readonly { readonly code: string; readonly summary: string }[];
  /** A command has been done; with its error, if it had one. */
  readonly done?: Command;
  readonly error?: string;
}

/** The kernel counts whole seconds, and may be one late. */
const LEASE_MS = 2_500;

const [, , folder = '', seed = '', settings = '{}'] = process.argv;
const say = (report: Report) => process.stdout.write(`${JSON.stringify(report)}\n`);
const paths = pathsFrom({
  CLUSTEROS_STATE_DIR: `${folder}/state`,
  CLUSTEROS_RUN_DIR: `${folder}/run`,
  CLUSTEROS_HOSTS_FILE: `${folder}/hosts`,
});
await files.makeFolder(paths.state, 0o700);
await files.makeFolder(paths.run, 0o755);

const store = createStore<Resources>();
store.set('facts', {
  identity: identityFromSeed(Buffer.from(seed, 'hex'), new Date(0)),
  identityCreated: false,
  key: Buffer.alloc(32, 7),
  settings: { settings: settingsSchema.parse(JSON.parse(settings)) },
  seed: [],
  holdsSeedSettings: false,
  spoilt: [],
  storage: undefined,
});
store.watch(['mesh'], () => {
  const mesh = store.get('mesh');
  if (mesh !== undefined) say({ mesh });
});
const mesh = createMesh({ paths, units: childUnits(paths.run, {}) });
const stop = new AbortController();
const log = createLog({ write: (line) => process.stderr.write(line) });
const engine = runControllers({
  controllers: mesh.controllers,
  store,
  log,
  stop: stop.signal,
  halted: () => false,
  giveUp: assert.fail,
});
setInterval(() => {
  say({ conditions: engine.conditions().map(({ code, summary }) => ({ code, summary })) });
}, 200);

async function renew(address: string): Promise<void> {
  for (let endsMs = Infinity; ; ) {
    // One reading both judges the old lease and begins the new one, or a suspension between two would revive it.
    const nowMs = boottime.sinceBootMs();
    if (nowMs >= endsMs) return;
    endsMs = nowMs + LEASE_MS;
    await mesh.holdAddress(address, endsMs);
  }
}

async function obey(command: Command): Promise<void> {
  if (command.set?.cards) store.set('cards', command.set.cards);
  if (command.set?.gossip) store.set('gossip', command.set.gossip);
  if (command.set?.registry) store.set('registry', command.set.registry);
  if (command.set?.links) store.set('links', command.set.links);
  if (command.hold) await mesh.holdAddress(command.hold, boottime.sinceBootMs() + (command.holdMs ?? 60_000));
  if (command.renew) void renew(command.renew);
  if (command.release) await mesh.releaseAddress(command.release);
  if (command.tearDown) {
    stop.abort();
    await engine.done;
    await mesh.tearDown();
  }
}

createInterface(process.stdin).on('line', async (line) => {
  const done = JSON.parse(line) as Command;
  await obey(done).then(
    () => say({ done }),
    (error: unknown) => say({ done, error: String(error) }),
  );
  if (done.tearDown) process.exit(0);
});
