import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { entering, type Holder, PATH, signal, startHolder } from './programs.ts';
import { ipBatch, type Rig } from './rig.ts';

/** One network card of a host: `eth0`, `eth1`, ... */
export interface LinkSpec {
  /** Name of the switch. */
  readonly network: string;
  /** IPv4 with prefix length; none for a link without an address. */
  readonly address?: string | undefined;
  /** False: the interface says that it knows no multicast. */
  readonly multicast?: boolean;
}

export interface HostSpec {
  readonly name: string;
  /** Unique in the rig: the MAC addresses follow from it. */
  readonly number: number;
  readonly links: readonly LinkSpec[];
  /** Default route; none unless given. */
  readonly gateway?: string | undefined;
  /** Size of the disk, a tmpfs that belongs to the rig; a plain folder unless given. */
  readonly diskMiB?: number | undefined;
  /** Programs that this host does not have: their files cannot be executed. */
  readonly hide: readonly string[];
}

/** The folders of a host, the same inside and outside of it. */
export function foldersOf(rig: Rig, name: string) {
  const own = path.join(rig.folder, name);
  return {
    own,
    /** Survives the power cut. */
    disk: path.join(own, 'disk'),
    /** What is /run inside. */
    run: path.join(own, 'run'),
    etc: path.join(own, 'etc'),
    seed: path.join(own, 'seed'),
    tmp: path.join(own, 'tmp'),
  };
}

/** Name of the port on the switch; interfaces have at most 15 letters. */
export function portOf(name: string, link: number): string {
  return link === 0 ? name : `${name}.${link}`;
}

/** Once for a host, before its first start. */
export async function makeDisk(rig: Rig, spec: HostSpec): Promise<void> {
  const folders = foldersOf(rig, spec.name);
  for (const folder of [folders.disk, folders.etc, folders.seed, folders.tmp]) {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
  }
  const put = (name: string, text: string, mode = 0o644) =>
    writeFileSync(path.join(folders.etc, name), text, { mode });
  put('hosts', `127.0.0.1\tlocalhost\n127.0.1.1\t${spec.name}\n::1\tlocalhost\n`);
  // Refused at once on loopback, instead of asked for in vain.
  put('resolv.conf', 'options timeout:1 attempts:1\n');
  put('hidden', '');
  if (spec.diskMiB !== undefined) {
    const options = `size=${spec.diskMiB}m,mode=755`;
    await rig.run(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folders.disk]);
  }
}

/** Namespaces of a host that is on. @throws Error when a link or mount cannot be made */
export async function powerUp(rig: Rig, spec: HostSpec): Promise<Holder> {
  freshRun(foldersOf(rig, spec.name).run);
  const hidden = spec.hide.flatMap((program) =>
    PATH.split(':')
      .map((folder) => path.join(folder, program))
      .filter((file) => existsSync(file)),
  );
  const script = path.join(import.meta.dirname, 'host-init.sh');
  const spaces = ['--mount', '--net', '--uts', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const argv = ['unshare', ...spaces, 'bash', script, rig.folder, spec.name, ...hidden];
  const holder = await startHolder(entering(rig.init, ['--mount', '--net', '--pid'], argv), 2);
  try {
    await plug(rig, spec, holder.init);
  } catch (error) {
    await powerDown(rig, spec, holder);
    throw error;
  }
  return holder;
}

/** SIGKILL to the first process: the kernel ends all others with it, and nothing gets a last word. */
export async function powerDown(rig: Rig, spec: HostSpec, holder: Holder): Promise<void> {
  signal(holder.init, 'SIGKILL');
  await holder.ended;
  // The kernel removes the links too, but later: the next start would find the names taken.
  for (const index of spec.links.keys()) {
    await rig.ip([`link del ${portOf(spec.name, index)}`]).catch((error: unknown) => {
      if (!String((error as Error).cause).includes('Cannot find device')) throw error;
    });
  }
}

async function plug(rig: Rig, spec: HostSpec, init: number): Promise<void> {
  const number = spec.number.toString(16).padStart(4, '0');
  await rig.ip(
    spec.links.flatMap(({ network }, index) => {
      const port = portOf(spec.name, index);
      // A machine keeps its MAC address over a power cut: others have it in their tables.
      const mac = `02:63:00:0${index}:${number.slice(0, 2)}:${number.slice(2)}`;
      return [
        `link add ${port} type veth peer name eth${index} address ${mac} netns ${init}`,
        `link set ${port} master ${network} addrgenmode none`,
        `link set ${port} up`,
      ];
    }),
  );
  await ipBatch(init, [
    ...spec.links.flatMap(({ address, multicast = true }, index) => [
      `link set eth${index} multicast ${multicast ? 'on' : 'off'} up`,
      ...(address === undefined ? [] : [`addr add ${address} brd + dev eth${index}`]),
    ]),
    ...(spec.gateway === undefined ? [] : [`route add default via ${spec.gateway}`]),
  ]);
}

/** /run is empty after a power cut; what it held is kept aside for the transcript. */
function freshRun(run: string): void {
  if (existsSync(run)) {
    let cut = 1;
    while (existsSync(`${run}.${cut}`)) cut += 1;
    renameSync(run, `${run}.${cut}`);
  }
  mkdirSync(run, { mode: 0o755 });
}
