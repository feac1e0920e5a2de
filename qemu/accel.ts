import { probeAccelerator } from '../build/doctor/kvm.ts';
import type { Accelerator } from './argv.ts';

/** How machines run here: by KVM when it really runs a guest, else by emulation. `reason` is one clause. */
export async function chooseAccelerator(
  signal?: AbortSignal,
): Promise<{ readonly accel: Accelerator; readonly reason: string }> {
  return probeAccelerator({ signal });
}
