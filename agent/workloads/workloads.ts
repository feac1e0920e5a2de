import { page } from './page/workload.ts';
import type { Workload } from './workload.ts';

/** All that the cluster runs. */
export const WORKLOADS: readonly Workload[] = [page];
