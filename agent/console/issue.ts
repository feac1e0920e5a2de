import { countMembers } from '../api/member-counts.ts';
import type { StatusDocument } from '../api/view.ts';
import type { Address } from '../host/network.ts';
import { describeItem } from '../seed/report.ts';
import { headline } from '../status.ts';

const WIDTH = 79;
const MAX_ADDRESSES = 8;
const MAX_SEED_LINES = 6;

/** What agetty shows above the login prompt, on tty1 and on the serial console. Pure; holds no secret. */
export function renderIssue(status: StatusDocument): string {
  const lines = [
    `Cluster-OS node ${status.name}`,
    `  id       ${status.id ?? 'none'}`,
    ...addressLines(status.addresses),
    ...clusterLines(status),
    ...wrap('  state    ', headline(status)),
    ...status.conditions
      .slice(0, 3)
      .flatMap((condition, index) => [
        ...(index === 0 ? [] : wrap('  and      ', condition.summary)),
        ...(condition.evidence === undefined ? [] : wrap('           ', condition.evidence)),
        ...wrap('  to do    ', condition.endedBy),
      ]),
    ...seedLines(status),
  ];
  return `${lines.map(forAgetty).join('\n')}\n\n`;
}

/** Nothing before the node knows of a cluster. */
function clusterLines({ cluster, consensus, members }: StatusDocument): string[] {
  if (consensus === undefined || cluster.uuid === undefined) return [];
  const { alive, all } = countMembers(members);
  const leader = consensus.leader === undefined ? 'no leader known' : `leader ${consensus.leader}`;
  return [
    ...wrap(
      '  cluster  ',
      `${cluster.name ?? 'unnamed'} ${cluster.uuid.slice(0, 8)}${cluster.confirmed ? '' : ' (provisional)'}`,
    ),
    ...wrap('  quorum   ', `${consensus.quorum ? 'yes' : 'no'}, ${leader}`),
    ...wrap('  members  ', `${alive} of ${all} alive`),
  ];
}

function addressLines(addresses: readonly Address[]): string[] {
  if (addresses.length === 0) return ['  address  none yet'];
  const lines = addresses
    .slice(0, MAX_ADDRESSES)
    .map((entry) => `  address  ${entry.address} (${entry.interface})`);
  return addresses.length > MAX_ADDRESSES
    ? [...lines, `           and ${addresses.length - MAX_ADDRESSES} more`]
    : lines;
}

function seedLines(status: StatusDocument): string[] {
  const shown = status.seed.filter(({ outcome }) => outcome !== 'ignored');
  const ignored = status.seed.length - shown.length;
  const lines = shown.slice(0, MAX_SEED_LINES).flatMap((item) => wrap('  seed     ', describeItem(item)));
  return ignored === 0
    ? lines
    : [...lines, `  seed     ${ignored} other file${ignored === 1 ? '' : 's'} ignored`];
}

/** agetty(8) replaces `\x` in an issue file: a backslash of ours must stand for itself. */
function forAgetty(line: string): string {
  return line.replace(/[^\x20-\x7e]/g, '?').replaceAll('\\', '\\\\');
}

/** Words under a label; the next lines are indented to the first one's text. */
function wrap(label: string, text: string): string[] {
  const lines: string[] = [];
  let line = label;
  for (const word of text.split(/\s+/)) {
    const begins = line.length === label.length;
    if (!begins && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = `${' '.repeat(label.length)}${word}`;
    } else line += begins ? word : ` ${word}`;
  }
  return [...lines, line].slice(0, 12);
}
