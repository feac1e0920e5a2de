/** What the switch does to frames, as nftables rules of the bridge family. Pure. */

export interface FrameFaults {
  /** Ports of the switch that hear each other; a port in no group is alone. Undefined: all hear all. */
  readonly groups?: readonly (readonly string[])[] | undefined;
  /** Chance in percent that a frame is lost, for each of them. */
  readonly lossPercent: number;
}

export const NO_FAULTS: FrameFaults = { lossPercent: 0 };

/**
 * One transaction for `nft -f -` that replaces all rules of the switch, so that every frame meets either the old
 * set or the new one. The bridge family's forward hook sees whatever goes from port to port: ARP, multicast and
 * IPv6 as well. Frames between a port and the rig itself pass.
 *
 * @throws Error for a chance that is none, or a port in two groups
 */
export function rulesFor({ groups, lossPercent }: FrameFaults): string {
  if (!(lossPercent >= 0 && lossPercent <= 100)) throw new Error(`no percentage: ${lossPercent}`);
  return [
    // Deleting a table that is not there fails; declaring it first makes sure that it is.
    'table bridge rig',
    'delete table bridge rig',
    'table bridge rig {',
    '  chain lossy {',
    ...lossRules(lossPercent).map((rule) => `    ${rule}`),
    '  }',
    '  chain forward {',
    '    type filter hook forward priority 0; policy accept;',
    ...(groups === undefined ? ['goto lossy'] : partitionRules(groups)).map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ].join('\n');
}

function lossRules(percent: number): string[] {
  // Tenths of a percent; nft knows no number beyond the last.
  const share = Math.round(percent * 10);
  if (share === 0) return [];
  return [share === 1000 ? 'counter drop' : `numgen random mod 1000 < ${share} counter drop`];
}

function partitionRules(groups: readonly (readonly string[])[]): string[] {
  const ports = groups.flat();
  const twice = ports.find((port, index) => ports.indexOf(port) !== index);
  if (twice !== undefined) throw new Error(`${twice} is in two groups`);
  return [
    ...groups
      .filter((group) => group.length > 0)
      .map((group) => `iifname ${setOf(group)} oifname ${setOf(group)} goto lossy`),
    'counter drop',
  ];
}

function setOf(ports: readonly string[]): string {
  return `{ ${ports.map((port) => `"${port}"`).join(', ')} }`;
}
