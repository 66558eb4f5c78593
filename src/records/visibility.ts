/**
 * Who may read what (records.md, "One trail, one audience"). Default deny. Every decision is in the two tables below.
 *
 *   trail               who may have its certificate, present or absent
 *   evidence  list      clerks and judges of the court that runs the log; discipline; the key that signed the trail's first record
 *   case                clerks and judges; discipline; a key that opened evidence or a list which the court has attached to this case: the
 *                       ledger's own word for "party" and "lawyer of record" (filing something under a case number is nobody's word but one's own)
 *   file                whoever names the whole digest and holds a registered key: the holder of the file. The statements alone: what is sealed is
 *                       shown to those who may read the record on another ground
 *   case-internal       judges, leaders, trial office; discipline
 *   power               discipline; the person
 *   duty                leaders, trial office; discipline; the person
 *   hr  firm            personnel; discipline. No record tells which keys are a firm's, so a firm reads what its own key has signed
 *   source              trial office; discipline
 *   reader              discipline; the person
 *   disclosure  publication  court      everyone
 *   key  ledger         members: administrators, inspectors, prosecutors and auditors, of whatever institution
 *   anything else       nobody
 *
 *   an entry            whoever may have one of its trails other than `file`; the key that signed it; everyone where its class is public
 *   entry bundles       statements alone. Everyone in a public log; otherwise inspectors, and auditors of the institution that runs the log
 *   a seal              everyone in a public log; otherwise whoever may know what the log has
 *   inclusion proofs    whoever knows the leaf hash, 32 bytes that nobody guesses: they have the statement, and learn its index
 *   checkpoints, tiles of hashes, sizes     everyone: C2SP witnesses and monitors need them
 *
 * Roles count in the logs of the key's own institution; those of institutions that look at others count everywhere. Staff codes mean a person in their
 * own institution's logs alone. A restricted read is recorded under the reader's staff code, so no role opens anything to a key without one, but for
 * administrators the trails of the registry: whoever cannot be named as a reader (party, lawyer, firm, system) reads what is their own, unrecorded.
 */
import type { RecordType } from './define.ts'
import { idOf, kindOf, TRAIL_KINDS } from './ids.ts'

/** A caller whose token verified, as the registry of the log has the key. */
export interface Caller {
  /** base64url. */
  kid: string
  org: string
  staff?: string | undefined
  roles: readonly string[]
  /** Of the organisation that runs the log: staff codes and most roles mean something there alone. */
  home: boolean
}

/** How the log itself may tie a key to a trail: it signed the first record; what it opened was attached by the court. */
export type Tie = 'opened' | 'attached'

interface Audience {
  /** Roles that may read every trail of the kind. */
  roles: readonly string[]
  /** The person a staff code names may read their own. */
  person?: true
  tie?: Tie
  /** Every registered key that can name the trail. */
  holder?: true
  everyone?: true
}

const PARTY = ['clerk', 'judge', 'discipline']
const PUBLIC: Audience = { roles: [], everyone: true }
const MEMBERS: Audience = { roles: ['administrator', 'discipline', 'procuratorate', 'auditor'] }

const AUDIENCES: Readonly<Record<string, Audience>> = {
  evidence: { roles: PARTY, tie: 'opened' },
  list: { roles: PARTY, tie: 'opened' },
  case: { roles: PARTY, tie: 'attached' },
  file: { roles: PARTY, holder: true },
  'case-internal': { roles: ['judge', 'leader', 'trial-office', 'discipline'] },
  power: { roles: ['discipline'], person: true },
  duty: { roles: ['leader', 'trial-office', 'discipline'], person: true },
  hr: { roles: ['personnel', 'discipline'] },
  firm: { roles: ['personnel', 'discipline'] },
  disclosure: PUBLIC,
  publication: PUBLIC,
  court: PUBLIC,
  source: { roles: ['trial-office', 'discipline'] },
  reader: { roles: ['discipline'], person: true },
  key: MEMBERS,
  ledger: MEMBERS
}

/** Roles of institutions that look at others; all other roles count in their own organisation's logs alone. */
const ACROSS = ['administrator', 'discipline', 'procuratorate', 'auditor']
/** Roles that count without a staff code. */
const UNNAMED = ['administrator']

function rolesHere({ roles, home, staff }: Caller): readonly string[] {
  return roles.filter((role) => (home || ACROSS.includes(role)) && (staff !== undefined || UNNAMED.includes(role)))
}

function audienceOf(trail: string): Audience | undefined {
  return Object.hasOwn(AUDIENCES, kindOf(trail)) ? AUDIENCES[kindOf(trail)] : undefined
}

/** May the caller have a certificate of this trail, present or absent? `tied`: the log ties the caller's key to it, as `tieOf` asks. */
export function mayReadTrail(caller: Caller | undefined, trail: string, tied = false): boolean {
  const audience = audienceOf(trail)
  if (audience === undefined) return false
  if (audience.everyone) return true
  if (caller === undefined) return false
  if (audience.holder || (audience.tie !== undefined && tied)) return true
  if (rolesHere(caller).some((role) => audience.roles.includes(role))) return true
  return audience.person === true && caller.home && caller.staff === idOf(trail)
}

/** The tie by which this caller could read the trail, where nothing else opens it to them. */
export function tieOf(caller: Caller | undefined, trail: string): Tie | undefined {
  return caller === undefined || mayReadTrail(caller, trail) ? undefined : audienceOf(trail)?.tie
}

/** What a record's readers depend on. */
export interface RecordFacts {
  type: RecordType
  trails: readonly string[]
  /** Of the key that signed it, base64url. */
  kid: string
}

/** May the caller see this record with its disclosures? `tied`: those of its trails that the log ties the caller's key to. */
export function mayReadRecord(caller: Caller | undefined, record: RecordFacts, tied: readonly string[] = []): boolean {
  if (record.type.class === 'public') return true
  if (isOwn(caller, record)) return true
  // Whoever comes by the record has not named the digest of its file.
  const grounds = record.trails.filter((trail) => audienceOf(trail)?.holder !== true || rolesOpen(caller, trail))
  return grounds.some((trail) => mayReadTrail(caller, trail, tied.includes(trail)))
}

function rolesOpen(caller: Caller | undefined, trail: string): boolean {
  return caller !== undefined && rolesHere(caller).some((role) => audienceOf(trail)!.roles.includes(role))
}

/** Did the caller's key sign the record? Nobody is shown anything new by it. */
export function isOwn(caller: Caller | undefined, record: Pick<RecordFacts, 'kid'>): boolean {
  return caller !== undefined && caller.kid === record.kid
}

/** May the caller copy whole entry bundles of a log? Statements alone: disclosures are never in them. */
export function mayReadLog(caller: Caller | undefined, classes: readonly string[]): boolean {
  if (classes.every((name) => name === 'public')) return true
  if (caller === undefined) return false
  const roles = rolesHere(caller)
  return roles.includes('discipline') || (caller.home && roles.includes('auditor'))
}

/**
 * May the caller know which records a log has and has not? Whoever may copy it, or read every kind of trail it can hold. All others get the same
 * refusal for a record they may not see and for one that is not there.
 */
export function mayKnowLog(caller: Caller | undefined, classes: readonly string[]): boolean {
  if (mayReadLog(caller, classes)) return true
  return Object.entries(TRAIL_KINDS).every(([kind, { classes: held, reserved }]) => {
    if (reserved || held === 'any' || !held.some((name) => classes.includes(name))) return true
    return mayReadTrail(caller, `${kind}:`)
  })
}
