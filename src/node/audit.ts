/**
 * `lianzheng/audit`: the audit of a whole log, for programs on Node. It reads everything again and derives everything anew; whatever does not hold is a
 * finding in the report, named by class and place (`e 17`, `t power:粤01-R0001`), and nothing is repaired.
 *
 *   useNative()
 *   const store = await openLevel('data/court/evidence', { mustExist: true })     of a stopped node, or a copy
 *   const { findings } = await auditStore(store, { verifier: nativeVerifier, policy: parsePolicy(text), work: 'audit/evidence' })
 *   await store.close()
 */
export { type Policy, parsePolicy } from '../core/policy.ts'
export {
  type AuditOptions,
  type AuditPhase,
  type AuditProgress,
  type AuditReport,
  auditStore
} from '../log/audit.ts'
export { auditRemote, type RemoteAuditOptions } from '../log/audit-remote.ts'
export type { Verifier } from '../log/pool.ts'
export type { Finding } from '../log/replay.ts'
export { openLevel } from '../store/level.ts'
export type { Store } from '../store/store.ts'
export { disclosureCipherOf, readSeed } from './keys.ts'
export { nativeVerifier, useNative } from './native.ts'
