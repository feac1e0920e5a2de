import * as path from 'node:path';
import { files, run, tryRun } from '../build/host.ts';
import type { Machine } from './machine.ts';

/** Files for ssh in a private folder: a key pair, and the host keys of the machines. */
export interface ShellKeys {
  readonly identity: string;
  readonly publicKey: string;
  readonly knownHosts: string;
}

/** The key's file in the folder of a boot: by it the folder is known for one. */
export const SHELL_KEY = 'ssh-key';

/** A key pair for these machines only. */
export async function makeShellKeys(folder: string): Promise<ShellKeys> {
  const identity = path.join(folder, SHELL_KEY);
  if (!(await files.exists(identity))) {
    await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'clusteros-boot', '-f', identity]);
  }
  const publicKey = (await files.readText(`${identity}.pub`)).trim();
  return { identity, publicKey, knownHosts: path.join(folder, 'known_hosts') };
}

/** Note the host keys as the machines themselves tell them, through the guest agent: no blind trust. */
export async function learnHostKeys(machines: readonly Machine[], keys: ShellKeys): Promise<void> {
  const lines: string[] = [];
  for (const machine of machines) {
    const text = await machine.guest.readText('/etc/ssh/ssh_host_ed25519_key.pub');
    lines.push(knownHostsLine(machine.forwarded(22), text));
  }
  await files.writeAtomic(keys.knownHosts, lines.join(''), 0o600);
}

/** One line of known_hosts (sshd(8)) for a forwarded port. The comment of the key is left out. */
export function knownHostsLine(port: number, publicKey: string): string {
  const [type = '', blob = ''] = publicKey.trim().split(/\s+/);
  return `[127.0.0.1]:${port} ${type} ${blob}\n`;
}

/** The command that opens a shell; nothing of the operator's own ssh configuration or agent is used. */
export function sshArgv(
  port: number,
  user: string,
  keys: Pick<ShellKeys, 'identity' | 'knownHosts'>,
): string[] {
  const options = [
    `IdentityFile=${keys.identity}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `UserKnownHostsFile=${keys.knownHosts}`,
    'StrictHostKeyChecking=yes',
    'PasswordAuthentication=no',
    'LogLevel=ERROR',
  ];
  const words = options.flatMap((option) => ['-o', option]);
  return ['ssh', '-F', 'none', ...words, '-p', String(port), `${user}@127.0.0.1`];
}

/** A shell on our own terminal until its end. The exit code of the last command in it is not an error. */
export async function openShell(argv: readonly string[], signal: AbortSignal): Promise<void> {
  await tryRun(argv, { interactive: true, signal });
}
