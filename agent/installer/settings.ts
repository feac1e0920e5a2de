/** What a seed says about installing: `clusteros/install.yaml`, one schema for type, default and meaning. */
import { LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';

const GB = 1e9;

/** `480GB`, `1.9 TB`, or a range of them: `400GB-600GB`. Disks are sold in powers of ten. */
const sizeText = z
  .string()
  .regex(
    /^\s*\d+(\.\d+)?\s*(GB|TB)(\s*-\s*\d+(\.\d+)?\s*(GB|TB))?\s*$/i,
    'expected a size or a range: 480GB, 1.9TB, 400GB-600GB',
  );

export const installSchema = z.strictObject({
  disk: z
    .strictObject({
      size: sizeText.optional().describe('within 5 %, or a range: 480GB, 400GB-600GB'),
      model: z.string().min(1).optional().describe('as the disk says it, or with * at an end'),
      serial: z.string().min(1).optional().describe('as the disk says it'),
      path: z
        .string()
        .regex(/^\/dev\/[\w./:@+-]+$/, 'expected a path such as /dev/nvme0n1 or /dev/disk/by-path/...')
        .optional(),
    })
    .prefault({})
    .describe('all that is said must hold; without any, the only empty disk is taken'),
  wipe: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .optional()
    .describe('serials of disks whose data may be destroyed, or all'),
  unattended: z.boolean().default(false).describe('ask nothing'),
  after: z.enum(['reboot', 'poweroff', 'wait']).default('reboot').describe('what to do after installing'),
});

export type InstallSettings = z.infer<typeof installSchema>;

/** @returns the settings, or all that is wrong, each with its line */
export function parseInstallSettings(
  name: string,
  document: string,
): { readonly settings: InstallSettings } | { readonly mistakes: readonly string[] } {
  const lines = new LineCounter();
  const parsed = parseDocument(document, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  if (parsed.errors.length > 0) {
    return {
      mistakes: parsed.errors.map(({ pos, message }) => `${name}:${lines.linePos(pos[0]).line}: ${message}`),
    };
  }
  const result = installSchema.safeParse(parsed.toJS({ maxAliasCount: 16 }) ?? {});
  if (result.success) return { settings: result.data };
  return {
    mistakes: result.error.issues.map(({ path, message }) => {
      const node = parsed.getIn(path, true) as { range?: [number] } | undefined;
      const at = node?.range === undefined ? '' : `:${lines.linePos(node.range[0]).line}`;
      return `${name}${at}: ${path.join('.') || 'the document'}: ${message}`;
    }),
  };
}

/** Bytes from and to, both inclusive. */
export function sizeRange(said: string): { from: number; to: number } {
  const [first = '', second] = said.split('-').map((part) => part.trim());
  const bytes = (one: string) => Number.parseFloat(one) * (/TB$/i.test(one) ? 1000 * GB : GB);
  return second === undefined
    ? { from: bytes(first) * 0.95, to: bytes(first) * 1.05 }
    : { from: bytes(first), to: bytes(second) };
}
