import assert from 'node:assert/strict';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createEtcdClient } from './client.ts';
import type { WatchNews } from './types.ts';

/**
 * A member whose first watch never brings anything, though its store has a newer change: as after a connection
 * that was lost on the way, or a bug of the gateway.
 */
test('a watch that is quiet while there is news is begun again', { timeout: 300_000 }, async (t) => {
  const key = Buffer.from('k').toString('base64');
  const header = { cluster_id: '1', member_id: '1', revision: '5' };
  const kv = { key, value: Buffer.from('new').toString('base64'), mod_revision: '7', create_revision: '7' };
  let watches = 0;
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      if (request.url === '/v3/kv/range') {
        const newest = body.includes('DESCEND') ? [kv] : [];
        response.end(JSON.stringify({ header, kvs: newest }));
        return;
      }
      watches += 1;
      response.write(`${JSON.stringify({ result: { header, created: true } })}\n`);
      if (watches > 1) response.write(`${JSON.stringify({ result: { header, events: [{ kv }] } })}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createEtcdClient({ endpoints: () => [endpoint], tls: () => undefined });
  t.after(() => client.close());
  const stop = new AbortController();
  const news: WatchNews[] = [];
  for await (const one of client.watch('k', {}, stop.signal)) {
    news.push(one);
    if (one.kind === 'events') stop.abort();
  }
  assert.deepEqual(
    news.map(({ kind, revision }) => [kind, revision]),
    [
      ['reset', '5'],
      ['events', '7'],
    ],
  );
  assert.equal(watches, 2);
});
