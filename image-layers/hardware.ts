import type { Layer } from './layer.ts';

/** Firmware and microcode, only for media that are meant for metal. */
export const hardware: Layer = {
  name: 'hardware',
  summary: 'firmware and microcode for real machines',
  packages: {
    'debian-13': [
      'amd64-microcode',
      'firmware-linux',
      'firmware-misc-nonfree',
      'firmware-realtek',
      'intel-microcode',
    ],
    'debian-12': [
      'amd64-microcode',
      'firmware-linux',
      'firmware-misc-nonfree',
      'firmware-realtek',
      'intel-microcode',
    ],
    'ubuntu-24.04': ['amd64-microcode', 'intel-microcode', 'linux-firmware', 'linux-image-generic'],
    'ubuntu-26.04': ['amd64-microcode', 'intel-microcode', 'linux-firmware', 'linux-image-generic'],
  },
  files: [],
  links: [],
  units: [],
  removes: [],
};
