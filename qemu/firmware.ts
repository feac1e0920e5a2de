import type { FirmwareKind } from './argv.ts';

/** Where QEMU's firmware descriptors lie, first wins (qemu/docs/interop/firmware.json). */
export const DESCRIPTOR_FOLDERS = ['/etc/qemu/firmware', '/usr/share/qemu/firmware'] as const;

interface ChosenFirmware {
  /** Read-only, shared. */
  readonly code: string;
  /** To be copied for each machine. */
  readonly varsTemplate: string;
  readonly smm: boolean;
}

/** The parts of a descriptor that we read. All are checked before use: the file is not ours. */
interface Descriptor {
  readonly mapping?: {
    readonly device?: string;
    readonly mode?: string;
    readonly executable?: { readonly filename?: string; readonly format?: string };
    readonly 'nvram-template'?: { readonly filename?: string; readonly format?: string };
  };
  readonly targets?: readonly { readonly architecture?: string; readonly machines?: readonly string[] }[];
  readonly features?: readonly string[];
}

/**
 * The first UEFI firmware for an amd64 q35 machine that is what was asked for: with Secure Boot enforced by
 * enrolled (Microsoft) keys, or without Secure Boot.
 *
 * @param descriptors parsed JSON files in the order of their priority
 * @returns undefined when there is none
 */
export function chooseFirmware(
  kind: Exclude<FirmwareKind, 'bios'>,
  descriptors: readonly unknown[],
): ChosenFirmware | undefined {
  for (const each of descriptors as readonly Descriptor[]) {
    const features = each.features ?? [];
    const wanted =
      kind === 'secureboot'
        ? features.includes('secure-boot') && features.includes('enrolled-keys')
        : !features.includes('secure-boot');
    const { mapping } = each;
    const code = mapping?.executable;
    const vars = mapping?.['nvram-template'];
    if (!wanted || !fitsMachine(each) || mapping?.device !== 'flash') continue;
    if (mapping.mode !== undefined && mapping.mode !== 'split') continue;
    if (code?.format !== 'raw' || vars?.format !== 'raw' || !code.filename || !vars.filename) continue;
    return {
      code: code.filename,
      varsTemplate: vars.filename,
      smm: features.includes('requires-smm'),
    };
  }
  return undefined;
}

function fitsMachine({ targets = [] }: Descriptor): boolean {
  return targets.some(
    ({ architecture, machines = [] }) =>
      architecture === 'x86_64' && machines.some((machine) => machine.startsWith('pc-q35')),
  );
}
