/** How each target is made of the root file system. A new target is one entry here, and its layers. */
import { sampleFiles } from '../../firstboot/sample.ts';
import type { LayerFile } from '../../image-layers/layer.ts';
import { LIVE_FILES } from '../../image-layers/live.ts';
import type { Plan, Target } from '../definition/plan.ts';
import type { DiskIdentifiers } from './disk/identifiers.ts';
import { assembleDocker } from './docker/docker-archive.ts';
import { assembleIso } from './iso/iso-image.ts';
import { LIVE_PROGRAMS } from './live/squashfs.ts';
import { assembleQcow2, diskFiles } from './qcow2-image.ts';
import type { RootTree } from './root-tree.ts';
import { assembleUsb, bmapOf } from './usb/usb-image.ts';

export interface AssembleOptions {
  readonly plan: Plan;
  readonly root: RootTree;
  readonly ids: DiskIdentifiers;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly workFolder: string;
  readonly signal: AbortSignal;
  /** In the target's own measure: bytes of a disk, of a layer. */
  readonly onProgress?: (done: number, total: number) => void;
}

interface TargetRecipe {
  /** Comes behind the artifact's name, so that each target has a folder of its own. */
  readonly suffix: string;
  /** Of the artifact's file, without the dot. */
  readonly extension: string;
  /** In place of the suffix for the ids of the system in it: targets with the same one carry the same system. */
  readonly system?: string;
  /** What the assembly runs. `doctor` knows their packages. */
  readonly programs: readonly string[];
  /** Files that depend on the medium and not on a layer. */
  readonly ownFiles: (plan: Plan, ids: DiskIdentifiers) => readonly LayerFile[];
  /** What else the bytes depend on, beside the plan and the code of the assembly. */
  readonly inputs?: (plan: Plan) => unknown;
  /** Files that the assembly writes beside the artifact. */
  readonly besides?: (file: string) => readonly string[];
  /** Write the artifact, whose file is not there yet. */
  readonly assemble: (file: string, options: AssembleOptions) => Promise<void>;
}

export const TARGET_RECIPES: Readonly<Record<Target, TargetRecipe>> = {
  qcow2: {
    suffix: '',
    extension: 'qcow2',
    programs: ['sfdisk', 'mkfs.vfat', 'mmd', 'mcopy'],
    ownFiles: diskFiles,
    assemble: assembleQcow2,
  },
  docker: {
    suffix: '-docker',
    extension: 'tar',
    programs: [],
    ownFiles: () => [],
    assemble: assembleDocker,
  },
  usb: {
    suffix: '-usb',
    extension: 'img.zst',
    system: '-metal',
    programs: LIVE_PROGRAMS,
    ownFiles: diskFiles,
    inputs: ({ name }) => [LIVE_FILES, sampleFiles(name)],
    besides: (file) => [bmapOf(file)],
    assemble: assembleUsb,
  },
  iso: {
    suffix: '-iso',
    extension: 'iso',
    system: '-metal',
    programs: [...LIVE_PROGRAMS, 'xorriso'],
    ownFiles: diskFiles,
    inputs: () => LIVE_FILES,
    assemble: assembleIso,
  },
};
