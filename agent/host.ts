/**
 * The agent's only way to the outside: clock, files, network interfaces, processes, the Unix socket. Nothing
 * else in `agent/` imports node:fs, node:child_process, node:http, node:net, node:os or reads `process`.
 */
export * as blockDevice from './host/block-device.ts';
export * as boottime from './host/boottime.ts';
export * as children from './host/children.ts';
export * as clock from './host/clock.ts';
export * as consoles from './host/consoles.ts';
export * as datagram from './host/datagram.ts';
export * as diskProbe from './host/disk-probe.ts';
export * as dns from './host/dns.ts';
export * as fileParts from './host/file-parts.ts';
export * as fileStream from './host/file-stream.ts';
export * as files from './host/files.ts';
export * as folders from './host/folders.ts';
export * as httpsJson from './host/https-json.ts';
export * as inPlace from './host/in-place.ts';
export * as lineFile from './host/line-file.ts';
export * as links from './host/links.ts';
export * as logs from './host/logs.ts';
export { machineIds } from './host/machine-ids.ts';
export * as memory from './host/memory.ts';
export * as multicastDns from './host/multicast-dns.ts';
export * as network from './host/network.ts';
export * as peerTls from './host/peer-tls.ts';
export * as processes from './host/processes.ts';
export * as programs from './host/programs.ts';
export * as serviceSocket from './host/service-socket.ts';
export * as tcp from './host/tcp.ts';
export * as terminal from './host/terminal.ts';
export * as udpEcho from './host/udp-echo.ts';
export * as udpSend from './host/udp-send.ts';
export * as unixSocket from './host/unix-socket.ts';
export * as usage from './host/usage.ts';
export * as web from './host/web.ts';
export * as wipe from './host/wipe.ts';
