/**
 * From the description of a machine to the command line of qemu-system-x86_64. Pure: goldens hold it.
 *
 * Every socket is one that *we* listen on and that QEMU connects to at its start: nothing that the machine
 * says is lost before we look, and there is no retry loop.
 */

export type Accelerator = 'kvm' | 'tcg';
export const FIRMWARE_KINDS = ['bios', 'uefi', 'secureboot'] as const;
export type FirmwareKind = (typeof FIRMWARE_KINDS)[number];

/** The two flash chips of a UEFI machine. `vars` is this machine's own copy: the firmware writes to it. */
export interface FlashFiles {
  readonly code: string;
  readonly vars: string;
  /** Secure Boot: only code in system management mode may write the variables. */
  readonly smm: boolean;
}

type DiskBus = 'virtio' | 'nvme' | 'usb' | 'cdrom';

export interface DiskSpec {
  readonly file: string;
  readonly format: 'qcow2' | 'raw';
  readonly bus: DiskBus;
  readonly readonly: boolean;
  /** What the guest sees as the serial number of the disk. */
  readonly serial?: string | undefined;
  /** Position in the boot order, from 0; without one the firmware does not boot from it by itself. */
  readonly bootIndex?: number | undefined;
  /** Bytes that it counts in; 512 unless told. */
  readonly sector?: 4096 | undefined;
}

interface Forward {
  /** A port on 127.0.0.1 of this machine. */
  readonly hostPort: number;
  readonly guestPort: number;
}

export type NicSpec =
  | {
      readonly kind: 'user';
      readonly mac: string;
      /** No way out of the machine other than the forwards. */
      readonly isolated: boolean;
      readonly forwards: readonly Forward[];
    }
  /** A port of our own Ethernet switch, see network.ts. */
  | { readonly kind: 'switch'; readonly mac: string; readonly socket: string };

export interface MachineSpec {
  readonly name: string;
  readonly accel: Accelerator;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** Undefined for BIOS, which QEMU carries itself. */
  readonly flash: FlashFiles | undefined;
  /** Start a kernel without boot loader, for checks of a bare root file system. */
  readonly kernel?: { readonly image: string; readonly initrd: string; readonly append: string } | undefined;
  readonly disks: readonly DiskSpec[];
  /** The disks need not outlive a crash of this computer: it need not write them out when the guest flushes. */
  readonly throwAway?: boolean | undefined;
  readonly nics: readonly NicSpec[];
  readonly sockets: {
    readonly qmp: string;
    readonly console: string;
    readonly agent: string;
  };
  /** QEMU writes all that the serial console says here too, as it comes. */
  readonly consoleLog: string;
  /** Free places for NVMe drives that are plugged in while it runs, on the buses `hot0`, `hot1`, ... */
  readonly hotPlaces?: number | undefined;
}

/**
 * The whole command line, program first.
 *
 * `setpriv --pdeathsig KILL` has the kernel end QEMU when we die, however we die (prctl(2),
 * PR_SET_PDEATHSIG): a killed test run leaves no machine behind. `setsid` keeps a Ctrl-C at the terminal from
 * QEMU, so that the guest can be shut down in order. Both become QEMU by exec: the process id stays.
 */
export function qemuArgv(spec: MachineSpec): string[] {
  return [
    ...['setsid', 'setpriv', '--pdeathsig', 'KILL', '--', 'qemu-system-x86_64'],
    ...['-name', `guest=${quote(spec.name)}`, '-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-machine', `q35,smm=${spec.flash?.smm ? 'on' : 'off'},vmport=off`],
    ...acceleration(spec.accel),
    ...['-smp', String(spec.cpus), '-m', `${spec.memoryMiB}M`],
    // A screen, for screendump; the guest's console is the serial port.
    ...['-device', 'VGA,vgamem_mb=16'],
    ...['-object', 'rng-random,id=rng0,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng0'],
    ...flash(spec.flash),
    ...(spec.kernel
      ? ['-kernel', spec.kernel.image, '-initrd', spec.kernel.initrd, '-append', spec.kernel.append]
      : []),
    ...channels(spec),
    ...spec.disks.flatMap((each, index) => disk(each, index, spec.throwAway ?? false)),
    ...(spec.disks.some((each) => each.bus === 'usb') ? ['-device', 'qemu-xhci,id=usb0'] : []),
    ...spec.disks.flatMap(diskDevice),
    ...hotPlaces(spec.hotPlaces ?? 0),
    ...spec.nics.flatMap(nic),
  ];
}

/**
 * `max` has RDRAND. What only costs under TCG is taken out: five-level page tables, a hypervisor that the guest would
 * load, wide registers, which each change of tasks saves, string instructions, and what SMAP does at each copy from a
 * program: 12 and 19 % of a first boot. The vector and AES instructions are taken out too, since plain code is faster
 * here: SHA-256 of OpenSSL 1.7 times without SSSE3, an installation by 17 %.
 */
const COSTLY = [
  ...['la57', 'svm', 'xsave', 'avx', 'avx2', 'erms', 'fsrm', 'smap', 'smep'],
  ...['ssse3', 'sse4.1', 'sse4.2', 'aes', 'pclmulqdq'],
];
const EMULATED = `max,${COSTLY.map((each) => `${each}=off`).join()}`;

function acceleration(accel: Accelerator): string[] {
  return accel === 'kvm'
    ? ['-accel', 'kvm', '-cpu', 'host']
    : // Not thread=multi: a kernel that patches its code while another emulated processor runs it may meet the
      // breakpoint that it set there ("Oops: int3", seen with QEMU 7.2 and Linux 6.12).
      ['-accel', 'tcg,thread=single,tb-size=512', '-cpu', EMULATED];
}

function flash(files: FlashFiles | undefined): string[] {
  if (files === undefined) return [];
  return [
    ...(files.smm
      ? [
          ...['-global', 'driver=cfi.pflash01,property=secure,value=on'],
          // S3 resume leaves SMM unlocked in OVMF; edk2's own README turns it off.
          ...['-global', 'ICH9-LPC.disable_s3=1'],
        ]
      : []),
    ...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${quote(files.code)}`],
    ...['-drive', `if=pflash,unit=1,format=raw,file=${quote(files.vars)}`],
  ];
}

function channels({ sockets, consoleLog }: MachineSpec): string[] {
  const socket = (id: string, path: string) => `socket,id=${id},path=${quote(path)},server=off`;
  return [
    ...['-chardev', socket('qmp', sockets.qmp), '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `${socket('console', sockets.console)},logfile=${quote(consoleLog)},logappend=on`],
    ...['-serial', 'chardev:console'],
    ...['-device', 'virtio-serial-pci', '-chardev', socket('agent', sockets.agent)],
    ...['-device', 'virtserialport,id=agent0,chardev=agent,name=org.qemu.guest_agent.0'],
  ];
}

/**
 * With `writeback` a flush of the guest is an fdatasync(2) of the file. `unsafe` leaves that out, and nothing else: the
 * tables of a qcow2 still go from QEMU's memory to the file when the guest flushes. So for a power cut of ours, which
 * kills QEMU and not this computer, both are the same: lost is what the guest had not written, and on a qcow2 also
 * what it had written to new clusters and not flushed (seen with qemu-io, QEMU 7.2). On a raw file, and in clusters
 * that were there, neither loses what was written and not flushed.
 */
function disk(spec: DiskSpec, index: number, throwAway: boolean): string[] {
  const cache = throwAway ? 'unsafe' : 'writeback';
  const options = [
    `if=none,id=disk${index}`,
    `file=${quote(spec.file)}`,
    `format=${spec.format}`,
    spec.readonly ? 'readonly=on' : `cache=${cache},discard=unmap`,
  ];
  return ['-drive', options.join(',')];
}

function diskDevice(spec: DiskSpec, index: number): string[] {
  const device = { virtio: 'virtio-blk-pci', nvme: 'nvme', usb: 'usb-storage', cdrom: 'ide-cd' }[spec.bus];
  const options = [
    device,
    `drive=disk${index}`,
    ...(spec.bus === 'usb' ? ['bus=usb0.0', 'removable=on'] : []),
    // q35 has six SATA ports, named ide.0 to ide.5.
    ...(spec.bus === 'cdrom' ? [`bus=ide.${index}`] : []),
    // An NVMe drive must have a serial number.
    ...(spec.serial || spec.bus === 'nvme' ? [`serial=${quote(spec.serial ?? `disk${index}`)}`] : []),
    ...(spec.bootIndex === undefined ? [] : [`bootindex=${spec.bootIndex}`]),
    ...(spec.sector === undefined
      ? []
      : [`logical_block_size=${spec.sector}`, `physical_block_size=${spec.sector}`]),
  ];
  return ['-device', options.join(',')];
}

const FIRST_HOT_SLOT = 8;

function hotPlaces(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const place = `bus=pcie.0,addr=0x${(FIRST_HOT_SLOT + index).toString(16)}`;
    return ['-device', `pcie-root-port,id=hot${index},chassis=${index + 1},${place}`];
  }).flat();
}

const FIRST_NIC_SLOT = 16;

function nic(spec: NicSpec, index: number): string[] {
  const id = `net${index}`;
  // A place of its own on the bus: the guest's names (enp0s16, enp0s17) do not depend on the other devices.
  const place = `bus=pcie.0,addr=0x${(FIRST_NIC_SLOT + index).toString(16)}`;
  const device = ['-device', `virtio-net-pci,netdev=${id},mac=${spec.mac},${place},romfile=`];
  if (spec.kind === 'switch') {
    const path = quote(spec.socket);
    return ['-netdev', `stream,id=${id},server=off,addr.type=unix,addr.path=${path}`, ...device];
  }
  const forwards = spec.forwards.map(
    ({ hostPort, guestPort }) => `hostfwd=tcp:127.0.0.1:${hostPort}-:${guestPort}`,
  );
  const options = [`user,id=${id}`, ...(spec.isolated ? ['restrict=on'] : []), ...forwards];
  return ['-netdev', options.join(','), ...device];
}

/** A value inside one of QEMU's comma-separated options: a comma is doubled. */
function quote(value: string): string {
  return value.replaceAll(',', ',,');
}
