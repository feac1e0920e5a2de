/** What Packer starts from. Pure. */
import { base } from '../../image-layers/base.ts';
import type { Plan } from '../definition/plan.ts';

export interface BaseImage {
  /** A URL, or a path that Packer finds from the rendered folder. */
  readonly image: string;
  /** In the words of Packer's `iso_checksum`. */
  readonly checksum: string;
}

/** Where a local base image lies in the rendered folder. */
export const LOCAL_BASE = 'base/base.qcow2';

/**
 * Ubuntu's own cloud image, held to the list of digests that Ubuntu publishes beside it over HTTPS; for Debian an
 * image of ours, made by the direct engine of the base layer alone (see {@link basePlan}).
 */
export function defaultBaseImage(plan: Plan): BaseImage {
  if (plan.base.distribution === 'debian') return { image: LOCAL_BASE, checksum: 'none' };
  const { suite, release } = plan.base;
  const folder = `https://cloud-images.ubuntu.com/releases/${suite}/release`;
  return {
    image: `${folder}/ubuntu-${release}-server-cloudimg-${plan.arch}.img`,
    checksum: `file:${folder}/SHA256SUMS`,
  };
}

/** The plan of a base image: the layer `base` of the same distribution, from the same archive. */
export function basePlan(plan: Plan): Plan {
  const packages = [...(base.packages.all ?? []), ...(base.packages[plan.base.name] ?? [])];
  return {
    ...plan,
    name: 'packer-base',
    target: 'qcow2',
    layers: [base],
    packages: [...new Set(packages)].sort(),
    files: [...base.files].sort((one, other) => (one.path < other.path ? -1 : 1)),
    links: base.links,
    units: base.units,
    removes: base.removes,
    initramfs: 'virtual',
  };
}
