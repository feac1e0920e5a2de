/** What a file holds, as people save it: UTF-8 with or without a byte order mark, or UTF-16. */
type TextReading =
  | { readonly text: string; readonly reason?: undefined }
  | { readonly text?: undefined; readonly reason: string; readonly place: Place };

/** Line and column, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * Read the bytes of a text file. Windows' editors save UTF-8 with a byte order mark, PowerShell's `>` UTF-16; all of
 * them mean the same text. Pure; never throws.
 */
export function readText(bytes: Uint8Array): TextReading {
  const encoding = encodingOf(bytes);
  // Lenient: what does not belong becomes U+FFFD, which says where it is.
  const text = new TextDecoder(encoding).decode(bytes);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const bad = text.search(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]/);
  if (bad === -1) return { text };
  const reason =
    text[bad] === '\ufffd'
      ? 'the file is not text: expected UTF-8'
      : 'the file is not text: it holds control characters';
  return { reason, place: placeInText(text, bad) };
}

/** Without a mark UTF-16 is known by its zeros: all files of ours begin with two ASCII characters. */
export function encodingOf([first, second, third]: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (first !== undefined && first !== 0 && second === 0 && third !== 0) return 'utf-16le';
  if (first === 0 && second !== undefined && second !== 0) return 'utf-16be';
  return 'utf-8';
}

export function placeInText(text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
