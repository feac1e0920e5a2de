import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { makeSandbox } from '../../testing/sandbox.ts';
import { authorityCertificate, authorityFrom, scalarFrom } from './authority.ts';
import { ensureCertificates, planCertificates } from './files.ts';
import { mintLeaf, serves } from './leaf.ts';

const authority = authorityFrom(Buffer.alloc(32, 7));
const other = authorityFrom(Buffer.alloc(32, 8));
const wish = { nodeId: '4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi', meshAddress: '10.42.3.4' };

test('every node derives the same authority from a cluster key, and another from another', () => {
  assert.equal(
    scalarFrom(Buffer.alloc(32, 7)).toString('hex'),
    scalarFrom(Buffer.alloc(32, 7)).toString('hex'),
  );
  assert.equal(authorityFrom(Buffer.alloc(32, 7)).subject, authority.subject);
  assert.notEqual(other.subject, authority.subject);
  assert.throws(() => authorityFrom(Buffer.alloc(31)), RangeError);
});

test('the derivation is for ever: this key has this name', () => {
  assert.equal(authority.subject, 'Cluster-OS 02f8c58af7803e2b');
});

test('the authority is valid from 2000 to 2099 and signs itself', () => {
  const ca = new X509Certificate(authorityCertificate(authority));
  assert.ok(ca.ca);
  assert.ok(ca.verify(ca.publicKey));
  assert.equal(ca.validFromDate.toISOString(), '2000-01-01T00:00:00.000Z');
  assert.equal(ca.validToDate.toISOString(), '2099-12-31T23:59:59.000Z');
  assert.equal(ca.subject, `CN=${authority.subject}`);
});

test('two nodes make certificates that the other accepts, whoever wrote the authority down', () => {
  const leaf = new X509Certificate(mintLeaf(authorityFrom(Buffer.alloc(32, 7)), wish).certificate);
  const ca = new X509Certificate(authorityCertificate(authority));
  assert.ok(leaf.checkIssued(ca));
  assert.ok(leaf.verify(ca.publicKey));
  assert.equal(leaf.subject, `CN=${wish.nodeId}`);
  assert.equal(leaf.checkIP('10.42.3.4'), '10.42.3.4');
  assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1');
  assert.equal(leaf.checkIP('10.42.3.5'), undefined);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  assert.equal(leaf.ca, false);
  assert.match(leaf.serialNumber, /^[4-7][0-9A-F]{31}$/);
});

test('a certificate serves only its node, address, authority and key', () => {
  const leaf = mintLeaf(authority, wish);
  assert.ok(serves(leaf, authority, wish));
  assert.ok(!serves(leaf, other, wish));
  assert.ok(!serves(leaf, authority, { ...wish, meshAddress: '10.42.3.5' }));
  assert.ok(!serves(leaf, authority, { ...wish, nodeId: 'another' }));
  assert.ok(!serves({ ...leaf, key: mintLeaf(authority, wish).key }, authority, wish));
  assert.ok(!serves({ certificate: 'rubbish', key: '' }, authority, wish));
});

test('files are written once, again after a change, and a rotation trusts both authorities', async (t) => {
  const { folder } = makeSandbox(t);
  const place = `${folder}/certificates`;
  const first = await ensureCertificates(place, { ...wish, authorities: [authority] });
  assert.deepEqual(first.written, { bundle: true, leaf: true });
  for (const file of Object.values(first.files)) assert.equal(statSync(file).mode & 0o777, 0o640);
  const again = await ensureCertificates(place, { ...wish, authorities: [authority] });
  assert.deepEqual(again.written, { bundle: false, leaf: false });
  const moved = await ensureCertificates(place, {
    ...wish,
    meshAddress: '10.42.9.9',
    authorities: [authority],
  });
  assert.deepEqual(moved.written, { bundle: false, leaf: true });
  const both = { ...wish, meshAddress: '10.42.9.9', authorities: [authority, other] as const };
  assert.deepEqual((await ensureCertificates(place, both)).written, { bundle: true, leaf: false });
  assert.equal(readFileSync(first.files.ca, 'latin1').match(/BEGIN/g)?.length, 2);
  const swapped = { ...both, authorities: [other, authority] as const };
  // The signer alone is no reason to start etcd again.
  assert.deepEqual((await ensureCertificates(place, swapped)).written, { bundle: false, leaf: true });
  writeFileSync(first.files.key, 'cut off');
  assert.deepEqual((await ensureCertificates(place, swapped)).written, { bundle: false, leaf: true });
});

test('an empty folder needs everything', () => {
  assert.deepEqual(planCertificates({}, { ...wish, authorities: [authority] }), { bundle: true, leaf: true });
});
