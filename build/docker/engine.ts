/** A thin speaker to the docker command line: argument arrays, and errors in the operator's words. */
import { OperatorError } from '../errors.ts';
import { pasteable, type RunOptions, type RunResult, run, tryRun, which } from '../host.ts';

/** Variables of the operator's that say which engine to speak to. */
const PASSED_ON = [
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'DOCKER_TLS_VERIFY',
  'DOCKER_CERT_PATH',
  'XDG_RUNTIME_DIR',
] as const;

const ANSWER_LIMIT_MS = 20_000;

export interface Engine {
  /** A command that must succeed. @throws OperatorError `docker.*`, `command.failed` */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** A command whose failure is a result. */
  try(args: readonly string[], options?: RunOptions): Promise<RunResult>;
}

/**
 * The engine, when one answers.
 *
 * @param podman `allowed` for what podman does as Docker does: to find and remove things by their labels
 * @throws OperatorError `docker.absent`, `docker.not-running`, `docker.permission`, `docker.podman`
 */
export async function findEngine(
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
  podman: 'allowed' | 'refused' = 'refused',
): Promise<Engine> {
  if ((await which('docker')) === undefined) {
    throw new OperatorError({
      code: 'docker.absent',
      exit: 'missing',
      message: 'Docker is not installed on this machine',
      fix: 'install it: sudo apt-get install docker.io (or see docs.docker.com/engine/install)',
    });
  }
  const env = Object.fromEntries(
    PASSED_ON.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
  const probe = ['docker', 'version', '--format', '{{json .Server}}'];
  const answer = await tryRun(probe, { env, signal, timeoutMs: ANSWER_LIMIT_MS });
  if (answer.exitCode !== 0) throw unreachable(`${answer.stdout}${answer.stderr}`, probe);
  if (podman === 'refused') {
    const client = await tryRun(['docker', '--version'], { env, signal, timeoutMs: ANSWER_LIMIT_MS });
    if (isPodman(client.stdout, answer.stdout)) throw podmanRefused(client.stdout.trim());
  }
  return {
    async run(args, options = {}) {
      try {
        return await run(['docker', ...args], { env, signal, ...options });
      } catch (error) {
        throw explain(error);
      }
    },
    try: (args, options = {}) => tryRun(['docker', ...args], { env, signal, ...options }),
  };
}

/**
 * Whether podman stands behind the name docker (the package podman-docker), or behind Docker's own client. Pure.
 *
 * @param client `docker --version`: podman version 4.3.1
 * @param server what `docker version` knows of the server, as JSON: Docker's client lists its components
 */
export function isPodman(client: string, server: string): boolean {
  return /^podman\b/i.test(client.trim()) || /"Name":\s*"Podman Engine"/i.test(server);
}

function podmanRefused(evidence: string): OperatorError {
  return new OperatorError({
    code: 'docker.podman',
    exit: 'missing',
    message: 'this is podman, and a quick cluster needs Docker',
    evidence,
    fix: 'install Docker (sudo apt-get install docker.io, in place of podman-docker), or let DOCKER_HOST name a Docker engine; for nodes without Docker: npx clusteros-build boot --nodes 3',
  });
}

function unreachable(said: string, argv: readonly string[]): OperatorError {
  const evidence = `$ ${pasteable(argv)}\n${said.trim()}`;
  if (/permission denied/i.test(said)) {
    return new OperatorError({
      code: 'docker.permission',
      exit: 'missing',
      message: 'you may not speak to the Docker engine',
      evidence,
      fix: 'run the command with sudo, or join the group (it is as good as root): sudo usermod -aG docker $USER, and log in again',
    });
  }
  return new OperatorError({
    code: 'docker.not-running',
    exit: 'missing',
    message: 'the Docker engine does not answer',
    evidence,
    fix: 'start it: sudo systemctl start docker (without systemd: sudo dockerd &)',
  });
}

/** Failures that have a remedy, by docker's own words. */
const KNOWN: readonly { said: RegExp; code: string; message: string; fix: string }[] = [
  {
    said: /Pool overlaps|invalid pool request|conflicts with network/i,
    code: 'docker.subnet',
    message: 'the range of the quick cluster is in use on this machine',
    fix: 'choose another with --subnet, such as 10.91.0.0/16, or remove the other network (docker network ls)',
  },
  {
    said: /The container name .* is already in use/i,
    code: 'docker.name-in-use',
    message: 'a container of that name exists, and is none of this cluster',
    fix: 'remove it (docker rm), or give this cluster another name with --name',
  },
  {
    said: /\/dev\/net\/tun.*no such file|error gathering device information/i,
    code: 'docker.device',
    message: 'this machine lacks a device that the nodes need',
    fix: 'load the module of /dev/net/tun: sudo modprobe tun',
  },
  {
    said: /Address already in use/i,
    code: 'docker.address',
    message: 'an address of the quick cluster is taken by another container',
    fix: 'remove the other container from the network, or choose another range with --subnet',
  },
];

function explain(error: unknown): unknown {
  if (!(error instanceof OperatorError) || error.code !== 'command.failed') return error;
  const known = KNOWN.find(({ said }) => said.test(error.evidence ?? ''));
  if (known === undefined) return error;
  const { code, message, fix } = known;
  return new OperatorError({ code, exit: 'command', message, evidence: error.evidence, fix, cause: error });
}
