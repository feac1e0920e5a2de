import type { BaseName } from '../../image-layers/layer.ts';

/** What differs between the systems that an image can be built on. */
export interface BaseProfile {
  readonly name: BaseName;
  readonly distribution: 'debian' | 'ubuntu';
  readonly release: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** The archive, and the one for security updates. Without a trailing slash. */
  readonly mirror: string;
  readonly securityMirror: string;
  /** `{timestamp}` is replaced by `base.snapshot`, such as 20260101T000000Z. */
  readonly snapshotMirror: string;
  readonly snapshotSecurityMirror: string;
  /** Keyring that apt trusts for this base, and the package of the host that ships it. */
  readonly keyring: string;
  readonly keyringPackage: string;
  /** The signed chain of UEFI Secure Boot, as paths in the root file system. */
  readonly secureBoot: {
    readonly shim: string;
    readonly mokManager: string;
    readonly grub: string;
    /** Folder on the EFI system partition in which the signed GRUB looks for grub.cfg. */
    readonly grubFolder: string;
  };
}

const debian = {
  distribution: 'debian',
  components: ['main', 'non-free-firmware'],
  mirror: 'http://deb.debian.org/debian',
  securityMirror: 'http://deb.debian.org/debian-security',
  snapshotMirror: 'http://snapshot.debian.org/archive/debian/{timestamp}',
  snapshotSecurityMirror: 'http://snapshot.debian.org/archive/debian-security/{timestamp}',
  keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
  keyringPackage: 'debian-archive-keyring',
  secureBoot: {
    shim: '/usr/lib/shim/shimx64.efi.signed',
    mokManager: '/usr/lib/shim/mmx64.efi.signed',
    grub: '/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed',
    grubFolder: 'EFI/debian',
  },
} as const;

const ubuntu = {
  distribution: 'ubuntu',
  components: ['main', 'universe', 'restricted'],
  mirror: 'http://archive.ubuntu.com/ubuntu',
  securityMirror: 'http://security.ubuntu.com/ubuntu',
  snapshotMirror: 'https://snapshot.ubuntu.com/ubuntu/{timestamp}',
  snapshotSecurityMirror: 'https://snapshot.ubuntu.com/ubuntu/{timestamp}',
  keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  keyringPackage: 'ubuntu-keyring',
  secureBoot: {
    shim: '/usr/lib/shim/shimx64.efi.signed.latest',
    mokManager: '/usr/lib/shim/mmx64.efi',
    grub: '/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed',
    grubFolder: 'EFI/ubuntu',
  },
} as const;

export const BASES: Readonly<Record<BaseName, BaseProfile>> = {
  'debian-13': { ...debian, name: 'debian-13', release: '13', suite: 'trixie' },
  'debian-12': { ...debian, name: 'debian-12', release: '12', suite: 'bookworm' },
  'ubuntu-24.04': { ...ubuntu, name: 'ubuntu-24.04', release: '24.04', suite: 'noble' },
  'ubuntu-26.04': { ...ubuntu, name: 'ubuntu-26.04', release: '26.04', suite: 'resolute' },
};
