/** A partition between containers, as nftables rules in each of them. Pure. */

/**
 * One transaction for `nft -f -` that replaces all rules of a scenario. They come before those of the agent, which
 * has a table of its own; ARP passes, IP in all its forms does not.
 *
 * @param unheard IPv4 addresses that this machine neither hears nor reaches
 */
export function rulesAgainst(unheard: readonly string[]): string {
  const chain = (hook: string, field: string) => [
    `  chain ${hook} {`,
    `    type filter hook ${hook} priority -400; policy accept;`,
    `    ip ${field} { ${unheard.join(', ')} } drop`,
    '  }',
  ];
  return [
    // Deleting a table that is not there fails; declaring it first makes sure that it is.
    'table inet scenario',
    'delete table inet scenario',
    ...(unheard.length === 0
      ? []
      : ['table inet scenario {', ...chain('input', 'saddr'), ...chain('output', 'daddr'), '}']),
    '',
  ].join('\n');
}
