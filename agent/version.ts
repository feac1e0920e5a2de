/** Put in by esbuild (`define`); absent when the TypeScript runs directly. */
declare const CLUSTEROS_VERSION: string | undefined;

export const VERSION: string =
  typeof CLUSTEROS_VERSION === 'string' ? CLUSTEROS_VERSION : '0.0.0-development';
