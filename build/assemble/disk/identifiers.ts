import { createHash } from 'node:crypto';

/** Ids of a disk, made from what the image is and not by chance: the same image has the same ones. */
export interface DiskIdentifiers {
  readonly disk: string;
  readonly biosBoot: string;
  readonly esp: string;
  readonly root: string;
  /** UUID of the root file system. */
  readonly rootFileSystem: string;
  /** Volume id of the EFI system partition, 8 hexadecimal digits. */
  readonly espVolume: string;
}

/** @param seed what tells this image from others; see RFC 9562, section 5.8, for the UUIDs' form */
export function diskIdentifiers(seed: string): DiskIdentifiers {
  return {
    disk: uuidOf(seed, 'disk'),
    biosBoot: uuidOf(seed, 'bios-boot'),
    esp: uuidOf(seed, 'esp'),
    root: uuidOf(seed, 'root'),
    rootFileSystem: uuidOf(seed, 'root-file-system'),
    espVolume: createHash('sha256').update(`${seed}\0esp-volume`).digest('hex').slice(0, 8),
  };
}

function uuidOf(seed: string, label: string): string {
  const bytes = createHash('sha256').update(`${seed}\0${label}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
