/**
 * Who may read what (records.md, "One trail, one audience"): default deny. A trail has one audience; an entry may be read by whoever may read one of
 * its trails, and by the key that signed it.
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

interface Audience {
  /** Roles that may read every trail of the kind. */
  roles: readonly string[]
  /** The person a staff code names may read their own. */
  person?: true
  everyone?: true
}

const PARTY: Audience = { roles: ['clerk', 'judge', 'discipline'] }
const PUBLIC: Audience = { roles: [], everyone: true }
/** The institutions: their administrators, inspectors, prosecutors and auditors. */
const MEMBERS: Audience = { roles: ['administrator', 'discipline', 'procuratorate', 'auditor'] }

const AUDIENCES: Readonly<Record<string, Audience>> = {
  evidence: PARTY,
  file: PARTY,
  list: PARTY,
  case: PARTY,
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

function rolesHere({ roles, home }: Caller): readonly string[] {
  return home ? roles : roles.filter((role) => ACROSS.includes(role))
}

/** May the caller have a certificate of this trail, present or absent? */
export function mayReadTrail(caller: Caller | undefined, trail: string): boolean {
  const audience = Object.hasOwn(AUDIENCES, kindOf(trail)) ? AUDIENCES[kindOf(trail)] : undefined
  if (audience === undefined) return false
  if (audience.everyone) return true
  if (caller === undefined) return false
  if (rolesHere(caller).some((role) => audience.roles.includes(role))) return true
  return audience.person === true && caller.home && caller.staff === idOf(trail)
}

/** May the caller see this record with its disclosures? */
export function mayReadRecord(
  caller: Caller | undefined,
  record: { type: RecordType; trails: readonly string[]; kid: string }
): boolean {
  if (record.type.class === 'public') return true
  if (caller !== undefined && caller.kid === record.kid) return true
  return record.trails.some((trail) => mayReadTrail(caller, trail))
}

/**
 * May the caller copy whole entry bundles of a log? Statements alone: disclosures are never in them. Inspectors may, and those who run the log or
 * audit it for its operator.
 */
export function mayReadLog(caller: Caller | undefined, classes: readonly string[]): boolean {
  if (classes.every((name) => name === 'public')) return true
  if (caller === undefined) return false
  if (caller.roles.includes('discipline')) return true
  return caller.home && caller.roles.some((role) => role === 'auditor' || role === 'administrator')
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
