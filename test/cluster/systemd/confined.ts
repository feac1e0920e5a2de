/** What the units of our image can do from inside: attempts are made by a unit with the very confinement of each. */
import assert from 'node:assert/strict';
import type { Machine } from '../machines.ts';

const UNITS = ['serf', 'etcd', 'wireguard', 'role-page'] as const;
const PROBE = 'clusteros-probe.service';
const PROGRAM = '/usr/local/lib/clusteros-probe';
const ANSWERS = '/var/tmp/clusteros-probe.answers';
const OWNED = '/var/tmp/clusteros-owned';

/** Each is made with a shell; one that succeeds says its name. */
const ATTEMPTS: Readonly<Record<string, string>> = {
  'a unit by D-Bus': `systemd-run --quiet --wait touch ${OWNED}`,
  "a unit by systemd's own socket": 'SYSTEMCTL_FORCE_BUS=0 systemctl start systemd-tmpfiles-clean.service',
  'a unit by a call': `busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss systemd-tmpfiles-clean.service replace`,
  'the socket of D-Bus': connect('/run/dbus/system_bus_socket'),
  'the socket of systemd': connect('/run/systemd/private'),
  'the socket of the agent': connect('/run/clusteros/agent.sock'),
  'the cluster key': 'cat /var/lib/clusteros/cluster.key',
  'the passwords': 'cat /etc/shadow',
  'a file of the system': `touch /usr/local/lib/owned`,
  'another user': 'setpriv --reuid=0 --clear-groups true',
};

/** @throws AssertionError when any unit reaches systemd, the agent, the key, or more than it is */
export async function assertConfined(machine: Machine): Promise<void> {
  const lines = Object.entries(ATTEMPTS).map(
    ([name, attempt]) => `if timeout 20 ${attempt} >/dev/null 2>&1; then echo ${JSON.stringify(name)}; fi`,
  );
  const script = `#!/bin/sh\nid -u\nsed -n 's/^CapEff:\\t*//p' /proc/self/status\n${lines.join('\n')}\n`;
  await machine.writeFile(PROGRAM, script, 0o755);
  try {
    // The attempts themselves are good: root, outside of any unit of ours, succeeds in every one.
    const [, , ...open] = (await machine.must(['sh', PROGRAM], { timeoutMs: 240_000 })).trim().split('\n');
    const usual = Object.keys(ATTEMPTS).filter((name) => name !== "a unit by systemd's own socket");
    for (const name of usual) assert.ok(open.includes(name), `root itself fails: ${name}; ${open}`);
    await machine.must(['rm', '-f', OWNED, '/usr/local/lib/owned']);
    for (const unit of UNITS) {
      const [user = '', capabilities, ...reached] = await answersOf(machine, unit);
      assert.ok(Number(user) > 0, `${unit} runs as ${user}`);
      assert.equal(BigInt(`0x${capabilities}`), CAPABILITIES[unit], `${unit}: ${capabilities}`);
      assert.deepEqual(reached, [], `what ${unit} reaches`);
    }
    const owned = await machine.exec(['ls', OWNED]);
    assert.notEqual(owned.code, 0, 'a unit was started from inside');
  } finally {
    await machine.exec(['rm', '-f', PROGRAM, ANSWERS, OWNED, `/run/systemd/system/${PROBE}`]);
    await machine.exec(['systemctl', 'daemon-reload']);
  }
}

/** capability.h: CAP_NET_ADMIN is 12, CAP_NET_BIND_SERVICE 10. */
const CAPABILITIES = { serf: 0n, etcd: 0n, wireguard: 1n << 12n, 'role-page': 1n << 10n } as const;

async function answersOf(machine: Machine, unit: string): Promise<string[]> {
  const text = await machine.readText(`/etc/systemd/system/clusteros-${unit}.service`);
  const probe = text
    .replace(/^(ExecStart)=.*$/m, `$1=/bin/sh ${PROGRAM}`)
    .replaceAll(/^(Condition|EnvironmentFile|BindsTo|SuccessExitStatus).*\n/gm, '')
    // What a role is given is there only where the role has been held.
    .replaceAll(/^BindReadOnlyPaths=.*$/gm, (line) => line.replaceAll(/(?<=[= ])\//g, '-/'))
    .replace(
      '[Service]\n',
      `[Service]\nType=oneshot\nTimeoutStartSec=300\nStandardOutput=truncate:${ANSWERS}\n`,
    );
  await machine.writeFile(`/run/systemd/system/${PROBE}`, probe);
  await machine.must(['systemctl', 'daemon-reload'], { timeoutMs: 120_000 });
  const { code, stderr } = await machine.exec(['systemctl', 'start', PROBE], { timeoutMs: 360_000 });
  const journal = await machine.exec(['journalctl', '--unit', PROBE, '--lines=20', '--output=cat']);
  assert.equal(code, 0, `${unit}: ${stderr}\n${journal.stdout}`);
  return (await machine.readText(ANSWERS)).trim().split('\n');
}

function connect(socket: string): string {
  return `python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("${socket}")'`;
}
