import { createSocket } from 'node:dgram';

interface Destination {
  readonly address: string;
  readonly port: number;
}

/**
 * Send one IPv4 datagram to each, and wait for no answer. What cannot be sent is lost, as on any network.
 *
 * @returns the destinations that the kernel refused, with its reasons
 */
export async function sendToEach(
  destinations: readonly Destination[],
  data: string,
): Promise<{ to: Destination; reason: string }[]> {
  if (destinations.length === 0) return [];
  const socket = createSocket('udp4');
  // An ICMP answer to one of them is no failure of ours.
  socket.on('error', () => {});
  const refused: { to: Destination; reason: string }[] = [];
  await Promise.all(
    destinations.map(
      (to) =>
        new Promise<void>((resolve) => {
          socket.send(data, to.port, to.address, (error) => {
            if (error) refused.push({ to, reason: error.message });
            resolve();
          });
        }),
    ),
  );
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return refused;
}
