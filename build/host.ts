/**
 * The gateway for effects of the tools that run on the operator's machine: processes, files, network, clock.
 * Nothing else imports execa, undici, node:child_process or node:fs; a test holds us to that.
 */
export * as blockDevice from './host/block-device.ts';
export * as clock from './host/clock.ts';
export { ENDS_WITH_US, IN_OWN_NAMESPACES } from './host/ends-with-us.ts';
export * as files from './host/files.ts';
export * as imageStream from './host/image-stream.ts';
export * as network from './host/network.ts';
export * as places from './host/places.ts';
export {
  interrupted,
  pasteable,
  type RunOptions,
  type RunResult,
  run,
  start,
  tryRun,
  type Write,
  which,
} from './host/process.ts';
export * as proxy from './host/proxy.ts';
