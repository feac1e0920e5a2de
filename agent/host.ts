/**
 * The agent's only way to the outside: clock, files, network interfaces, processes, the Unix socket. Nothing
 * else in `agent/` imports node:fs, node:child_process, node:http, node:net, node:os or reads `process`.
 */
export * as children from './host/children.ts';
export * as clock from './host/clock.ts';
export * as fileStream from './host/file-stream.ts';
export * as files from './host/files.ts';
export * as httpsJson from './host/https-json.ts';
export * as logs from './host/logs.ts';
export * as network from './host/network.ts';
export * as processes from './host/processes.ts';
export * as programs from './host/programs.ts';
export * as unixSocket from './host/unix-socket.ts';
