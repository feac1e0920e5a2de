/** Something that happened to the node or its cluster, as it is written down and shown. Holds no secret. */
export interface Event {
  /** ISO 8601, the node's clock; `seq` is what orders them. */
  readonly at: string;
  /** Greater by one for each event of this node, over restarts too. */
  readonly seq: number;
  /** Stable: `member.failed`, `leader.changed`, `quorum.lost`. */
  readonly kind: string;
  readonly summary: string;
  /** Id of the node that it is about. */
  readonly node?: string | undefined;
  readonly details?: Details | undefined;
}

export type Details = Readonly<Record<string, string | number | boolean | undefined>>;

/** An event before it has a time and a number. */
export type Happening = Pick<Event, 'kind' | 'summary' | 'node' | 'details'>;
