/** `lianzheng/verify`: the offline verifier. No network, no clock of its own, no `node:`. */
export { type Policy, parsePolicy } from '../core/policy.ts'
export { admit, checkNfc, type Examined, type ExaminedRecord, examine, matchDisclosures, type Position } from './admit.ts'
export { type CertificateReport, verifyCertificate } from './certificate.ts'
export { type ComparisonReport, compareHeads } from './compare.ts'
export {
  type Contradiction,
  type ContradictionReport,
  formatContradiction,
  parseContradiction,
  verifyContradiction
} from './contradiction.ts'
export { discloseCertificate, discloseReceipt } from './disclose.ts'
export {
  type Certificate,
  fileKind,
  formatCertificate,
  formatReceipt,
  parseCertificate,
  parseReceipt,
  type Receipt
} from './files.ts'
export { type HandoutReport, verifyHandout } from './handout.ts'
export { headsOf } from './heads.ts'
export { type GivenFile, type ReceiptReport, verifyReceipt } from './receipt.ts'
export { exitStatus, STEPS, type Step, type StepName, VERDICT_WORDS, type Verdict } from './verdict.ts'
