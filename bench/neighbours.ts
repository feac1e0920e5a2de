import { readFileSync, writeFileSync } from 'node:fs';

const FOLDER = '/proc/sys/net/ipv4/neigh/default';
/** Fifty hosts that all know each other have 2,450 entries, and as many in the mesh of a kernel with WireGuard. */
const WANTED = { gc_thresh3: '16384', gc_thresh2: '8192', gc_thresh1: '4096' };

/**
 * One kernel keeps the neighbours of all its network namespaces in a table of 1,024 entries (arp(7)), which real
 * machines do not share: beyond some thirty hosts it overflows, and they no longer reach each other.
 *
 * @returns puts the limits back
 */
export function allowManyNeighbours(): () => void {
  const before = Object.keys(WANTED).map(
    (name) => [name, readFileSync(`${FOLDER}/${name}`, 'utf8')] as const,
  );
  for (const [name, value] of Object.entries(WANTED)) writeFileSync(`${FOLDER}/${name}`, value);
  return () => {
    for (const [name, value] of before.toReversed()) writeFileSync(`${FOLDER}/${name}`, value);
  };
}
