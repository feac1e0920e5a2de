import { randomBytes } from 'node:crypto';
import type { UnitState, Units } from '../engine/units.ts';
import { files, tcp } from '../host.ts';
import {
  keyringHolds,
  renderKeyring,
  type SerfFiles,
  type SerfSettings,
  serfConfig,
  unitSpec,
} from './config.ts';
import { renderEnv } from './operator.ts';

/** Serf's process and the files it starts from. */
export interface SerfProcess {
  observe(): Promise<UnitState>;
  /**
   * Write all files and start the program.
   *
   * @returns which port another program has; nothing was started then
   * @throws AgentError of {@link Units.start} and of the files
   */
  start(settings: SerfSettings, keys: readonly Uint8Array[]): Promise<'started' | 'port' | 'rpc'>;
  stop(timeoutMs: number): Promise<void>;
  /** Does the process have these keys, and no others? Serf writes its file on each change. */
  hasKeys(keys: readonly Uint8Array[]): Promise<boolean>;
  /** The address that it was last told to tell. */
  toldAddress(): Promise<string | undefined>;
  /** The secret of the RPC, made when there is none: a Serf that outlived the agent goes on with it. */
  rpcSecret(): Promise<string>;
  /** Forget the members that it would join by itself after its next start. */
  forgetSnapshot(): Promise<void>;
}

const FILE_BYTES = 64 * 1024;
const SECRET = /^[A-Za-z0-9_-]{43}$/;

export function serfProcess(units: Units, paths: SerfFiles): SerfProcess {
  let secretHeld: string | undefined;
  let keysRead: { readonly mark: string; readonly text: string | undefined } | undefined;
  const read = async (file: string) => (await files.readLimited(file, FILE_BYTES))?.bytes.toString('utf8');
  return {
    observe: () => units.observe('serf'),
    start: async (settings, keys) => {
      const listen = settings.bind ?? (settings.advertise.includes(':') ? '::' : '0.0.0.0');
      if ((await tcp.portTaken(listen, settings.port)) === 'EADDRINUSE') return 'port';
      if ((await tcp.portTaken('127.0.0.1', settings.rpcPort)) === 'EADDRINUSE') return 'rpc';
      await files.needFolder(paths.runFolder, 0o700);
      await files.needFolder(paths.stateFolder, 0o700);
      // Serf writes it too, in place, when a key is installed or removed.
      await files.writeVolatile(paths.keyring, renderKeyring(keys), 0o660);
      await files.writeVolatile(paths.env, renderEnv(settings.rpcPort, settings.rpcSecret), 0o600);
      const config = `${JSON.stringify(serfConfig(settings), undefined, 2)}\n`;
      await files.writeVolatile(paths.config, config, 0o640);
      await units.start(unitSpec(settings));
      return 'started';
    },
    stop: (timeoutMs) => units.stop('serf', timeoutMs),
    hasKeys: async (keys) => {
      const mark = (await files.look(paths.keyring))?.mark ?? '';
      if (keysRead?.mark !== mark) keysRead = { mark, text: await read(paths.keyring) };
      return keyringHolds(keysRead.text, keys);
    },
    toldAddress: async () => {
      const told = /"advertise": "\[?([0-9a-fA-F:.]+?)\]?:\d+"/.exec((await read(paths.config)) ?? '');
      return told?.[1];
    },
    rpcSecret: async () => {
      if (secretHeld !== undefined) return secretHeld;
      const held = (await read(paths.rpcSecret))?.trim();
      if (held !== undefined && SECRET.test(held)) {
        secretHeld = held;
        return held;
      }
      const secret = randomBytes(32).toString('base64url');
      await files.needFolder(paths.runFolder, 0o700);
      await files.writeVolatile(paths.rpcSecret, `${secret}\n`, 0o600);
      secretHeld = secret;
      return secret;
    },
    forgetSnapshot: () => files.remove(paths.snapshot),
  };
}
