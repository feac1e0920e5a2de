/** A disk to write to, as the writer sees it, and what can go wrong with one. */
export interface BlockDevice {
  /** For messages: `/dev/sdb`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes; offsets and lengths of reads and writes are multiples of it. */
  readonly sector: number;
  /** Which disk was opened; while it is open, its name leads to no other. */
  readonly identity: DeviceIdentity;
  /** What the medium holds, and not what the page cache does. The bytes are overwritten by the next call. */
  readonly read: (offset: number, length: number) => Promise<Buffer>;
  readonly write: (bytes: Uint8Array, offset: number) => Promise<void>;
  /** Until what was written lasts over a power cut. */
  readonly sync: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface DeviceIdentity {
  /** Major and minor number: `8:16`. */
  readonly number: string;
  /** Counts the disks and media that this kernel has seen; undefined before Linux 5.15. */
  readonly sequence: string | undefined;
  /** Bytes, as the kernel says now. */
  readonly size: number | undefined;
}

export type FaultKind =
  | 'exchanged'
  | 'gone'
  | 'io'
  | 'busy'
  | 'read-only'
  | 'too-small'
  | 'mismatch'
  | 'source'
  | 'denied';

/** A failure of the device or of what is written to it. The callers make it an error for their operator. */
export class DeviceFault extends Error {
  readonly kind: FaultKind;
  readonly fix: string | undefined;

  constructor(kind: FaultKind, message: string, options: { fix?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'DeviceFault';
    this.kind = kind;
    this.fix = options.fix;
  }
}

/** @param act what was tried: `write at byte 4096` */
export function faultOf(path: string, act: string, cause: unknown): DeviceFault {
  if (cause instanceof DeviceFault) return cause;
  const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const { kind, reason, fix } = REASONS[errno] ?? { kind: 'io' as const, reason: errno };
  return new DeviceFault(kind, `${path}: ${act}: ${reason}`, {
    ...(fix === undefined ? {} : { fix }),
    cause,
  });
}

const GONE = {
  kind: 'gone',
  reason: 'the device has gone',
  fix: 'plug it in again, in another port if it happens again, and start over',
} as const;

const REASONS: Readonly<Record<string, { kind: FaultKind; reason: string; fix?: string }>> = {
  ENODEV: GONE,
  ENXIO: GONE,
  ENOENT: GONE,
  ENOMEDIUM: { ...GONE, reason: 'there is no medium in the drive' },
  EIO: {
    kind: 'io',
    reason: 'input/output error: the device is failing, or was pulled out',
    fix: 'plug it in again or take another one, and start over; dmesg tells more',
  },
  EREMOTEIO: { kind: 'io', reason: 'the device reports an error', fix: 'take another one, and start over' },
  EBUSY: {
    kind: 'busy',
    reason: 'something else uses it',
    fix: 'unmount it and stop what uses it: lsblk, swapoff, vgchange -an, mdadm --stop',
  },
  EROFS: {
    kind: 'read-only',
    reason: 'it is read-only',
    fix: 'move its write-protect switch, or take another',
  },
  EPERM: { kind: 'denied', reason: 'not permitted', fix: 'run it as root' },
  EACCES: { kind: 'denied', reason: 'permission denied', fix: 'run it as root (sudo)' },
  // A write behind the end of a device that had this size when it was opened: the kernel sets it to 0.
  ENOSPC: GONE,
};
