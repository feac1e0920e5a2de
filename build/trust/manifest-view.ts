/** What the checks read of a manifest.json, whoever wrote it: everything is questioned. */
import * as z from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A name in the folder, and no way out of it. */
const fileName = z.string().regex(/^(?!\.{1,2}$)[\w@%+=:,.-]+$/);

const artifactSchema = z.looseObject({ file: fileName, bytes: z.int().nonnegative(), sha256 });

const packageSchema = z.looseObject({
  name: z.string().min(1),
  version: z.string().min(1),
  architecture: z.string().min(1),
  source: z.string().min(1),
});

const componentSchema = z.looseObject({
  name: z.string().min(1),
  version: z.string().min(1),
  license: z.string().min(1),
  purl: z.string().startsWith('pkg:'),
  cpe: z.string().startsWith('cpe:2.3:').optional(),
});

const manifestSchema = z.looseObject({
  format: z.literal(1),
  key: z.string().min(1),
  tool: z.looseObject({ name: z.string(), version: z.string(), node: z.string() }),
  name: z.string().min(1),
  architecture: z.string().min(1),
  base: z.looseObject({
    name: z.string().min(1),
    suites: z.array(z.looseObject({ suite: z.string(), sha256: z.string() })),
  }),
  epoch: z.int().nonnegative(),
  agent: z.looseObject({
    version: z.string(),
    sha256: z.string(),
    components: z.array(componentSchema).optional(),
  }),
  files: z.array(z.looseObject({ path: z.string(), mode: z.string(), sha256: z.string() })),
  packages: z.array(packageSchema),
  artifacts: z.array(artifactSchema).min(1),
});

export type ManifestView = z.infer<typeof manifestSchema>;
export type ArtifactView = z.infer<typeof artifactSchema>;

/** @returns why it describes nothing, as a string */
export function viewManifest(text: string): ManifestView | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `it is no JSON: ${(error as Error).message}`;
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `${issue?.path.join('.') || 'the document'}: ${issue?.message}`;
}
