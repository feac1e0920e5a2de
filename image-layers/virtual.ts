import type { Layer } from './layer.ts';

/** Hardware that hypervisors show and no node uses. Its drivers stay: `modprobe NAME` loads them. */
const UNUSED = [
  // networkd asks for wireless to see whether there is any, which loads the largest module of all.
  'cfg80211',
  // The screen shows text without a driver.
  'bochs',
  'vga16fb',
  'psmouse',
  'pcspkr',
  'i2c_i801',
  'iTCO_wdt',
] as const;

/** What only the image for virtual machines has. */
export const virtual: Layer = {
  name: 'virtual',
  summary: 'a shorter start of virtual machines',
  packages: {},
  files: [
    {
      path: '/etc/modprobe.d/clusteros-virtual.conf',
      mode: 0o644,
      text: `# Not loaded because the hardware is there: no node uses it, and each module takes its part of the start.
${UNUSED.map((name) => `blacklist ${name}\n`).join('')}`,
    },
  ],
  links: [],
  units: [],
  removes: [],
};
