/** What this process costs: resident memory in bytes, and processor seconds since its start. */
export function ofSelf(): { residentBytes: number; cpuSeconds: number } {
  const { user, system } = process.cpuUsage();
  return { residentBytes: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6 };
}
