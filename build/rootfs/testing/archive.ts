/** A package archive on the loopback, and a plan that asks it. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { makePlan } from '../../definition/make-plan.ts';
import type { Plan } from '../../definition/plan.ts';
import { definitionSchema } from '../../definition/schema.ts';

export const RELEASE = 'Origin: Debian\nSuite: stable\nDate: Sat, 15 Nov 2025 10:00:00 UTC\n';

/** Serve until the test ends. @returns the base URL */
export async function serve(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`;
}

/** Debian 13 from another mirror. Nothing of this machine is in it. */
export function planOf(uri: string, more: Partial<Plan> = {}, input: object = {}): Plan {
  const host = { family: 'debian' as const, aptSources: [], sourceDateEpoch: undefined };
  const definition = {
    ...definitionSchema.parse({ name: 'test', base: 'debian-13', ...input }),
    files: [],
    origin: 'cluster.yaml',
  };
  const plan = makePlan(definition, host, { mirror: uri });
  return { ...plan, packages: ['dbus', 'openssh-server'], ...more };
}
