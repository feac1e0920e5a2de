import type { StatusDocument } from '../../../agent/api/view.ts';
import type { Machine } from '../machines.ts';

const LIMIT_MS = 60_000;

/**
 * Perl, as it is on every Debian and starts at once; `node-agent status` takes some seconds under emulation.
 * HTTP/1.0, so that the answer comes in one piece.
 */
const ASK = `
use Socket;
alarm $ARGV[1];
socket(my $agent, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!\\n";
connect($agent, pack_sockaddr_un($ARGV[0])) or die "the agent does not listen: $!\\n";
syswrite($agent, "GET /v1/status HTTP/1.0\\r\\nHost: agent\\r\\n\\r\\n");
local $/;
print <$agent>;
`;

/** Whatever runs programs where an agent is. */
export interface Askable extends Pick<Machine, 'must'> {
  readonly paths: Pick<Machine['paths'], 'run'>;
}

/** @throws Error when the agent does not answer with a status */
export async function askStatus(machine: Askable): Promise<StatusDocument> {
  const argv = ['perl', '-e', ASK, `${machine.paths.run}/agent.sock`, String(LIMIT_MS / 1000)];
  const answer = await machine.must(argv, { timeoutMs: 2 * LIMIT_MS });
  const end = answer.indexOf('\r\n\r\n');
  if (!/^HTTP\/1\.\d 200 /.test(answer) || end < 0) throw new Error(`no status: ${answer.slice(0, 200)}`);
  return JSON.parse(answer.slice(end)) as StatusDocument;
}
