import { withPort } from './addresses.ts';
import { serfFiles } from './config.ts';

/**
 * What `SERF_RPC_ADDR` and `SERF_RPC_AUTH` tell Serf's own commands. The file is for root only. Pure.
 *
 * @param secret base64url, so it needs no quotes
 */
export function renderEnv(rpcPort: number, secret: string): string {
  return `export SERF_RPC_ADDR=${withPort('127.0.0.1', rpcPort)}\nexport SERF_RPC_AUTH=${secret}\n`;
}

/**
 * `/usr/local/bin/serf` of the image, 0755: `serf members` works for root, by sudo, and in `ssh node serf ...`,
 * none of which reads /etc/profile.d. Pure.
 */
export function renderSerfWrapper(run: string): string {
  const { env } = serfFiles({ run, state: '/' });
  return [
    '#!/bin/sh',
    "# Serf's commands for this node's own agent, whose address and secret only root may read.",
    `env=${env}`,
    'if [ -r "$env" ]; then . "$env"',
    `elif [ "$(id -u)" != 0 ]; then echo "serf: only root may ask this node's Serf; try: sudo serf $*" >&2; fi`,
    'exec /usr/bin/serf "$@"',
    '',
  ].join('\n');
}
