import type { Layer, LayerFile, LayerLink, LayerUnit } from '../../image-layers/layer.ts';
import type { BaseProfile } from './bases.ts';

/** What can be built, in the order in which it is. */
export const TARGETS = ['qcow2', 'docker', 'usb', 'iso'] as const;
export type Target = (typeof TARGETS)[number];
export type Architecture = 'amd64';

/**
 * Everything a build needs to know, frozen. Nothing after this reads YAML, flags or the environment.
 */
export interface Plan {
  /** Name of the cluster; the first part of every artifact's name. */
  readonly name: string;
  readonly base: BaseProfile;
  readonly arch: Architecture;
  readonly target: Target;
  readonly apt: AptSources;
  readonly layers: readonly Layer[];
  /** The union over the layers and `packages` of the definition, sorted. */
  readonly packages: readonly string[];
  readonly files: readonly LayerFile[];
  readonly links: readonly LayerLink[];
  readonly units: readonly LayerUnit[];
  readonly removes: readonly string[];
  /** Size of the virtual disk in bytes, a multiple of 1 MiB. */
  readonly diskBytes: number;
  /** Which modules the initramfs carries. */
  readonly initramfs: 'virtual' | 'metal';
  /** SOURCE_DATE_EPOCH, seconds: every time stamp in the image. Undefined: the date of the archive's state. */
  readonly epoch: number | undefined;
  /** Ports that the node listens on, for display and for the firewall. */
  readonly ports: readonly Port[];
}

export interface AptSources {
  /** Base URL of the archive, and which setting it came from, for error messages. */
  readonly mirror: string;
  readonly mirrorSetBy: string;
  readonly securityMirror: string;
  readonly suites: readonly AptSuite[];
  readonly components: readonly string[];
  readonly keyring: string;
  readonly keyringPackage: string;
  /** What the nodes themselves upgrade from: the definition's mirror, else the official one. */
  readonly node: { readonly mirror: string; readonly securityMirror: string };
  /** The moment of a snapshot mirror, whose signatures have run out by now; undefined for a living mirror. */
  readonly snapshot: string | undefined;
}

interface AptSuite {
  readonly uri: string;
  readonly suite: string;
}

export interface Port {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'tcp+udp';
  /** Where the port is open: on every network, only inside the mesh, or only on the node itself. */
  readonly scope: 'lan' | 'mesh' | 'node';
}
