import type { ConsoleText } from './console.ts';

/**
 * What an operator sees of a boot: in this order, each told once, some perhaps never seen. Each is named by what was
 * seen and not by what it lets us guess: a kernel that starts with `quiet`, as ours does, says nothing of itself, and
 * the first time stamp on the console may be half a minute old, or another program's.
 */
const MILESTONES: readonly { readonly text: string; readonly pattern: RegExp }[] = [
  { text: 'firmware started', pattern: /SeaBIOS|BdsDxe|UEFI/ },
  { text: 'boot loader started', pattern: /GRUB/ },
  { text: 'boot loader loads the kernel', pattern: /Booting `/ },
  { text: 'kernel started', pattern: /Linux version |\[ +0\.\d+\] / },
  { text: 'systemd starts services', pattern: /systemd\[1\]:|Welcome to |^ +Starting |^\[ +OK +\] /m },
  { text: 'login prompt', pattern: / login: / },
];

/** Follows a console: each call says which milestones have been passed since the last. */
export function createMilestones(): (console: Pick<ConsoleText, 'text'>) => string[] {
  let next = 0;
  return ({ text }) => {
    const passed: string[] = [];
    for (let index = next; index < MILESTONES.length; index++) {
      const milestone = MILESTONES[index];
      if (milestone === undefined || !milestone.pattern.test(text)) continue;
      passed.push(milestone.text);
      next = index + 1;
    }
    return passed;
  };
}
