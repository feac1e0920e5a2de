import type { ApiParts } from './api/routes.ts';
import type { ClusterView } from './api/view.ts';
import type { Facts } from './gather.ts';
import type { FoundCondition } from './status.ts';

/** What makes machines a cluster, as the daemon sees it. */
export interface ClusterPart {
  /** What the inputs of the node say now; cheap when nothing changed. */
  takeFacts(facts: Facts): void;
  /** What keeps this node from being a whole member, as of now. */
  conditions(): readonly FoundCondition[];
  view(): ClusterView;
  readonly api: Omit<ApiParts, 'snapshot' | 'now'>;
  /** Settles when all is put down in order after the signal. */
  readonly done: Promise<void>;
}
