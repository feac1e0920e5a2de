import type { FoundCondition } from '../engine/controller.ts';
import type { UnitState } from '../engine/units.ts';
import type { AgentError } from '../errors.ts';
import { endingOf } from './log-lines.ts';

/** Serf is not installed. */
export function missing(error: AgentError): FoundCondition {
  return {
    code: 'gossip.missing',
    state: 'failed',
    summary: `Serf cannot run: ${error.message}`,
    endedBy: 'apt-get install serf',
  };
}

/** Another program has one of Serf's ports. */
export function portBusy(which: 'port' | 'rpc', port: number, evidence?: string): FoundCondition {
  const setting = which === 'rpc' ? 'gossip.rpc_port' : 'gossip.port';
  return {
    code: which === 'rpc' ? 'gossip.rpc-busy' : 'gossip.port-busy',
    state: 'failed',
    summary: `another program uses port ${port}, which Serf needs (${setting})`,
    evidence,
    endedBy: `stop that program (ss -lunt 'sport = :${port}' -p tells which), or set ${setting} in node.yaml${
      which === 'port' ? ' of all nodes' : ''
    }`,
  };
}

export function crashing(unit: UnitState, failures: number, pauseMs: number): FoundCondition {
  const { code, signal } = unit.exit ?? {};
  const how = code !== undefined ? `with code ${code}` : signal !== undefined ? `by ${signal}` : '';
  return {
    code: 'gossip.crashing',
    state: 'failed',
    summary: `Serf has ended ${how}`.trimEnd() + (failures > 1 ? `, ${failures} times by now` : ''),
    evidence: unit.lastLines.slice(-8).join('\n') || undefined,
    endedBy: `it is started again within ${Math.max(1, Math.round(pauseMs / 1000))} s; journalctl -u clusteros-serf tells more`,
  };
}

/** What a Serf that has ended said of the reason. */
export function endedCondition(
  unit: UnitState,
  ports: { readonly gossip: number; readonly rpc: number },
  failures: number,
  pauseMs: number,
): FoundCondition {
  const evidence = unit.lastLines.at(-1);
  const ending = endingOf(unit.lastLines);
  if (ending === 'port-busy') return portBusy('port', ports.gossip, evidence);
  if (ending === 'rpc-busy') return portBusy('rpc', ports.rpc, evidence);
  return crashing(unit, failures, pauseMs);
}

/** @param patienceMs when it is started again */
export function deaf(silentMs: number, patienceMs: number): FoundCondition {
  return {
    code: 'gossip.deaf',
    state: 'failed',
    summary: `Serf runs, but has not answered for ${Math.round(silentMs / 1000)} s`,
    endedBy: `it is started again by itself after ${patienceMs / 1000} s`,
  };
}

export function noAddress(claimed: Readonly<Record<string, string>>): FoundCondition {
  const claims = Object.entries(claimed).map(([address, id]) => `${address} is also claimed by node ${id}`);
  return claims.length === 0
    ? {
        code: 'gossip.no-address',
        state: 'waiting',
        summary: 'waiting for an address on a LAN',
        endedBy: 'connect a network cable, or see why there is no DHCP answer (ip address; networkctl)',
      }
    : {
        code: 'gossip.address-conflict',
        state: 'waiting',
        summary: 'waiting for a LAN address that no other node has',
        evidence: claims.join('\n'),
        endedBy: 'connect the nodes by a network on which each has an address of its own',
      };
}
