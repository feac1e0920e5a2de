/**
 * The bill of materials of an artifact, as SPDX 2.3 JSON, made of the manifest alone: the same manifest gives the
 * same text.
 *
 * Source: https://spdx.github.io/spdx-spec/v2.3/ (document creation, package, relationship); package URLs by
 * https://github.com/package-url/purl-spec (type deb).
 */
import * as z from 'zod';
import type { ArtifactView, ManifestView } from './manifest-view.ts';

/** Beside the artifact. */
export function sbomName(artifact: string): string {
  return `${artifact}.spdx.json`;
}

/** Artifacts that carry software; a block map says only where it lies in another one. */
export function withSoftware({ artifacts }: ManifestView): readonly ArtifactView[] {
  return artifacts.filter(({ file }) => !file.endsWith('.bmap'));
}

export function sbomText(manifest: ManifestView, artifact: ArtifactView): string {
  const image = 'SPDXRef-Artifact';
  const parts = [agentPackage(manifest), ...debianPackages(manifest)];
  const inside = agentParts(manifest);
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: artifact.file,
    // A name, unique for this artifact; nothing has to be found there.
    documentNamespace: `https://clusteros.invalid/spdx/${encodeURIComponent(artifact.file)}/${artifact.sha256}`,
    creationInfo: {
      created: new Date(manifest.epoch * 1000).toISOString().replace('.000Z', 'Z'),
      creators: [`Tool: ${manifest.tool.name}-${manifest.tool.version}`],
    },
    packages: [
      {
        SPDXID: image,
        name: artifact.file,
        versionInfo: artifact.sha256.slice(0, 12),
        packageFileName: artifact.file,
        primaryPackagePurpose: 'OPERATING-SYSTEM',
        downloadLocation: NONE,
        filesAnalyzed: false,
        checksums: [{ algorithm: 'SHA256', checksumValue: artifact.sha256 }],
        ...UNSAID,
      },
      ...parts,
      ...inside,
    ],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: image },
      ...parts.map(({ SPDXID }) => ({
        spdxElementId: image,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
      ...inside.map(({ SPDXID }) => ({
        spdxElementId: AGENT,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** What a package's copyright file says is not read: tools that care look there. */
const NONE = 'NOASSERTION';
const UNSAID = { licenseConcluded: NONE, licenseDeclared: NONE, copyrightText: NONE } as const;

const AGENT = 'SPDXRef-node-agent';

/** Node and the npm packages inside the agent. Scanners go by the purl, and for Node by the CPE. */
function agentParts({ agent }: ManifestView) {
  return (agent.components ?? []).map(({ name, version, license, purl, cpe }, index) => ({
    SPDXID: `${AGENT}-${index + 1}-${name.replace(/[^A-Za-z0-9.-]/g, '-')}`,
    name,
    versionInfo: version,
    primaryPackagePurpose: 'LIBRARY',
    downloadLocation: NONE,
    filesAnalyzed: false,
    externalRefs: [
      { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl },
      ...(cpe === undefined
        ? []
        : [{ referenceCategory: 'SECURITY', referenceType: 'cpe23Type', referenceLocator: cpe }]),
    ],
    ...UNSAID,
    licenseDeclared: license,
  }));
}

function agentPackage({ agent, tool }: ManifestView) {
  return {
    SPDXID: AGENT,
    name: 'node-agent',
    versionInfo: agent.version,
    comment: `one executable with Node.js ${tool.node} inside`,
    primaryPackagePurpose: 'APPLICATION',
    downloadLocation: NONE,
    filesAnalyzed: false,
    checksums: [{ algorithm: 'SHA256', checksumValue: agent.sha256 }],
    ...UNSAID,
  };
}

function debianPackages({ base, packages }: ManifestView) {
  const [distribution = 'debian'] = base.name.split('-');
  return packages.map(({ name, version, architecture, source }, index) => ({
    SPDXID: `SPDXRef-${index + 1}-${name.replace(/[^A-Za-z0-9.-]/g, '-')}`,
    name,
    versionInfo: version,
    sourceInfo: `built from the source package ${source}`,
    downloadLocation: NONE,
    filesAnalyzed: false,
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: `pkg:deb/${distribution}/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=${base.name}`,
      },
    ],
    ...UNSAID,
  }));
}

const readSchema = z.looseObject({
  spdxVersion: z.literal('SPDX-2.3'),
  packages: z.array(
    z.looseObject({
      SPDXID: z.string(),
      name: z.string(),
      versionInfo: z.string(),
      packageFileName: z.string().optional(),
      checksums: z.array(z.looseObject({ algorithm: z.string(), checksumValue: z.string() })).optional(),
    }),
  ),
});

/**
 * Whether a bill of materials tells the same as the manifest: this artifact, and these packages. A later version of
 * this tool may write it in other words.
 *
 * @returns what does not fit, or undefined
 */
export function sbomFault(text: string, manifest: ManifestView, artifact: ArtifactView): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `it is no JSON: ${(error as Error).message}`;
  }
  const parsed = readSchema.safeParse(value);
  if (!parsed.success) return 'it is no SPDX 2.3 document';
  const image = parsed.data.packages.find(({ packageFileName }) => packageFileName === artifact.file);
  if (image === undefined) return `it does not describe ${artifact.file}`;
  const digest = image.checksums?.find(({ algorithm }) => algorithm === 'SHA256')?.checksumValue;
  if (digest !== artifact.sha256) return `it describes another ${artifact.file}`;
  const inAgent = parsed.data.packages.filter(({ SPDXID }) => SPDXID.startsWith(`${AGENT}-`));
  const listed = parsed.data.packages.filter(
    (each) => each !== image && each.name !== 'node-agent' && !inAgent.includes(each),
  );
  const words = (all: readonly { name: string; version: string }[]) =>
    new Set(all.map(({ name, version }) => `${name} ${version}`));
  const found = words(listed.map(({ name, versionInfo }) => ({ name, version: versionInfo })));
  const wanted = words(manifest.packages);
  const missing = [...wanted].find((each) => !found.has(each));
  if (missing !== undefined) return `it lacks the package ${missing}`;
  const parts = words(inAgent.map(({ name, versionInfo }) => ({ name, version: versionInfo })));
  const lacking = [...words(manifest.agent.components ?? [])].find((each) => !parts.has(each));
  if (lacking !== undefined) return `it lacks ${lacking}, which is inside the agent`;
  const extra = [...found].find((each) => !wanted.has(each));
  return extra === undefined ? undefined : `it lists the package ${extra}, which the manifest does not`;
}
