/**
 * Whether this user may build here: root needs mounts in namespaces of its own, an ordinary user a user namespace with
 * subordinate ids. Neither is a matter of course in a container.
 */
import { OperatorError } from '../errors.ts';
import { ENDS_WITH_US, IN_OWN_NAMESPACES, tryRun } from '../host.ts';

const LIMIT_MS = 30_000;

/**
 * Try what a build will do, in a moment and without a trace.
 *
 * @returns what is in the way
 * @throws OperatorError `program.missing`, `interrupted`
 */
export async function probeNamespaces(signal?: AbortSignal): Promise<OperatorError | undefined> {
  const uid = process.getuid?.() ?? 0;
  const options = { signal, timeoutMs: LIMIT_MS };
  if (uid === 0) {
    const mount = ['mount', '-t', 'tmpfs', 'clusteros', '/tmp'];
    const { exitCode, stderr } = await tryRun([...ENDS_WITH_US, ...IN_OWN_NAMESPACES, ...mount], options);
    return exitCode === 0 ? undefined : refusedToRoot(stderr);
  }
  const { exitCode, stderr } = await tryRun(['mmdebstrap', '--unshare-helper', 'true'], options);
  if (exitCode === 0) return undefined;
  const name = (await tryRun(['id', '-un'], options)).stdout.trim();
  return refusedToUser(stderr, name || String(uid));
}

/** @throws OperatorError `namespaces.root`, `namespaces.subuid`, `namespaces.uidmap`, `namespaces.user` */
export async function requireNamespaces(signal?: AbortSignal): Promise<void> {
  const refusal = await probeNamespaces(signal);
  if (refusal !== undefined) throw refusal;
}

/** Pure. @param said by unshare(1) or mount(8) */
export function refusedToRoot(said: string): OperatorError {
  return new OperatorError({
    code: 'namespaces.root',
    exit: 'missing',
    message: 'root may not mount anything here: this is a container without CAP_SYS_ADMIN',
    evidence: said.trim(),
    fix: 'start the container with: docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined (a CI job: privileged), or build outside of it',
  });
}

/** Pure. @param said by mmdebstrap */
export function refusedToUser(said: string, user: string): OperatorError {
  const evidence = said.trim();
  if (/newuidmap|newgidmap/.test(said) && /cannot find|not found/.test(said)) {
    return new OperatorError({
      code: 'namespaces.uidmap',
      exit: 'missing',
      message: 'an ordinary user needs the programs newuidmap and newgidmap to build',
      evidence,
      fix: 'sudo apt-get install uidmap, or build as root',
    });
  }
  if (/sub[ug]id/.test(said)) {
    return new OperatorError({
      code: 'namespaces.subuid',
      exit: 'missing',
      message: `the user ${user} has no subordinate ids, and building without root needs them`,
      evidence,
      fix: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user} (a range that nobody else has in /etc/subuid), or build as root`,
    });
  }
  return new OperatorError({
    code: 'namespaces.user',
    exit: 'missing',
    message:
      'this machine does not let an ordinary user make a user namespace, and building without root needs one',
    evidence,
    fix: 'build as root, or allow it: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), kernel.unprivileged_userns_clone=1 (Debian); in a container, --security-opt seccomp=unconfined',
  });
}
