/** What the template is filled with. Checked, so that a mistake is ours and found here, not in Packer. */
import * as z from 'zod';
import { BASE_NAMES } from '../image-layers/layer.ts';

const MIB = 2 ** 20;

export const packerInputsSchema = z.strictObject({
  /** Name of the artifact: the virtual machine's, and its disk's. */
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/),
  base: z.strictObject({
    name: z.enum(BASE_NAMES),
    /** A URL, or a path that Packer finds. */
    image: z.string().min(1),
    /** `sha256:...`, `file:<URL of a SHA256SUMS>` or `none`. */
    checksum: z.string().regex(/^(none|sha256:[0-9a-f]{64}|file:https:\/\/[^\s{}$%"\\]+)$/),
  }),
  diskBytes: z
    .int()
    .positive()
    .refine((bytes) => bytes % MIB === 0, 'expected whole MiB'),
  layers: z
    .array(
      z.strictObject({
        /** Below upload/layers: `10-base`. */
        folder: z.string().regex(/^\d\d-[a-z0-9-]+$/),
        summary: z.string(),
      }),
    )
    .min(1),
  /** From Packer 1.7 on plugins are declared, and fetched by `packer init`. */
  plugins: z.boolean(),
});

export type PackerInputs = z.output<typeof packerInputsSchema>;
