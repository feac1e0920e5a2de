/**
 * Block maps in the format of bmaptool, version 2.0: which blocks of an image hold anything, with their digests.
 * `bmaptool copy` reads ours, and we read its.
 *
 * Source: bmap-tools, docs and bmaptool/BmapCreate.py. The file's own digest is taken with zeros in its place.
 */
import { createHash } from 'node:crypto';
import { type BlockMap, type BlockRange, faultOfMap } from '../../agent/installer/block-map.ts';
import { OperatorError } from '../errors.ts';

const BLOCK = 4096;
const NO_DIGEST = '0'.repeat(64);

/** @param map whose ranges begin with a block, and end with one or with the image */
export function writeBmap(map: BlockMap): string {
  const blocks = Math.ceil(map.size / BLOCK);
  let mapped = 0;
  const ranges = map.ranges.map(({ offset, length, sha256 }) => {
    const end = offset + length;
    if (offset % BLOCK !== 0 || (end % BLOCK !== 0 && end !== map.size)) {
      throw new Error(`the range of ${length} bytes at ${offset} is not made of blocks`);
    }
    const [first, last] = [offset / BLOCK, Math.ceil(end / BLOCK) - 1];
    mapped += last - first + 1;
    return `        <Range chksum="${sha256}"> ${first === last ? first : `${first}-${last}`} </Range>`;
  });
  const text = `<?xml version="1.0" ?>
<!-- A block map (bmaptool copy): which blocks of the image hold data, and their digests. -->
<bmap version="2.0">
    <ImageSize> ${map.size} </ImageSize>
    <BlockSize> ${BLOCK} </BlockSize>
    <BlocksCount> ${blocks} </BlocksCount>
    <MappedBlocksCount> ${mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> ${NO_DIGEST} </BmapFileChecksum>
    <BlockMap>
${ranges.join('\n')}
    </BlockMap>
</bmap>
`;
  return text.replace(NO_DIGEST, sha256(text));
}

/** @throws OperatorError `flash.bmap` when it is damaged or of another kind */
export function readBmap(text: string, name: string): BlockMap {
  const bad = (what: string) =>
    new OperatorError({
      code: 'flash.bmap',
      message: `the block map ${name} cannot be used: ${what}`,
      fix: 'fetch it again with its image; or flash without it: --no-bmap',
    });
  const value = (tag: string) => new RegExp(`<${tag}>\\s*([^<\\s]+)\\s*</${tag}>`).exec(text)?.[1];
  const version = /<bmap\s+version="([^"]*)"/.exec(text)?.[1];
  if (version === undefined) throw bad('it is no block map');
  if (!/^2\./.test(version)) throw bad(`it is of version ${version}, and 2.0 is known`);
  if (value('ChecksumType') !== 'sha256') throw bad('its digests are not SHA-256');
  const digest = value('BmapFileChecksum') ?? '';
  if (digest === '' || sha256(text.replace(digest, '0'.repeat(digest.length))) !== digest) {
    throw bad('it is damaged: its own digest is wrong');
  }
  const [size, block] = [Number(value('ImageSize')), Number(value('BlockSize'))];
  if (!Number.isSafeInteger(size) || !(block >= 512)) throw bad('it does not say the sizes');
  const ranges: BlockRange[] = [];
  for (const [, chksum = '', first, last] of text.matchAll(
    /<Range\s+chksum="([0-9a-f]+)"\s*>\s*(\d+)(?:\s*-\s*(\d+))?\s*<\/Range>/g,
  )) {
    const offset = Number(first) * block;
    const end = Math.min((Number(last ?? first) + 1) * block, size);
    ranges.push({ offset, length: end - offset, sha256: chksum });
  }
  const fault = ranges.length === 0 ? 'it lists no blocks' : faultOfMap({ size, ranges });
  if (fault !== undefined) throw bad(fault);
  return { size, ranges };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
