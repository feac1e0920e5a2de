/** Which proxy leads to an address: apt's settings first, then the environment, as apt itself decides. Pure. */
import { BlockList, isIP } from 'node:net';
import { OperatorError } from '../errors.ts';

export interface ChosenProxy {
  /** With the credentials, where there are some: for programs, never for a person. */
  readonly url: URL;
  /** The setting that named it. */
  readonly setBy: string;
}

export interface ProxySettings {
  /** Of `apt-config dump`: names in lower case, and values. */
  readonly apt: ReadonlyMap<string, string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** @throws OperatorError `proxy.invalid` */
export function chooseProxy(url: URL, settings: ProxySettings): ChosenProxy | undefined {
  const [setBy, value] = named(url, settings) ?? [];
  if (setBy === undefined || value === undefined || value === 'DIRECT') return undefined;
  const exceptions = variable(settings, 'no_proxy')?.[1] ?? '';
  return isExcepted(url, exceptions) ? undefined : { url: parse(value, setBy), setBy };
}

/** An address for people: without the name and password in it. */
export function withoutSecret(url: URL): string {
  const shown = new URL(url);
  const hasSecret = shown.username !== '' || shown.password !== '';
  shown.username = shown.password = '';
  return hasSecret ? shown.href.replace('//', '//***@') : shown.href;
}

/** The variables by which apt, and what maintainer scripts start, reach all of these addresses. */
export function environmentFor(urls: readonly URL[], settings: ProxySettings): Record<string, string> {
  const environment: Record<string, string> = {};
  const direct = new Set<string>();
  for (const url of urls) {
    const proxy = chooseProxy(url, settings);
    if (proxy === undefined) {
      direct.add(url.hostname);
      continue;
    }
    const name = nameFor(url);
    if ((environment[name] ?? hrefOf(proxy)) !== hrefOf(proxy)) throw several(proxy);
    environment[name] = hrefOf(proxy);
  }
  // Where mirrors redirect to.
  for (const url of ['http://elsewhere.invalid', 'https://elsewhere.invalid'].map((each) => new URL(each))) {
    const proxy = chooseProxy(url, settings);
    if (proxy !== undefined) environment[nameFor(url)] ??= hrefOf(proxy);
  }
  if (Object.keys(environment).length === 0) return {};
  const exceptions = [...direct, variable(settings, 'no_proxy')?.[1] ?? ''].filter((word) => word !== '');
  return exceptions.length === 0 ? environment : { ...environment, no_proxy: exceptions.join(',') };
}

/** Read the lines of `apt-config dump`, such as `Acquire::http::Proxy::mirror.example "DIRECT";`. */
export function parseAptConfig(text: string): Map<string, string> {
  const lines = text.matchAll(/^([^\s"]+) "(.*)";$/gm);
  return new Map([...lines].map(([, name = '', value = '']) => [name.toLowerCase(), value]));
}

/** Whether apt asks a program for the proxy, unless one is set for the very host. */
export function isDetected(url: URL, { apt }: ProxySettings): boolean {
  const detect = ['http::proxy-auto-detect', 'http::proxyautodetect', 'https::proxy-auto-detect'];
  const isSet = (name: string) => (apt.get(`acquire::${name}`) ?? '') !== '';
  return detect.some(isSet) && !kindsOf(url).some((kind) => isSet(`${kind}::proxy::${url.hostname}`));
}

/** https falls back to what is set for http, as in apt. */
function kindsOf(url: URL): readonly string[] {
  return url.protocol === 'https:' ? ['https', 'http'] : ['http'];
}

function named(url: URL, settings: ProxySettings): readonly [setBy: string, value: string] | undefined {
  const kinds = kindsOf(url);
  for (const name of [...kinds.map((kind) => `${kind}::proxy::${url.hostname}`), ...kinds.map(proxyOf)]) {
    const value = settings.apt.get(`acquire::${name}`);
    if (value) return [`apt's setting Acquire::${name}`, value];
  }
  for (const name of [...kinds.map((kind) => `${kind}_proxy`), 'all_proxy']) {
    const found = variable(settings, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

const proxyOf = (kind: string) => `${kind}::proxy`;

/** In small letters or capitals; an empty one is none. */
function variable({ environment }: ProxySettings, name: string): readonly [string, string] | undefined {
  for (const each of [name, name.toUpperCase()]) {
    const value = environment[each]?.trim();
    if (value) return [each, value];
  }
  return undefined;
}

function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === '*') return true;
    if (entry.includes('/')) return inNetwork(host, entry);
    const [, name = '', only = ''] =
      /^\[?(.+?)\]?(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? [];
    const wanted = name.replace(/^\*?\./, '').toLowerCase();
    if (wanted === '' || (only !== '' && only !== port)) return false;
    return host === wanted || host.endsWith(`.${wanted}`);
  });
}

function inNetwork(host: string, network: string): boolean {
  const [address = '', bits = ''] = network.split('/');
  const family = isIP(address);
  const longest = family === 6 ? 128 : 32;
  if (family === 0 || isIP(host) !== family || !/^\d+$/.test(bits) || Number(bits) > longest) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  return list.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

const nameFor = (url: URL) => `${url.protocol.slice(0, -1)}_proxy`;

const SCHEMES = ['http:', 'https:', 'socks5h:', 'socks5:', 'socks:'];

function parse(value: string, setBy: string): ChosenProxy['url'] {
  const url = URL.parse(value.includes('://') ? value : `http://${value}`);
  const isWhole = url !== null && SCHEMES.includes(url.protocol) && url.hostname !== '';
  // A lone % stays in what URL makes of it, and has no meaning in it.
  if (isWhole && !/%(?![0-9a-f]{2})/i.test(`${url.username}${url.password}`)) return url;
  throw new OperatorError({
    code: 'proxy.invalid',
    // Not shown: it may hold a password.
    message: `${setBy} does not hold the address of a proxy`,
    fix: 'write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; characters such as @ and % in a password as %40 and %25',
  });
}

/** apt knows SOCKS by this name alone. */
function hrefOf({ url }: ChosenProxy): string {
  return url.href.replace(/^socks5?:/, 'socks5h:');
}

function several({ setBy }: ChosenProxy): OperatorError {
  return new OperatorError({
    code: 'proxy.several',
    message: 'the mirrors of this build need different proxies',
    evidence: `one of them is set by ${setBy}`,
    fix: 'use mirrors behind one proxy: --mirror URL, or base.mirror and base.security_mirror in the definition',
  });
}
