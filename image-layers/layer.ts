/**
 * What a layer is: data only. A layer says which packages, files, links and units belong together; how they
 * get into an image is the business of `build/`.
 */

export const BASE_NAMES = ['debian-13', 'debian-12', 'ubuntu-24.04', 'ubuntu-26.04'] as const;
export type BaseName = (typeof BASE_NAMES)[number];

export interface Layer {
  readonly name: string;
  readonly summary: string;
  /** `all` goes into every base; a base's own list is added to it. */
  readonly packages: Readonly<Partial<Record<BaseName | 'all', readonly string[]>>>;
  readonly files: readonly LayerFile[];
  readonly links: readonly LayerLink[];
  readonly units: readonly LayerUnit[];
  readonly users?: readonly LayerUser[];
  /** Paths, as packages leave them, that the image must not carry. */
  readonly removes: readonly string[];
}

/** A regular file owned by root. */
export interface LayerFile {
  /** Absolute path in the image. */
  readonly path: string;
  /** Permission bits, such as 0o644. */
  readonly mode: number;
  readonly text: string;
}

/** Whom a program runs as; there is a group of the same name and number. */
export interface LayerUser {
  readonly name: string;
  /** The same in every image, since state outlives one: 870 to 879, which no package of ours takes. */
  readonly id: number;
  readonly summary: string;
}

/** A symbolic link owned by root. */
export interface LayerLink {
  readonly path: string;
  readonly target: string;
}

/** What becomes of a systemd unit: `enable` needs the target that wants it, `mask` overrides all else. */
export type LayerUnit =
  | { readonly unit: string; readonly state: 'enabled'; readonly wantedBy: string }
  | { readonly unit: string; readonly state: 'disabled'; readonly wantedBy: string }
  | { readonly unit: string; readonly state: 'masked' };
