/** `EFI` and `EFI/BOOT` for `EFI/BOOT/x`: the folders of a path without a leading slash, outermost first. */
export function parentsOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, depth) => parts.slice(0, depth + 1).join('/'));
}
