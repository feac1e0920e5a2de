import { X509Certificate } from 'node:crypto';
import * as path from 'node:path';
import type { CertificateFiles } from '../../engine/resources.ts';
import { files } from '../../host.ts';
import { type Authority, authorityCertificate } from './authority.ts';
import { isBy, type LeafWish, mintLeaf, serves } from './leaf.ts';

interface CertificatesWish extends LeafWish {
  /** The first signs; all are trusted: during a rotation of the cluster key there are two. */
  readonly authorities: readonly [Authority, ...Authority[]];
}

/** Texts as found; undefined for what is missing. */
interface FoundTexts {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

interface CertificatesPlan {
  readonly bundle: boolean;
  readonly leaf: boolean;
}

/**
 * Make the PEM files in the folder (made when missing, 0700; files 0640, for the group of the folder) serve the wish. Nothing is written when
 * they do, so that etcd need not restart.
 *
 * @returns what was written; etcd reads a new leaf by itself, a new bundle (`ca`) only when it starts
 * @throws AgentError of the disk
 */
export async function ensureCertificates(
  folder: string,
  wish: CertificatesWish,
): Promise<{ files: CertificateFiles; written: CertificatesPlan }> {
  const names = certificateFiles(folder);
  await files.needFolder(folder, 0o700);
  const found = {
    ca: await read(names.ca),
    certificate: await read(names.certificate),
    key: await read(names.key),
  };
  const written = planCertificates(found, wish);
  if (written.bundle) {
    await files.writeDurable(names.ca, sorted(wish.authorities).map(authorityCertificate).join(''), 0o640);
  }
  if (written.leaf) {
    const leaf = mintLeaf(wish.authorities[0], wish);
    // Killed in between, the pair does not fit, and the next pass makes another.
    await files.writeDurable(names.key, leaf.key, 0o640);
    await files.writeDurable(names.certificate, leaf.certificate, 0o640);
  }
  return { files: names, written };
}

export function certificateFiles(folder: string): CertificateFiles {
  return {
    ca: path.join(folder, 'ca.pem'),
    certificate: path.join(folder, 'node.pem'),
    key: path.join(folder, 'node.key'),
  };
}

/** What has to be written. Pure. */
export function planCertificates(found: FoundTexts, wish: CertificatesWish): CertificatesPlan {
  const { ca = '', certificate = '', key = '' } = found;
  return {
    bundle: !isBundleOf(ca, sorted(wish.authorities)),
    leaf: !serves({ certificate, key }, wish.authorities[0], wish),
  };
}

/** Whoever signs, the bundle is the same: a new signer alone is no reason to start etcd again. */
function sorted(authorities: readonly Authority[]): readonly Authority[] {
  return [...authorities].sort((a, b) => Buffer.compare(a.keyId, b.keyId));
}

function isBundleOf(text: string, authorities: readonly Authority[]): boolean {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (found.length !== authorities.length) return false;
  try {
    return authorities.every((authority, at) => {
      const certificate = new X509Certificate(found[at] ?? '');
      return certificate.ca && isBy(certificate, authority);
    });
  } catch {
    return false;
  }
}

const PEM_BYTES = 64 * 1024;

/** A file that cannot be read as one is written anew. */
async function read(file: string): Promise<string | undefined> {
  return (await files.readLimited(file, PEM_BYTES))?.bytes.toString('latin1');
}
