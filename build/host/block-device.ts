/** One way to disks, for the installer and for `flash`. */
export { openBlockDevice } from '../../agent/host/block-device.ts';
