import type { Controller, FoundCondition } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import { clock, programs } from '../host.ts';
import { conditionOf } from '../status.ts';
import { renderFirewall, TABLE } from './firewall.ts';

const VERIFY_MS = 30_000;
const AGAIN_MS = 10_000;
/** The first use loads modules of the kernel, which an emulated machine that has just started does slowly. */
const NFT_MS = 30_000;

/** Keeps our table as it shall be, whoever changes it; takes it away when the setting says so. */
export function firewallController(): Controller {
  let loaded: { readonly text: string; readonly shown: string } | undefined;
  let verifiedMs = Number.NEGATIVE_INFINITY;
  return {
    name: 'firewall',
    inputs: ['facts'],
    outputs: [],
    async reconcile(view, signal) {
      const facts = view.get('facts');
      const settings = facts?.settings.settings;
      if (settings === undefined || !Buffer.isBuffer(facts?.key)) return {};
      try {
        const text = settings.firewall.enabled ? renderFirewall(settings) : undefined;
        const now = clock.monotonicMs();
        const due = now - verifiedMs >= VERIFY_MS;
        if (loaded?.text === text && !due) return { againMs: verifiedMs + VERIFY_MS - now };
        const shown = await show(signal);
        if (text === undefined) {
          if (shown !== undefined) await removeFirewall(signal);
          loaded = undefined;
        } else if (loaded?.text !== text || shown === undefined || loaded.shown !== shown) {
          loaded = undefined;
          await nft(['-f', '-'], text, signal);
          loaded = { text, shown: (await show(signal)) ?? '' };
        }
        verifiedMs = now;
        return { againMs: VERIFY_MS };
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        if (programs.isMissing(error) && !settings.firewall.enabled) return {};
        return { conditions: [firewallCondition(error)], againMs: AGAIN_MS };
      }
    },
  };
}

/** Take our table away; none is fine. @throws AgentError */
export async function removeFirewall(signal?: AbortSignal): Promise<void> {
  try {
    await nft(['-f', '-'], `add table ${TABLE}\ndelete table ${TABLE}\n`, signal);
  } catch (error) {
    // Without nft there has never been a table of ours.
    if (!programs.isMissing(error)) throw error;
  }
}

/** The table as nft prints it without counters, or undefined when there is none. */
async function show(signal?: AbortSignal): Promise<string | undefined> {
  const { code, stdout, stderr } = await programs.run(['nft', '-s', 'list', 'table', ...TABLE.split(' ')], {
    signal,
    timeoutMs: NFT_MS,
  });
  if (code === 0) return stdout;
  if (/No such file or directory/.test(stderr)) return undefined;
  throw refused(stderr);
}

async function nft(words: readonly string[], input: string, signal?: AbortSignal): Promise<void> {
  const { code, stderr } = await programs.run(['nft', ...words], { input, signal, timeoutMs: NFT_MS });
  if (code !== 0) throw refused(stderr);
}

function refused(stderr: string): AgentError {
  const permission = /Operation not permitted|must be root/i.test(stderr);
  return new AgentError({
    code: permission ? 'firewall.permission' : 'firewall.refused',
    exit: 'internal',
    message: permission ? 'the agent may not set the firewall' : 'nftables refused the rules of the firewall',
    evidence: stderr.trim().split('\n').slice(0, 5).join('\n'),
    fix: permission
      ? 'run it as root, or with CAP_NET_ADMIN'
      : 'see whether the kernel has nf_tables (nft list ruleset), or set firewall.enabled to false',
  });
}

function firewallCondition(error: AgentError): FoundCondition {
  if (programs.isMissing(error)) {
    return {
      code: 'firewall.missing',
      state: 'failed',
      summary: 'nft is not installed: every port of this node is open to the LAN',
      endedBy: 'apt-get install nftables, or set firewall.enabled to false',
    };
  }
  return conditionOf(error);
}
