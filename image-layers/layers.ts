import { agent } from './agent.ts';
import { base } from './base.ts';
import { consensus } from './consensus.ts';
import { container } from './container.ts';
import { hardware } from './hardware.ts';
import type { Layer } from './layer.ts';
import { mesh } from './mesh.ts';
import { roles } from './roles.ts';
import { virtual } from './virtual.ts';

/** What is installed on real machines. The live system of the medium is the same one, see live.ts. */
const METAL = [base, hardware, mesh, consensus, agent, roles] as const;

/** What each target is made of, in order: a later layer's file or unit replaces an earlier one's. */
const LAYERS = {
  qcow2: [base, virtual, mesh, consensus, agent, roles],
  // The same packages, so that both come from one tree.
  docker: [base, virtual, mesh, consensus, agent, roles, container],
  usb: METAL,
  iso: METAL,
} as const satisfies Record<string, readonly Layer[]>;

export const ALL_LAYERS: readonly Layer[] = [
  base,
  virtual,
  hardware,
  mesh,
  consensus,
  agent,
  roles,
  container,
];

export function layersFor(target: keyof typeof LAYERS): readonly Layer[] {
  return LAYERS[target];
}
