/**
 * A node on a LAN for tests: all of discovery under the real engine, telling what it sees as JSON lines. Run it
 * inside a network namespace: `node lan.ts FOLDER KEY-BYTE ID-BYTE [JOIN]`.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import * as path from 'node:path';
import { DEFAULT_SETTINGS } from '../../config/settings.ts';
import { type Engine, runControllers } from '../../engine/controller.ts';
import type { Resources } from '../../engine/resources.ts';
import { createStore } from '../../engine/store.ts';
import { createLog } from '../../log.ts';
import { pathsFrom } from '../../paths.ts';
import { createDiscovery } from '../discovery.ts';
import { identityOf } from './peers.ts';

const [folder = '', key = '1', id = '1', join = ''] = process.argv.slice(2);
const paths = pathsFrom({
  CLUSTEROS_STATE_DIR: path.join(folder, 'state'),
  CLUSTEROS_CONFIG: path.join(folder, 'etc/node.yaml'),
});
mkdirSync(paths.state, { recursive: true });
const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
const log = createLog({ write: (line) => say({ log: line.trimEnd() }), level: 'info' });
const store = createStore<Resources>();
const stop = new AbortController();
const settings = {
  ...DEFAULT_SETTINGS,
  discovery: { ...DEFAULT_SETTINGS.discovery, join: join === '' ? [] : [join] },
};
store.set('facts', {
  identity: identityOf(Number(id)),
  identityCreated: false,
  key: Buffer.alloc(32, Number(key)),
  settings: { settings },
  seed: [],
  holdsSeedSettings: false,
  spoilt: [],
  storage: undefined,
});
store.set('mesh', { ready: false, driver: undefined, address: `10.42.0.${id}`, peers: [] });
const discovery = createDiscovery({ paths, log });
let engine: Engine | undefined;
const tell = () =>
  say({
    contacts: store.get('contacts') ?? [],
    cards: (store.get('cards') ?? []).map(({ card, address }) => ({ id: card.id, address })),
    links: store.get('links') ?? [],
    clone: discovery.clones.isClone(),
    conditions: engine?.conditions().map(({ code }) => code) ?? [],
  });
store.watch(['contacts', 'cards', 'links'], tell);
engine = runControllers({
  controllers: discovery.controllers,
  store,
  log,
  stop: stop.signal,
  halted: discovery.clones.isClone,
  giveUp: assert.fail,
});
const timer = setInterval(tell, 500);
process.on('SIGTERM', () => {
  clearInterval(timer);
  stop.abort('SIGTERM');
});
