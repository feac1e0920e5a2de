import * as z from 'zod';
import { whereSchema } from './labels.ts';

/** The settings of every workload, below its name. What all of them have: whether this node may run it. */
const place = {
  enabled: z.boolean().default(true).describe('whether this node may run it'),
  where: whereSchema.default('').describe('labels that a node must have: disk=ssd, disk!=hdd, gpu, !gpu'),
};

export const workloadsSchema = z.strictObject({
  page: z.strictObject({ ...place }).prefault({}),
});

export type WorkloadSettings = z.infer<typeof workloadsSchema>;
export type WorkloadName = keyof WorkloadSettings;
