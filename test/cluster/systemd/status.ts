import type { StatusDocument } from '../../../agent/api/view.ts';
import type { Machine } from '../machines.ts';

const LIMIT_MS = 60_000;
const RUN = '/run/clusteros';

/** Perl, as it is on every Debian and starts at once. HTTP/1.0, so that the answer comes in one piece. */
const ASK = `
use Socket;
alarm $ARGV[1];
socket(my $agent, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!\\n";
connect($agent, pack_sockaddr_un($ARGV[0])) or die "the agent does not listen: $!\\n";
syswrite($agent, "GET /v1/status HTTP/1.0\\r\\nHost: agent\\r\\n\\r\\n");
local $/;
print <$agent>;
`;

/** @throws Error when the agent does not answer with a status */
export async function askStatus(machine: Pick<Machine, 'must'>): Promise<StatusDocument> {
  const argv = ['perl', '-e', ASK, `${RUN}/agent.sock`, String(LIMIT_MS / 1000)];
  const answer = await machine.must(argv, { timeoutMs: 2 * LIMIT_MS });
  const end = answer.indexOf('\r\n\r\n');
  if (!/^HTTP\/1\.\d 200 /.test(answer) || end < 0) throw new Error(`no status: ${answer.slice(0, 200)}`);
  return JSON.parse(answer.slice(end)) as StatusDocument;
}

/** An agent that is busy writes its status late; one that has not for so long does not work. */
const STALE_S = 120;

/**
 * What the agent last wrote for `status` to fall back to, each pass anew: reading it starts no program on an emulated
 * machine.
 *
 * @throws Error when there is none, or it is old
 */
export async function readStatus({ readText }: Pick<Machine, 'readText'>): Promise<StatusDocument> {
  const { atMs, status } = JSON.parse(await readText(`${RUN}/status.json`));
  const ageS = Number((await readText('/proc/uptime')).split(' ')[0]) - atMs / 1000;
  if (ageS > STALE_S) throw new Error(`the agent last wrote its status ${ageS.toFixed(0)} s ago`);
  return status;
}
