/** Service addresses: the kernel has them for a time, and takes them away by itself. */
import { programs } from '../host.ts';
import { interfaceError } from './interface.ts';

/** The kernel looks at the lifetimes of addresses up to a second late (inet_check_lifetime, net/ipv4/devinet.c). */
const KERNEL_LATE_MS = 1_000;

/**
 * Becomes `ip`. Somebody who counted the seconds, was suspended, and then started `ip` would give an address whose time
 * is over; so they are counted here, from the start of this very process: field 22 of /proc/self/stat, in hundredths of
 * a second since boot (proc(5)). Arguments: address, interface, the end in the same unit.
 */
const HOLD = `
address=$1 interface=$2 end=$3
read -r stat < /proc/self/stat
set -- \${stat##*) }
seconds=$(((end - \${20}) / 100))
[ "$seconds" -gt 0 ] || exit 0
exec ip address replace "$address" dev "$interface" valid_lft "$seconds" preferred_lft "$seconds"
`;

/**
 * Have the kernel keep an address (`IP/32`) until then (ms since boot), also one that is there. It keeps whole seconds:
 * the address is gone at that time, or up to two seconds earlier. Nothing happens when that time is over or too near.
 *
 * @throws AgentError `mesh.permission`, `mesh.interface`
 */
export async function hold(name: string, address: string, untilMs: number): Promise<void> {
  const end = Math.floor((untilMs - KERNEL_LATE_MS) / 10);
  const { code, stderr } = await programs.run(['sh', '-euc', HOLD, 'sh', address, name, `${end}`]);
  if (code !== 0) throw interfaceError(`the interface ${name} could not be given ${address}`, stderr);
}
