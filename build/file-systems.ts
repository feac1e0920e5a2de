/** What the kinds of file systems mean for us, in words. Pure. */

/** Those that show the kernel's own state as files: nothing can be kept there. */
const OF_THE_KERNEL = [
  'proc',
  'sysfs',
  'cgroup',
  'cgroup2',
  'debugfs',
  'tracefs',
  'securityfs',
  'configfs',
  'pstore',
  'bpf',
  'efivarfs',
  'devpts',
  'devtmpfs',
  'mqueue',
  'binfmt_misc',
  'fusectl',
  'selinuxfs',
];

export function isOfTheKernel(kind: string): boolean {
  return OF_THE_KERNEL.includes(kind);
}

const NAMES: Readonly<Record<string, string>> = {
  vfat: 'FAT',
  msdos: 'FAT',
  exfat: 'exFAT',
  ntfs: 'NTFS',
  ntfs3: 'NTFS',
  fuseblk: 'NTFS or exFAT (fuseblk)',
  '9p': 'a drive of Windows in WSL, or a shared folder (9p)',
  drvfs: 'a drive of Windows in WSL (drvfs)',
  cifs: 'a share of Windows (cifs)',
  smb3: 'a share of Windows (smb3)',
  vboxsf: 'a shared folder of VirtualBox (vboxsf)',
  'fuse.vmhgfs-fuse': 'a shared folder of VMware (vmhgfs)',
};

export function fileSystemName(kind: string): string {
  return NAMES[kind] ?? kind;
}

/** Whether chmod(1) does nothing there, unless it was mounted with options for it. */
export function isModeless(kind: string): boolean {
  return kind in NAMES;
}

/** What to do where a secret's mode cannot be kept. */
export const MODELESS_FIX =
  'use a folder on a Linux file system, such as your home folder (in WSL: below ~, not below /mnt/c); or mount this one for its owner alone, with the option umask=077';
