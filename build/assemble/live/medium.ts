/** What starts the live system: the files that GRUB reads, the same on a stick and on a disc. */
import * as path from 'node:path';
import { files } from '../../host.ts';
import type { EspFile } from '../disk/esp.ts';
import { KERNEL_COMMAND_LINE } from '../disk/grub-config.ts';
import type { AssembleOptions } from '../targets.ts';
import { initrdArchive } from './initrd.ts';

/** How the initramfs finds the medium: `PARTUUID=...` or `LABEL=...`. */
type MediumName = `PARTUUID=${string}` | `LABEL=${string}`;

export const GRUB_MENU = 'boot/grub/clusteros.cfg';

/** The menu, kernel and initramfs, by their paths from the root of the medium. */
export async function mediumFiles(
  { root, plan, epoch }: Pick<AssembleOptions, 'root' | 'plan' | 'epoch'>,
  name: MediumName,
): Promise<EspFile[]> {
  const script = await files.readText(path.join(import.meta.dirname, 'live-boot.sh'));
  const archive = initrdArchive([{ path: 'scripts/clusteros-live', mode: 0o644, text: script }], epoch);
  return [
    { path: GRUB_MENU, bytes: Buffer.from(liveMenu(name, `Cluster-OS (${plan.base.name})`)) },
    { path: 'live/vmlinuz', bytes: await root.read('/vmlinuz') },
    { path: 'live/initrd.img', bytes: await root.read('/initrd.img') },
    { path: 'live/live.img', bytes: archive },
  ];
}

/** GRUB's root is the file system with the menu by then. */
export function liveMenu(name: MediumName, title: string): string {
  const entry = (what: string, more: string) => `menuentry "${what}" {
  linux /live/vmlinuz boot=clusteros-live clusteros.live=${name} systemd.gpt_auto=0 ${more}
  initrd /live/live.img /live/initrd.img
}
`;
  const verbose = KERNEL_COMMAND_LINE.replace('quiet ', '').replace('show_status=auto', 'show_status=1');
  return `set timeout=3
set default=0
if [ "$grub_platform" = "pc" ]; then
  serial --unit=0 --speed=115200
  terminal_input console serial
  terminal_output console serial
fi

${entry(`Install ${title}`, KERNEL_COMMAND_LINE)}
${entry(`Install ${title}, and show how it starts`, verbose)}`;
}
