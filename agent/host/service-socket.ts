const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** sockaddr_un of unix(7): the family and the path. */
const PATH_BYTES = 108;

/**
 * Send one datagram to a Unix socket, such as that of sd_notify(3). By Node's foreign function interface: Node has no
 * datagram sockets of AF_UNIX, and starting a program for it takes seconds on a machine with much to do. Never waits.
 *
 * @param socket an absolute path, or `@` and an abstract name
 * @returns whether the receiver has it
 */
export async function send(socket: string, text: string): Promise<boolean> {
  const address = addressOf(socket);
  if (address === undefined) return false;
  const ffi = await import('node:ffi');
  using library = ffi.dlopen(null, {
    socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
    sendto: { arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'u32'], return: 'i64' },
    close: { arguments: ['i32'], return: 'i32' },
  });
  const { functions } = library;
  const fd = functions.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const message = Buffer.from(text);
  const sent = functions.sendto(fd, message, BigInt(message.length), MSG_NOSIGNAL, address, address.length);
  functions.close(fd);
  return sent === BigInt(message.length);
}

/** The bytes of a sockaddr_un, or undefined for a name that cannot be one. Pure. */
export function addressOf(socket: string): Buffer | undefined {
  const name = Buffer.from(socket);
  if (!/^[/@]./.test(socket) || name.length >= PATH_BYTES) return undefined;
  const address = Buffer.alloc(2 + name.length + (socket.startsWith('@') ? 0 : 1));
  // The byte order of the machine: both that we serve are little-endian.
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  if (socket.startsWith('@')) address[2] = 0;
  return address;
}
