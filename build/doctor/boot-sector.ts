/** What QEMU exits with when the guest has written {@link GREETING} to the isa-debug-exit device: (x << 1) | 1. */
export const GREETED_EXIT = 33;
const DEBUG_EXIT_PORT = 0xf4;
const GREETING = 0x10;

/**
 * The smallest guest that tells: a boot sector that goes to 64-bit mode with paging, as every kernel does, counts
 * down from 20 million there, and writes one byte to QEMU's isa-debug-exit device, which ends the machine. Real
 * mode alone proves nothing: a KVM that emulates it has been seen to hang as soon as paging is on.
 */
export function bootSector(): Uint8Array {
  const sector = new Uint8Array(512);
  sector.set(Buffer.from(CODE.join('').replaceAll(' ', ''), 'hex'));
  sector.set([0x55, 0xaa], 510);
  return sector;
}

/** Loaded at 0x7c00. Page tables at 0x1000, 0x2000 and 0x3000 map the first 2 MiB to themselves. */
const CODE = [
  'fa fc 31c0 8ed8 8ec0 8ed0 bc007c', // cli; cld; ds = es = ss = 0; sp = 0x7c00
  '66bf00100000 66b9000c0000 6631c0 66f3ab', // fill 0x1000 to 0x3fff with zeros
  '66c7060010 03200000', // PML4[0] = 0x2000, present and writable
  '66c7060020 03300000', // PDPT[0] = 0x3000, present and writable
  '66c7060030 83000000', // PD[0] = a page of 2 MiB at 0
  '0f20e0 6683c820 0f22e0', // CR4.PAE
  '66b800100000 0f22d8', // CR3 = 0x1000
  '66b9800000c0 0f32 660d00010000 0f30', // EFER.LME
  '0f0116987c', // lgdt [0x7c98]
  '0f20c0 660d01000080 0f22c0', // CR0.PE and CR0.PG
  'ea737c0800', // far jump to 64-bit code at 0x7c73
  'b9002d3101 ffc9 75fc', // 20,000,000 times round
  `b0${GREETING.toString(16)} e6${DEBUG_EXIT_PORT.toString(16)}`, // out 0xf4, GREETING
  'f4 ebfd', // hlt, for ever
  '0f1f440000', // padding, up to 0x7c88
  '0000000000000000 00000000009a2000', // the GDT: nothing, and a segment of 64-bit code
  '0f00 887c0000', // at 0x7c98: size and place of the GDT
];

/** The machine that boots the sector, as an argument array; it ends by itself within a second where KVM works. */
export function probeArgv(diskImage: string, accel: 'kvm' | 'tcg'): string[] {
  return [
    ...['qemu-system-x86_64', '-accel', accel, '-m', '16', '-nodefaults', '-no-user-config'],
    ...['-display', 'none', '-serial', 'none', '-monitor', 'none', '-no-reboot'],
    ...['-device', `isa-debug-exit,iobase=${DEBUG_EXIT_PORT},iosize=1`],
    ...['-drive', `file=${diskImage},format=raw,if=ide,readonly=off,snapshot=on`],
  ];
}
