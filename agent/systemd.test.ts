import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { createLog } from './log.ts';
import { isSane, serviceManager, watchdogInterval } from './systemd.ts';

test('the watchdog is told twice in its time, and only when it watches us', () => {
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '60000000' }, 7), 30_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, 7), 30_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' }, 7), undefined);
  for (const usec of [undefined, '', '0', '-1', 'x'])
    assert.equal(watchdogInterval({ WATCHDOG_USEC: usec }, 7), undefined);
});

test('a loop that has not come round for long is not sane', () => {
  assert.ok(isSane(1_000, 180_000));
  assert.ok(!isSane(1_000, 181_000));
});

test('systemd gets each message whole and in order, by a path or an abstract name', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'cos-notify-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const socket of [path.join(folder, 'notify'), `@cos-notify-${process.pid}`]) {
    const heard = await listener(t, socket);
    const environment = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '60000000' };
    const manager = serviceManager(environment);
    assert.equal(await manager.notify('READY=1', 'STATUS=a\nb'), undefined);
    await manager.setWatchdog(6_000);
    await manager.setWatchdog(undefined);
    assert.deepEqual(await heard(3), [
      'READY=1\nSTATUS=a b',
      'WATCHDOG_USEC=6000000',
      'WATCHDOG_USEC=60000000',
    ]);
  }
});

test('a service manager that is gone is told as such, without an exception', async () => {
  const manager = serviceManager({ NOTIFY_SOCKET: '/nonexistent/notify' });
  assert.match((await manager.notify('READY=1')) ?? '', /nobody takes messages/);
  assert.match((await serviceManager({ NOTIFY_SOCKET: 'x' }).notify('a')) ?? '', /nobody/);
});

/** Node has no datagram sockets of AF_UNIX: Python listens. */
async function listener(t: TestContext, socket: string): Promise<(count: number) => Promise<string[]>> {
  const program = [
    'import json, socket, sys',
    'listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
    "listening.bind(sys.argv[1].replace('@', chr(0), 1))",
    'print(json.dumps("ready"), flush=True)',
    'while True: print(json.dumps(listening.recv(4096).decode()), flush=True)',
  ].join('\n');
  const child = spawn('python3', ['-c', program, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? 'null') as string;
  assert.equal(await next(), 'ready');
  return async (count) => {
    const all: string[] = [];
    while (all.length < count) all.push(await next());
    return all;
  };
}

test('without NOTIFY_SOCKET nothing is run', async () => {
  assert.equal(await serviceManager({ PATH: '' }).notify('READY=1'), undefined);
});

test('an event is one line with its priority, whatever it holds', () => {
  const lines: string[] = [];
  const log = createLog({ write: (line) => lines.push(line) });
  log.warning('odd\nname', { reason: 'a\r\n<0>b', port: 3, none: undefined });
  log.debug('hidden');
  log.setLevel('debug');
  log.debug('shown');
  assert.deepEqual(lines, ['<4>odd | name reason="a\\r\\n<0>b" port=3\n', '<7>shown\n']);
});
