/** `lianzheng/client`: a verifying client for Node and the browser. */
export { type ClientOptions, type HeadMemory, type Identity, LedgerClient, type LogInfo } from './client.ts'
export { formatKey, type Key, parseKey } from './keyfile.ts'
