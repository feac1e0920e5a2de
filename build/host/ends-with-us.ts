/** What stands before a command of which nothing may outlive us, however we end. */

/** setpriv(1): the kernel kills what follows when we are killed; it would go on for minutes otherwise. */
export const ENDS_WITH_US = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;

/** unshare(1), for root: when it ends, the kernel takes the mounts and processes of what follows away. */
export const IN_OWN_NAMESPACES = [
  'unshare',
  ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  '--',
] as const;
