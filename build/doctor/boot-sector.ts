/** What QEMU exits with when the guest has written {@link GREETING} to the isa-debug-exit device: (x << 1) | 1. */
export const GREETED_EXIT = 33;
export const DEBUG_EXIT_PORT = 0xf4;
const GREETING = 0x10;

/**
 * The smallest guest there is: a boot sector that writes one byte to QEMU's isa-debug-exit device, which ends the
 * machine, and halts if there is none.
 */
export function bootSector(): Uint8Array {
  const code = [
    ...[0xfa], // cli
    ...[0xb0, GREETING], // mov al, GREETING
    ...[0xe6, DEBUG_EXIT_PORT], // out 0xf4, al
    ...[0xf4], // hlt
    ...[0xeb, 0xfd], // jmp back to hlt
  ];
  const sector = new Uint8Array(512);
  sector.set(code);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

/** The machine that boots the sector, as an argument array; it ends by itself within a second where KVM works. */
export function probeArgv(diskImage: string, accel: 'kvm' | 'tcg'): string[] {
  return [
    ...['qemu-system-x86_64', '-accel', accel, '-m', '16', '-nodefaults', '-no-user-config'],
    ...['-display', 'none', '-serial', 'none', '-monitor', 'none', '-no-reboot'],
    ...['-device', `isa-debug-exit,iobase=${DEBUG_EXIT_PORT},iosize=1`],
    ...['-drive', `file=${diskImage},format=raw,if=ide,readonly=off,snapshot=on`],
  ];
}
