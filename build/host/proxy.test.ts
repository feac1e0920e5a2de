import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { describeError, OperatorError } from '../errors.ts';
import { fetchSmall } from './network.ts';
import { chooseProxy, environmentFor, isDetected, parseAptConfig, withoutSecret } from './proxy-choice.ts';

const LIMIT = { timeoutMs: 20_000, bytes: 1000 };

function settings(environment: Record<string, string>, apt: string[] = []) {
  return { environment, apt: parseAptConfig(apt.map((line) => `Acquire::${line};\n`).join('')) };
}

const chosen = (url: string, ...given: Parameters<typeof settings>) =>
  chooseProxy(new URL(url), settings(...given))?.url.href;

test('the proxy is taken from the variables, in small letters or capitals, by the kind of address', () => {
  const both = { http_proxy: 'http://one:3128', HTTPS_PROXY: 'http://two:3128', HTTP_PROXY: 'http://no' };
  assert.equal(chosen('http://m.example/debian', both), 'http://one:3128/');
  assert.equal(chosen('https://m.example/debian', both), 'http://two:3128/');
  assert.equal(chosen('https://m.example/debian', { http_proxy: 'one:3128' }), 'http://one:3128/');
  assert.equal(chosen('http://m.example/', { ALL_PROXY: 'socks5h://s:1080' }), 'socks5h://s:1080');
  assert.equal(chosen('http://m.example/', { http_proxy: '', https_proxy: 'http://two' }), undefined);
});

test("apt's own settings come before the variables, the one of a host first, and DIRECT is no proxy", () => {
  const apt = [
    'http::Proxy "http://apt:8080"',
    'http::Proxy::near.example "DIRECT"',
    'https::Proxy "http://tls"',
  ];
  const environment = { http_proxy: 'http://env:3128' };
  assert.equal(chosen('http://m.example/', environment, apt), 'http://apt:8080/');
  assert.equal(chosen('http://near.example/', environment, apt), undefined);
  assert.equal(chosen('https://m.example/', environment, apt), 'http://tls/');
  assert.equal(chosen('http://m.example/', environment, ['http::Proxy ""']), 'http://env:3128/');
});

test('what no_proxy names is asked directly: names, domains, ports, networks and all', () => {
  const direct = (url: string, no_proxy: string) =>
    chosen(url, { http_proxy: 'http://p', no_proxy }) === undefined;
  for (const [url, list] of [
    ['http://m.example/', 'a.example, m.example'],
    ['http://deep.m.example/', '.m.example'],
    ['http://deep.m.example/', '*.m.example'],
    ['http://m.example:8080/', 'm.example:8080'],
    ['http://10.1.2.3/', '10.0.0.0/8'],
    ['http://[fd00::1]/', 'fd00::1'],
    ['http://[fd00::1]/', 'fd00::/8'],
    ['http://m.example/', '*'],
  ] as const)
    assert.ok(direct(url, list), `${url} ${list}`);
  for (const [url, list] of [
    ['http://m.example/', 'other.example'],
    ['http://notm.example/', 'm.example'],
    ['http://m.example/', 'm.example:8080'],
    ['http://11.1.2.3/', '10.0.0.0/8, 11.1.2.3/99, bad/8'],
  ] as const)
    assert.ok(!direct(url, list), `${url} ${list}`);
  assert.equal(chosen('http://m.example/', { http_proxy: 'http://p', NO_PROXY: 'm.example' }), undefined);
});

test('mmdebstrap is given the same decision as variables, and mirrors that are near as exceptions', () => {
  const urls = ['http://m.example/debian', 'http://near.example/debian'].map((url) => new URL(url));
  const apt = ['http::Proxy "http://u:p@apt:8080"', 'http::Proxy::near.example "DIRECT"'];
  assert.deepEqual(environmentFor(urls, settings({ no_proxy: '.corp' }, apt)), {
    http_proxy: 'http://u:p@apt:8080/',
    https_proxy: 'http://u:p@apt:8080/',
    no_proxy: 'near.example,.corp',
  });
  assert.deepEqual(environmentFor(urls, settings({})), {});
  const several = settings({}, [
    'http::Proxy "http://one"',
    'http::Proxy::near.example "http://u:secret@two"',
  ]);
  assert.throws(() => environmentFor(urls, several), { code: 'proxy.several' });
});

test('apt is asked for a proxy that a program finds, unless one is set for the very host', () => {
  const detect = 'http::Proxy-Auto-Detect "/usr/bin/auto-apt-proxy"';
  const isAsked = (...apt: string[]) => isDetected(new URL('http://m.example/'), settings({}, apt));
  assert.ok(isAsked(detect));
  assert.ok(isAsked(detect, 'http::Proxy "http://p"'));
  assert.ok(!isAsked(detect, 'http::Proxy::m.example "DIRECT"'));
  assert.ok(!isAsked('http::Proxy "http://p"'));
});

test('a proxy that is no address is refused without its text, which may hold a password', () => {
  for (const value of [
    'http://u:secret%pw@p:1',
    'ftp://u:secret@p',
    'http://u:secret@',
    'http://u:sec ret@p:x',
  ]) {
    assert.throws(
      () => chosen('http://m.example/', { http_proxy: value }),
      (error) =>
        error instanceof OperatorError &&
        error.code === 'proxy.invalid' &&
        !/sec/.test(describeError(error)) &&
        /http_proxy/.test(error.message),
    );
  }
  assert.equal(withoutSecret(new URL('http://u:p@h:1/x')), 'http://***@h:1/x');
});

async function listen(t: TestContext, answer: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function setEnvironment(t: TestContext, given: Record<string, string>): void {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'all_proxy'].flatMap((name) => [
    name,
    name.toUpperCase(),
  ]);
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  Object.assign(process.env, given);
  t.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}

test('a fetch asks the proxy for the whole address and gives it its name and password', async (t) => {
  const asked: string[] = [];
  const proxy = await listen(t, ({ url = '', headers }, response) => {
    asked.push(`${url} ${headers['proxy-authorization']}`);
    response.end('through the proxy');
  });
  setEnvironment(t, { http_proxy: proxy.url.replace('//', '//me:s%40fe@') });
  const body = await fetchSmall('http://mirror.corp.example/debian', LIMIT);
  assert.equal(body.toString(), 'through the proxy');
  const basic = Buffer.from('me:s@fe').toString('base64');
  assert.deepEqual(asked, [`http://mirror.corp.example/debian Basic ${basic}`]);
});

test('https goes through a tunnel of the proxy', async (t) => {
  const asked: string[] = [];
  const { server, url } = await listen(t, () => {});
  server.on('connect', ({ url: target = '' }, socket) => {
    asked.push(target);
    socket.end('HTTP/1.1 502 no\r\n\r\n');
  });
  setEnvironment(t, { https_proxy: url });
  await assert.rejects(fetchSmall('https://mirror.corp.example/debian', LIMIT), {
    code: 'network.unreachable',
    evidence: /502[\s\S]*asked through the proxy http:\/\/127/,
  });
  assert.deepEqual(asked, ['mirror.corp.example:443']);
});

test('a proxy that refuses the password, or is not there, is named without the password', async (t) => {
  const proxy = await listen(t, (_, response) => response.writeHead(407).end());
  const { server, url: tunnel } = await listen(t, () => {});
  server.on('connect', (_, socket) => socket.end('HTTP/1.1 407 no\r\n\r\n'));
  for (const [code, kind, url] of [
    ['proxy.credentials', 'http', proxy.url],
    ['proxy.credentials', 'https', tunnel],
    ['network.unreachable', 'http', 'http://127.0.0.1:9'],
  ] as const) {
    setEnvironment(t, { [`${kind}_proxy`]: url.replace('//', '//me:secret@') });
    await assert.rejects(fetchSmall(`${kind}://mirror.corp.example/debian`, LIMIT), (error) => {
      assert.ok(error instanceof OperatorError);
      assert.equal(error.code, code);
      assert.match(describeError(error), new RegExp(`\\*\\*\\*@127\\.0\\.0\\.1[\\s\\S]*${kind}_proxy`));
      assert.doesNotMatch(describeError(error), /secret/);
      return true;
    });
  }
});
