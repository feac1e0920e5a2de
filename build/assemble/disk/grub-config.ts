/**
 * GRUB's configuration. The kernel's links in the root folder are kept by Debian's linux-base, also by upgrades.
 *
 * No id stands in it: GRUB goes on with the disk that it was itself loaded from, and tells the kernel the UUID that it
 * reads there. So ids may change at any moment, and of two disks of one image each starts its own system.
 */

interface GrubOptions {
  readonly title: string;
}

/** On the serial line last: what systemd says about a failed unit goes there. */
export const KERNEL_COMMAND_LINE = 'console=tty0 console=ttyS0,115200 quiet systemd.show_status=auto';

/** The menu, on the root file system; update-grub does not touch it, for it writes grub.cfg only. */
export function grubMenu({ title }: GrubOptions): string {
  const entry = (name: string, kernel: string, initrd: string) => `menuentry "${name}" {
  probe --set=uuid --fs-uuid $root
  linux ${kernel} root=UUID=$uuid ro ${KERNEL_COMMAND_LINE}
  initrd ${initrd}
}
`;
  return `# Cluster-OS. Change it freely: nothing writes it again.
set timeout=1
set default=0
if [ "$grub_platform" = "pc" ]; then
  serial --unit=0 --speed=115200
  terminal_input console serial
  terminal_output console serial
fi

${entry(title, '/vmlinuz', '/initrd.img')}
if [ -e /vmlinuz.old ]; then
${entry(`${title} (previous kernel)`, '/vmlinuz.old', '/initrd.img.old')}fi
`;
}

/**
 * The stub beside the signed GRUB, which has its own folder on the EFI system partition built in. The root file system
 * is the third partition of the same disk.
 */
export const GRUB_STUB = `regexp --set=1:disk '^([^,]+),' $root
set root=$disk,gpt3
set prefix=($root)/boot/grub
configfile $prefix/clusteros.cfg
`;
