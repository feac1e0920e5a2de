/**
 * What a serial console says, as text, and what in it is bad news. Pure: chunks in, lines and findings out.
 */

/** `fatal` ends every wait at once; a `warning` is for the report and for tests that want none. */
type Severity = 'fatal' | 'warning';

export interface Finding {
  readonly kind: string;
  readonly severity: Severity;
  /** The line that says it, without escapes. */
  readonly line: string;
}

interface Rule {
  readonly kind: string;
  readonly severity: Severity;
  readonly pattern: RegExp;
}

/** In order: the first that matches names the line. */
const RULES: readonly Rule[] = [
  {
    kind: 'soft lockup',
    severity: 'warning',
    pattern: /BUG: soft lockup|rcu.*detected stalls|hung_task|blocked for more than \d+ seconds/,
  },
  { kind: 'kernel panic', severity: 'fatal', pattern: /Kernel panic - not syncing/ },
  {
    kind: 'kernel oops',
    severity: 'fatal',
    pattern:
      /\bOops: |\bkernel BUG at |\bBUG: (?!soft lockup)|general protection fault|Unable to handle kernel/,
  },
  { kind: 'kernel warning', severity: 'warning', pattern: /\bWARNING: CPU: \d+|\bWARNING: .+\.c:\d+ at / },
  { kind: 'out of memory', severity: 'warning', pattern: /Out of memory: Killed process|invoked oom-killer/ },
  {
    kind: 'emergency mode',
    severity: 'fatal',
    pattern:
      /You are in (emergency|rescue) mode|Give root password for maintenance|Press Enter for (maintenance|system maintenance)|Cannot open access to console, the root account is locked/,
  },
  {
    kind: 'initramfs shell',
    severity: 'fatal',
    pattern: /\(initramfs\)|Gave up waiting for (root|suspend).*device|ALERT! .* does not exist/,
  },
  { kind: 'GRUB rescue', severity: 'fatal', pattern: /grub rescue>|^grub> / },
  {
    kind: 'GRUB error',
    severity: 'warning',
    pattern: /^error: (no such (device|partition)|unknown filesystem|(file|disk) .* not found)/,
  },
  {
    kind: 'Secure Boot violation',
    severity: 'fatal',
    pattern:
      /Secure Boot [Vv]iolation|bad shim signature|Verification failed: \(0x1A\)|: Security Violation|error: .*(has invalid signature|prohibited by secure boot policy)|BdsDxe: failed to (load|start) .*: Access Denied/,
  },
  {
    kind: 'nothing to boot',
    severity: 'fatal',
    pattern: /No bootable device|BdsDxe: No bootable option|Boot failed: not a bootable disk/,
  },
  { kind: 'failed unit', severity: 'warning', pattern: /^\[(FAILED|DEPEND)\]/ },
];

/** Findings are kept up to this many: a machine in a loop of oopses must not fill our memory. */
const MOST_FINDINGS = 200;
const MOST_TEXT = 4 * 1024 * 1024;
/** A prompt ends without a line feed, so the unfinished line is searched too, but not without end. */
const MOST_PARTIAL = 8 * 1024;

/** The text of one console since the machine was made, over all of its starts. */
export class ConsoleText {
  #text = '';
  #dropped = 0;
  /** The start of the unfinished line within the text. */
  #lineStart = 0;
  #pending = '';
  /** What the unfinished line has shown so far: its finding is made whole when the line is. */
  #partial = new Map<string, number>();
  readonly findings: Finding[] = [];

  /** Take the next bytes, however they are cut. */
  feed(chunk: string): void {
    const { clean, rest } = stripEscapes(this.#pending + chunk);
    this.#pending = rest;
    this.#text += clean;
    for (;;) {
      const end = this.#text.indexOf('\n', this.#lineStart);
      if (end < 0) break;
      this.#look(this.#text.slice(this.#lineStart, end));
      this.#partial.clear();
      this.#lineStart = end + 1;
    }
    this.#look(this.#text.slice(this.#lineStart).slice(-MOST_PARTIAL));
    this.#forgetOld();
  }

  /** Everything kept (the last 4 MiB). Lines end with `\n`; escapes and carriage returns are gone. */
  get text(): string {
    return this.#text;
  }

  /** A position in the stream, for {@link since}: "what is said from now on". */
  get position(): number {
    return this.#dropped + this.#text.length;
  }

  since(position: number): string {
    return this.#text.slice(Math.max(0, position - this.#dropped));
  }

  /** The first fatal finding at or after the given number of findings. */
  fatal(from = 0): Finding | undefined {
    return this.findings.slice(from).find(({ severity }) => severity === 'fatal');
  }

  lastLines(count: number): string {
    return this.#text.trimEnd().split('\n').slice(-count).join('\n');
  }

  #look(line: string): void {
    const finding = inspectLine(line);
    if (finding === undefined) return;
    const known = this.#partial.get(finding.kind);
    if (known === undefined && this.findings.length >= MOST_FINDINGS) return;
    const index = known ?? this.findings.length;
    this.findings[index] = finding;
    this.#partial.set(finding.kind, index);
  }

  #forgetOld(): void {
    if (this.#text.length <= MOST_TEXT) return;
    const cut = Math.min(this.#text.length - MOST_TEXT / 2, this.#lineStart);
    this.#text = this.#text.slice(cut);
    this.#lineStart -= cut;
    this.#dropped += cut;
  }
}

/** What one line without escapes says that is bad, or undefined. */
export function inspectLine(line: string): Finding | undefined {
  const rule = RULES.find(({ pattern }) => pattern.test(line));
  return rule && { kind: rule.kind, severity: rule.severity, line: line.trim() };
}

/**
 * Take out terminal escapes (ECMA-48 CSI and OSC, and the short ones) and carriage returns. An escape that
 * the end of the text cuts is handed back in `rest`, to be put before the next chunk.
 */
export function stripEscapes(text: string): { clean: string; rest: string } {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const cut = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,256}|[ -/]*)?$/.exec(text);
  const whole = cut ? text.slice(0, cut.index) : text;
  const clean = whole
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    .replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])/g, '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '');
  return { clean, rest: cut ? cut[0] : '' };
}
