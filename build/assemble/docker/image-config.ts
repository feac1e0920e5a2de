/** What an engine must know to run the image. Source: OCI image specification, config.md. Pure. */
import { CONTAINER_INIT } from '../../../image-layers/container.ts';
import type { Plan } from '../../definition/plan.ts';

interface ConfigInput {
  readonly plan: Plan;
  /** SHA-256 of the layer's tar, uncompressed. */
  readonly layer: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly version: string;
}

/** Where a node keeps what must outlive its container. */
const STATE_FOLDER = '/var/lib/clusteros';

export function configText({ plan, layer, epoch, version }: ConfigInput): string {
  const created = new Date(epoch * 1000).toISOString();
  const config = {
    architecture: plan.arch,
    os: 'linux',
    created,
    config: {
      // systemd looks at it to know that it is in a container, whatever the engine.
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'container=docker'],
      Entrypoint: [CONTAINER_INIT],
      Cmd: ['/sbin/init'],
      // systemd(1): an orderly end.
      StopSignal: 'SIGRTMIN+3',
      Volumes: { [STATE_FOLDER]: {} },
      Labels: {
        'org.opencontainers.image.title': `Cluster-OS (${plan.base.name})`,
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.created': created,
      },
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    history: [{ created, created_by: 'clusteros-build image --target=docker' }],
  };
  return JSON.stringify(config);
}

/** The names under which engines know the image: by version, and by what it is built on. */
export function tagsOf(plan: Plan, version: string): string[] {
  return [`clusteros:${version}`, `${plan.name}:${plan.base.name}`];
}
