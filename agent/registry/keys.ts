/** Where the cluster's state stands in etcd. */
export const PREFIX = '/clusteros/v1/';

export const KEYS = {
  node: (id: string) => `${PREFIX}nodes/${id}`,
  address: (ip: string) => `${PREFIX}addresses/${ip}`,
  name: (name: string) => `${PREFIX}names/${name}`,
  role: (role: string) => `${PREFIX}roles/${role}`,
  /** Where an operator wants the role. */
  move: (role: string) => `${PREFIX}moves/${role}`,
  token: (id: string) => `${PREFIX}tokens/${id}`,
  /** Bound to a lease: the token is good as long as it is there. */
  tokenLife: (id: string) => `${PREFIX}token-lives/${id}`,
  tokenUse: (id: string, node: string) => `${PREFIX}token-uses/${id}/${node}`,
  evicted: (id: string) => `${PREFIX}evicted/${id}`,
  /** The step that the cluster agreed on. */
  agreedTimers: `${PREFIX}timers/agreed`,
  /** Node id of the voter that may restart its etcd for it. */
  timersTurn: `${PREFIX}timers/turn`,
  /** What a node needs and runs. */
  timersOf: (id: string) => `${PREFIX}timers/nodes/${id}`,
  /** An eviction was taken over into this cluster from the one that it was recovered from. */
  carried: (id: string) => `${PREFIX}carried/${id}`,
  /** What an operator changed of a node's labels. */
  labels: (id: string) => `${PREFIX}labels/${id}`,
  leaving: (id: string) => `${PREFIX}leaving/${id}`,
} as const;
