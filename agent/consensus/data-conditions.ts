import type { FoundCondition } from '../engine/controller.ts';
import type { ConditionFacts } from './conditions.ts';
import { seriesOf } from './membership.ts';

/** What is wrong with etcd's data and releases, in the operator's words. Pure. */
export function database({ alarms }: ConditionFacts): FoundCondition[] {
  const found: FoundCondition[] = [];
  if (alarms.includes('NOSPACE')) {
    found.push({
      code: 'consensus.disk-full',
      state: 'failed',
      summary: "etcd's database has reached its limit; nothing can be written",
      endedBy: 'it is compacted by itself; else remove keys that nobody needs (etcdctl del)',
    });
  }
  if (alarms.includes('CORRUPT')) {
    found.push({
      code: 'consensus.corrupt',
      state: 'failed',
      summary: "the data of etcd's members differs",
      endedBy:
        'on the member with wrong data: node-agent leave, then join; or node-agent recover --from-snapshot',
    });
  }
  return found;
}

export function snapshots({ snapshot }: ConditionFacts): FoundCondition[] {
  if (snapshot?.failed === undefined || !snapshot.keeps) return [];
  const newest = snapshot.newest && `the newest one on this node is of ${snapshot.newest.takenAt}`;
  return [
    {
      code: 'consensus.snapshot-failed',
      state: 'failed',
      summary: `the hourly snapshot of the cluster's data could not be taken; ${newest ?? 'this node has none'}`,
      evidence: snapshot.failed,
      endedBy: 'retried every minute; now: sudo node-agent snapshot save FILE',
    },
  ];
}

export function versions({ versions: known, nameOf }: ConditionFacts): FoundCondition[] {
  const told = [...known.values()].filter((version) => version !== 'missing' && version !== 'unknown');
  const series = new Set(told.map(seriesOf));
  if (series.size < 2) return [];
  return [
    {
      code: 'consensus.versions-differ',
      state: 'misconfigured',
      summary: `nodes have different releases of etcd: ${[...series].sort().join(', ')}`,
      evidence: [...known].map(([id, version]) => `${nameOf(id)}: ${version}`).join('\n'),
      endedBy: 'install the same image on all nodes; until then only those of one release vote',
    },
  ];
}
