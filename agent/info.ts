import type { Settings } from './config/settings.ts';
import { processes } from './host.ts';
import { type Identity, publicPart } from './identity/identity.ts';
import type { Paths } from './paths.ts';
import { VERSION } from './version.ts';

/** The document of GET /v1/info: what the node is, as opposed to how it is. Holds no secret. */
export interface Info {
  readonly version: string;
  readonly node: string;
  readonly arch: string;
  readonly name: string;
  readonly identity: ReturnType<typeof publicPart> | undefined;
  readonly settings: Settings | undefined;
  readonly paths: Paths;
}

export function infoOf(
  name: string,
  identity: Identity | undefined,
  settings: Settings | undefined,
  paths: Paths,
): Info {
  const { node, arch } = processes.self();
  return {
    version: VERSION,
    node,
    arch,
    name,
    identity: identity && publicPart(identity),
    settings,
    paths,
  };
}
