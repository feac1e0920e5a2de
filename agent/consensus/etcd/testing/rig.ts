import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import type { TestContext } from 'node:test';
import { makeSandbox } from '../../../testing/sandbox.ts';
import { type Authority, authorityCertificate, authorityFrom } from '../../certificates/authority.ts';
import { mintLeaf } from '../../certificates/leaf.ts';
import { createEtcdClient } from '../client.ts';
import { clientUrlOf, ETCD, memberArgv, memberConfig, peerUrlOf } from '../config.ts';
import { NEWEST, releaseOf } from '../options.ts';
import type { EtcdClient, EtcdClientOptions, TlsMaterial } from '../types.ts';

/** For tests: real etcd members with mTLS on addresses 127.x.y.z of this machine. */
export interface Rig {
  readonly folder: string;
  readonly tls: TlsMaterial;
  readonly members: readonly RigMember[];
  /** Configure one more member; it is not started. */
  prepare(name: string): RigMember;
  client(options?: Partial<EtcdClientOptions>): EtcdClient;
}

export interface RigMember {
  readonly name: string;
  readonly endpoint: string;
  readonly peerUrl: string;
  start(members: readonly RigMember[], state: 'new' | 'existing', changes?: Record<string, unknown>): void;
  /** Start again as it was. */
  restart(): void;
  signal(name: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void;
  readonly exited: () => Promise<number | null>;
  readonly output: () => string;
}

/** A cluster of this size, healthy. */
export async function startRig(
  t: Pick<TestContext, 'after'>,
  size: number,
  changes?: Record<string, unknown>,
): Promise<Rig> {
  const { folder } = makeSandbox(t);
  const authority = authorityFrom(Buffer.alloc(32, 5));
  const net16 = 1 + Math.floor(Math.random() * 250);
  const [peerPort, clientPort] = [await freePort(), await freePort()];
  const running = new Set<ChildProcess>();
  t.after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await Promise.all([...running].map(gone));
  });
  const all: RigMember[] = [];
  const clients: EtcdClient[] = [];
  t.after(() => Promise.all(clients.map((client) => client.close())));
  const prepare = (name: string): RigMember => {
    const address = `127.${net16}.7.${all.length + 1}`;
    const member = makeMember({ name, address, peerPort, clientPort, authority, folder, running });
    all.push(member);
    return member;
  };
  for (let at = 1; at <= size; at += 1) prepare(`m${at}`);
  const members = [...all];
  for (const member of members) member.start(members, 'new', changes);
  const tls = materialOf(authority, 'client');
  const rig: Rig = {
    folder,
    tls,
    members,
    prepare,
    client: (options = {}) => {
      const endpoints = () => members.map(({ endpoint }) => endpoint);
      const client = createEtcdClient({ endpoints, tls: () => tls, timeoutMs: 5_000, ...options });
      clients.push(client);
      return client;
    },
  };
  const client = rig.client();
  await until('every member answers', async () =>
    (await Promise.all(members.map(({ endpoint }) => client.health(endpoint)))).every(Boolean),
  );
  return rig;
}

export function materialOf(authority: Authority, nodeId: string): TlsMaterial {
  return {
    ca: authorityCertificate(authority),
    ...mintLeaf(authority, { nodeId, meshAddress: '127.0.0.1' }),
  };
}

/** @throws Error with what was awaited and the last failure */
export async function until(what: string, holds: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      if (await holds()) return;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`after ${timeoutMs} ms still not: ${what}`, { cause: last });
}

interface MemberParts {
  readonly name: string;
  readonly address: string;
  readonly peerPort: number;
  readonly clientPort: number;
  readonly authority: Authority;
  readonly folder: string;
  readonly running: Set<ChildProcess>;
}

function makeMember(parts: MemberParts): RigMember {
  const { name, address, peerPort, clientPort, authority, running } = parts;
  const home = `${parts.folder}/${name}`;
  mkdirSync(home);
  const leaf = mintLeaf(authority, { nodeId: name, meshAddress: address });
  const tls = { ca: `${home}/ca.pem`, certificate: `${home}/node.pem`, key: `${home}/node.key` };
  writeFileSync(tls.ca, authorityCertificate(authority));
  writeFileSync(tls.certificate, leaf.certificate);
  writeFileSync(tls.key, leaf.key, { mode: 0o600 });
  const peerUrl = peerUrlOf(address, peerPort);
  const endpoint = clientUrlOf(address, clientPort);
  let child: ChildProcess | undefined;
  let output = '';
  const run = () => {
    const [program, ...args] = memberArgv(`${home}/etcd.json`);
    const started = spawn(program, args, { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
    started.stderr?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-20_000);
    });
    running.add(started);
    started.once('exit', () => running.delete(started));
    child = started;
  };
  return {
    name,
    endpoint,
    peerUrl,
    start: (members, state, changes = {}) => {
      const config = memberConfig({
        nodeId: name,
        dataFolder: `${home}/data`,
        meshAddress: address,
        peerPort,
        clientPort,
        tls,
        members: Object.fromEntries(members.map((member) => [member.name, member.peerUrl])),
        state,
        token: parts.folder,
        timers: 'normal',
        release: releaseOf(execFileSync(ETCD, ['--version'], { env: {} }).toString()) ?? NEWEST,
      });
      // All members have one port here, so that only one of them could have it on 127.0.0.1.
      const own = { 'listen-client-urls': endpoint };
      writeFileSync(`${home}/etcd.json`, JSON.stringify({ ...JSON.parse(config), ...own, ...changes }));
      run();
    },
    restart: run,
    signal: (signal) => void child?.kill(signal),
    exited: () => (child === undefined ? Promise.resolve(null) : gone(child)),
    output: () => output,
  };
}

function gone(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
