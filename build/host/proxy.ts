/** The proxies of this machine: what apt and the environment say. */
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { OperatorError } from '../errors.ts';
import { tryRun } from './process.ts';
import {
  type ChosenProxy,
  chooseProxy,
  environmentFor,
  isDetected,
  type ProxySettings,
  parseAptConfig,
} from './proxy-choice.ts';

const LIMIT_MS = 10_000;
const HELPER = '/usr/lib/apt/apt-helper';

/** @throws OperatorError `proxy.invalid` */
export async function proxyTo(url: URL): Promise<ChosenProxy | undefined> {
  return chooseProxy(url, await settingsFor([url]));
}

/**
 * The variables for a program that has to reach these addresses; none where no proxy is needed.
 *
 * @throws OperatorError `proxy.invalid`, `proxy.several`
 */
export async function proxyEnvironment(addresses: readonly string[]): Promise<Record<string, string>> {
  const urls = addresses.map((address) => new URL(address));
  return environmentFor(urls, await settingsFor(urls));
}

/** What sends a request through a proxy; close it when the answer is read. */
export function dispatcherFor(proxy: ChosenProxy | undefined): Dispatcher {
  if (proxy === undefined) return new Agent();
  const { href, username, password } = proxy.url;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return new ProxyAgent({
    uri: href.replace(/^socks5h:/, 'socks5:'),
    // Plain HTTP is asked of the proxy itself: many let CONNECT reach no other port than 443.
    proxyTunnel: false,
    ...(username === '' ? {} : { token: `Basic ${Buffer.from(credentials).toString('base64')}` }),
  });
}

/** Read once: it does not change while a command runs. */
let aptConfig: Promise<string> | undefined;

async function settingsFor(urls: readonly URL[]): Promise<ProxySettings> {
  aptConfig ??= said(['apt-config', 'dump']);
  const apt = parseAptConfig(await aptConfig);
  const settings = { apt, environment: process.env };
  const detected = urls.filter((url) => isDetected(url, settings));
  for (const url of detected) {
    const answer = /^Using proxy '([^']+)'/m.exec(await said([HELPER, 'auto-detect-proxy', url.href]))?.[1];
    if (answer !== undefined) apt.set(`acquire::http::proxy::${url.hostname}`, answer);
  }
  return settings;
}

/** Nothing, where there is no apt. */
async function said(argv: readonly string[]): Promise<string> {
  try {
    return (await tryRun(argv, { timeoutMs: LIMIT_MS })).stdout;
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'program.missing') return '';
    throw error;
  }
}
