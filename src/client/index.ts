/** `lianzheng/client`: a verifying client for Node and the browser. */
export {
  type Answered,
  type ClientOptions,
  type HeadMemory,
  type Identity,
  LedgerClient,
  type LogInfo,
  type Submission
} from './client.ts'
export { formatKey, type Key, parseKey } from './keyfile.ts'
