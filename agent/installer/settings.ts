/** What a seed says about installing: `clusteros/install.yaml`, one schema for type, default and meaning. */
import * as z from 'zod';
import { checkDocument } from '../../settings/check.ts';
import { describeMistake, type Mistake, valueAt } from '../../settings/mistakes.ts';
import { readYaml } from '../../settings/yaml.ts';

const GB = 1e9;

/** `480GB`, `1.9 TB`, or a range of them: `400GB-600GB`. Disks are sold in powers of ten. */
const sizeText = z
  .string()
  .regex(/^\s*\d+(\.\d+)?\s*(GB|TB)(\s*-\s*\d+(\.\d+)?\s*(GB|TB))?\s*$/i, {
    error: 'expected a size or a range: 480GB, 1.9TB, 400GB-600GB',
    abort: true,
  })
  .refine((said) => sizeRange(said).from <= sizeRange(said).to, 'expected the smaller size first')
  .refine((said) => sizeRange(said).to > 0, 'expected a size above 0');

const someText = z.string().trim().min(1, 'expected at least one character');

export const installSchema = z.strictObject({
  disk: z
    .strictObject({
      size: sizeText.optional().describe('within 5 %, or a range: 480GB, 400GB-600GB'),
      model: someText.optional().describe('as the disk says it, or with * at an end'),
      serial: someText.optional().describe('as the disk says it'),
      path: z
        .string()
        .regex(/^\/dev\/[\w./:@+-]+$/, 'expected a path such as /dev/nvme0n1 or /dev/disk/by-path/...')
        .optional(),
    })
    .prefault({})
    .describe('all that is said must hold; without any, the only empty disk is taken'),
  wipe: z
    .union([someText, z.array(someText)])
    .optional()
    .describe('serials of disks whose data may be destroyed, or all'),
  unattended: z.boolean().default(false).describe('ask nothing'),
  after: z.enum(['reboot', 'poweroff', 'wait']).default('reboot').describe('what to do after installing'),
});

export type InstallSettings = z.infer<typeof installSchema>;

/** @returns the settings, or all that is wrong, each with its line */
export function parseInstallSettings(
  name: string,
  content: Uint8Array | string,
): { readonly settings: InstallSettings } | { readonly mistakes: readonly string[] } {
  const document = readYaml(typeof content === 'string' ? Buffer.from(content) : content);
  const { settings, mistakes } = checkDocument(document, installSchema, {
    showFound: true,
    more: () => emptyRules(document.value),
  });
  if (mistakes === undefined) return { settings };
  return { mistakes: mistakes.map((mistake) => describeMistake(name, mistake)) };
}

/**
 * Elsewhere a key with nothing behind it sets nothing. A rule that names the disk must not vanish so: the leave to
 * wipe would then hold for another one.
 */
function emptyRules(value: unknown): Mistake[] {
  return ['size', 'model', 'serial', 'path']
    .map((key) => ['disk', key])
    .filter((path) => valueAt(value, path) === null)
    .map((path) => ({ path, text: 'expected a value, found an empty value' }));
}

/** Bytes from and to, both inclusive. */
export function sizeRange(said: string): { from: number; to: number } {
  const [first = '', second] = said.split('-').map((part) => part.trim());
  const bytes = (one: string) => Number.parseFloat(one) * (/TB$/i.test(one) ? 1000 * GB : GB);
  return second === undefined
    ? { from: bytes(first) * 0.95, to: bytes(first) * 1.05 }
    : { from: bytes(first), to: bytes(second) };
}
