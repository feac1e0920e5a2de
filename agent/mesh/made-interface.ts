/**
 * Which interface an agent made since this machine started: kept in the run folder, which goes with a reboot, as the
 * interface does. Whoever removes the mesh asks here and not the settings, which may have changed or gone since.
 */
import * as path from 'node:path';
import { files } from '../host.ts';

interface MadeInterface {
  /** Its name; undefined when none was made. */
  read(): Promise<string | undefined>;
  write(name: string): Promise<void>;
  remove(): Promise<void>;
}

const NAME = /^[a-z][a-z0-9-]{0,14}$/;

export function madeInterface(run: string): MadeInterface {
  const file = path.join(run, 'mesh-interface');
  return {
    async read() {
      const text = (await files.readLimited(file, 64))?.bytes.toString('utf8').trim();
      return text !== undefined && NAME.test(text) ? text : undefined;
    },
    write: (name) => files.writeVolatile(file, `${name}\n`, 0o644),
    remove: () => files.remove(file),
  };
}
