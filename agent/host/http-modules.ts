/**
 * Node's HTTP, loaded when it is needed: that takes 20 ms, and `version` and `init` do without. Not by `import`:
 * it reads every name that the module exports, and behind some of them (WebSocket) are an HTTP client of Node's
 * own and HTTP/2, together 17 MB of memory that nobody uses.
 */
export const loadHttp = () => process.getBuiltinModule('node:http');

export const loadHttps = () => process.getBuiltinModule('node:https');
