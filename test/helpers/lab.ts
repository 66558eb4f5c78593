/** A whole log on a bench: keys, genesis, users, sequencer and reader over any store, with a clock that the test moves. */
import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import { type Bytes, fromBase64url, utf8 } from '../../src/core/bytes.ts'
import type { FatalError } from '../../src/core/errors.ts'
import { keyInfo, sha256 } from '../../src/core/hash.ts'
import { ed25519Signer, type Signer } from '../../src/core/keys.ts'
import { formatVkey } from '../../src/core/note.ts'
import { type LogKeys, logKeys } from '../../src/log/head.ts'
import type { Placed, Verifier } from '../../src/log/pool.ts'
import { Reader } from '../../src/log/reader.ts'
import { recover } from '../../src/log/recover.ts'
import { type Published, Sequencer } from '../../src/log/sequencer.ts'
import { nativeVerifier, useNative } from '../../src/node/native.ts'
import { CATALOGUE_VERSION, catalogueDigest } from '../../src/records/catalogue.ts'
import { ROLES } from '../../src/records/define.ts'
import { type Draft, draft } from '../../src/records/draft.ts'
import { CLASSES } from '../../src/records/ids.ts'
import { tileKey } from '../../src/store/layout.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { type ExaminedRecord, examine } from '../../src/verify/admit.ts'

useNative()

export const ORIGIN = 'court.example/evidence'
export const OPERATOR = 'gz-court'
export const START = Date.UTC(2020, 7, 26, 1, 0, 0)

export interface User {
  org: string
  staff?: string
  roles: readonly string[]
  signer: Signer
}

export function user(name: string, roles: readonly string[], staff?: string, org = OPERATOR): User {
  return { org, roles, signer: ed25519Signer(sha256(utf8(`lab ${name}`))), ...(staff === undefined ? {} : { staff }) }
}

export const USERS = {
  admin: user('admin', ['administrator']),
  clerk: user('clerk', ['clerk'], '粤01-R0101'),
  judge: user('judge', ['judge'], '粤01-R0201'),
  president: user('president', ['leader'], '粤01-R0001'),
  secretary: user('secretary', ['secretary'], '粤01-R0002'),
  personnel: user('personnel', ['personnel'], '粤01-R0301'),
  system: user('system', ['system']),
  lawyer: user('lawyer', ['lawyer'])
} satisfies Record<string, User>

const keysMade = new Map<string, LogKeys>()

/** Kept: making an ML-DSA key takes as long as a whole small log (measured: 8 ms). */
export function seedKeys(seed: string, origin: string): LogKeys {
  const name = `${origin} ${seed}`
  const secret = createHash('sha256').update(seed).digest()
  const made =
    keysMade.get(name) ??
    logKeys(
      origin,
      (purpose, generation) => new Uint8Array(hkdfSync('sha256', secret, '', keyInfo(purpose, origin, generation), 32))
    )
  keysMade.set(name, made)
  return made
}

/** Deterministic bytes, so that a failing test fails again. */
export function counter(seed: string): (length: number) => Bytes {
  let n = 0
  return (length) => new Uint8Array(hkdfSync('sha256', seed, '', String(n++), length))
}

export interface LabOptions {
  store?: Store
  seed?: string
  origin?: string
  classes?: readonly string[]
  maxRecords?: number
  intervalMs?: number
  capacity?: number
  verifier?: Verifier
  /** Milliseconds; START without it. Tests move it through `lab.now`. */
  now?: number
  /** The policy written into genesis and used by `policy()`; `quorum none` without it. */
  policy?: (keys: LogKeys) => string
  control?: number
  /** The catalogue in genesis; the newest without it. */
  catalogue?: number
  /** More administrators in genesis: key and organisation. */
  administrators?: { user: User }[]
}

export class Lab {
  readonly options: LabOptions
  readonly keys: LogKeys
  readonly random: (length: number) => Bytes
  now: number
  store!: Store
  sequencer!: Sequencer
  reader!: Reader
  fatal: FatalError | undefined
  /** Set before `start`: takes signed heads, which are published only when a test says so. */
  cosigned: ((signed: Published) => void) | undefined

  private constructor(options: LabOptions) {
    this.options = options
    this.keys = seedKeys(options.seed ?? 'lab court', options.origin ?? ORIGIN)
    this.random = options.seed === undefined ? (length) => randomBytes(length) : counter(options.seed)
    this.now = options.now ?? START
  }

  get origin(): string {
    return this.keys.origin
  }
  get classes(): readonly string[] {
    return this.options.classes ?? CLASSES
  }

  /** A new log with genesis and all of USERS registered, or, with `existing`, whatever the store holds. */
  static async open(options: LabOptions = {}, { existing = false } = {}): Promise<Lab> {
    const lab = new Lab(options)
    await lab.start(options.store ?? new MemoryStore())
    if (!existing) {
      await lab.place(lab.genesis())
      await Promise.all(
        Object.values(USERS)
          .filter(({ roles }) => roles[0] !== 'administrator')
          .map((who) => lab.register(who))
      )
    }
    return lab
  }

  async start(store: Store): Promise<void> {
    this.store = store
    const { cosigned } = this
    const recovered = await recover(store, this.keys, undefined, { cosigned: cosigned !== undefined })
    this.sequencer = new Sequencer({
      keys: this.keys,
      classes: this.classes,
      store,
      recovered,
      verifier: this.options.verifier ?? nativeVerifier,
      clock: () => this.now,
      batch: {
        intervalMs: this.options.intervalMs ?? 0,
        maxRecords: this.options.maxRecords ?? 1000,
        capacity: this.options.capacity ?? 10_000
      },
      onFatal: (error) => {
        this.fatal = error
      },
      ...(cosigned === undefined ? {} : { onSigned: cosigned })
    })
    this.reader = new Reader(recovered.ledger, this.origin, () => this.sequencer.published)
  }

  policy(): string {
    if (this.options.policy !== undefined) return this.options.policy(this.keys)
    return `log ${formatVkey(this.keys.log.vkey)}\nquorum none\n# lianzheng ${this.origin} ${this.classes.join(',')} 0\n`
  }

  genesis(): Draft {
    const administrators = [{ user: USERS.admin }, ...(this.options.administrators ?? [])]
    return this.draft(
      {
        type: 'ledger.genesis',
        at: '2020-08-26T09:00:00+08:00',
        origin: this.origin,
        name: '实验账本',
        operator: OPERATOR,
        catalogue: this.options.catalogue ?? CATALOGUE_VERSION,
        catalogueDigest: Buffer.from(catalogueDigest(this.options.catalogue)).toString('base64url'),
        keys: {
          log: formatVkey(this.keys.log.vkey),
          'log-mldsa44': Buffer.from(sha256(utf8(formatVkey(this.keys.mldsa.vkey)))).toString('base64url'),
          statement: Buffer.from(this.keys.statement.publicKey).toString('base64url'),
          receipt: Buffer.from(this.keys.receipt.publicKey).toString('base64url'),
          promise: Buffer.from(this.keys.promise.publicKey).toString('base64url')
        },
        members: [],
        policy: this.policy(),
        administrators: administrators.map(({ user: { org, signer } }) => ({
          key: Buffer.from(signer.publicKey).toString('base64url'),
          org,
          roles: [...ROLES]
        })),
        control: this.options.control ?? 1
      },
      USERS.admin
    )
  }

  draft(record: { [name: string]: unknown }, by: User, iat = Math.floor(this.now / 1000)): Draft {
    return draft(record, { aud: this.origin, author: by, iat, random: this.random })
  }

  place({ statement, disclosures }: Pick<Draft, 'statement' | 'disclosures'>): Promise<Placed> {
    return this.sequencer.submit(examine(statement) as ExaminedRecord, disclosures)
  }

  submit(record: { [name: string]: unknown }, by: User): Promise<Placed> {
    return this.place(this.draft(record, by))
  }

  register(who: User, by: User = USERS.admin, more: { [name: string]: unknown } = {}): Promise<Placed> {
    return this.submit(
      {
        type: 'registry.key',
        at: '2020-08-26T09:01:00+08:00',
        key: Buffer.from(who.signer.publicKey).toString('base64url'),
        org: who.org,
        roles: [...who.roles],
        ...(who.staff === undefined ? {} : { staff: who.staff }),
        ...more
      },
      by
    )
  }

  tile(level: number, index: number): Bytes {
    return this.store.get(tileKey(level, index))!
  }

  /** Index of the record whose leaf hash this is. */
  leafOf(index: number): string {
    return Buffer.from(this.reader.statement(index).leaf).toString('base64url')
  }
}

let evidenceCount = 0

export function evidenceId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567'
  let rest = evidenceCount++
  let id = ''
  for (let i = 0; i < 12; i++) {
    id += letters[rest % 32]
    rest = Math.floor(rest / 32)
  }
  return `粤01-20200826-${id}`
}

export function fix(content: string, more: { [name: string]: unknown } = {}): { [name: string]: unknown } {
  return {
    type: 'evidence.fix',
    at: '2020-08-26T09:10:00+08:00',
    court: '粤01',
    evidence: evidenceId(),
    material: 'electronic-data',
    files: [{ sha256: createHash('sha256').update(content).digest('hex'), size: Buffer.byteLength(content) }],
    sealed: { name: '合同.pdf', source: '原告提交' },
    ...more
  }
}

export function opinion(more: { [name: string]: unknown } = {}): { [name: string]: unknown } {
  return {
    type: 'supervision.opinion',
    at: '2020-08-26T10:00:00+08:00',
    court: '粤01',
    case: '（2020）粤01民初123号',
    judge: '粤01-R0201',
    measure: 'M03',
    basis: 'keycase',
    node: 'deliberation',
    channel: 'platform',
    sealed: { content: '请提交类案检索报告。' },
    ...more
  }
}

/** Erases fields of a record that the log has. */
export function erasure(lab: Lab, index: number, fields: readonly string[]): { [name: string]: unknown } {
  const { trails } = lab.reader.statement(index)
  const refs = [{ rel: 'erases', log: lab.origin, leaf: lab.leafOf(index) }]
  return { type: 'body.erased', at: '2020-08-27T09:00:00+08:00', refs, fields, ground: 'PIPL-47', of: trails }
}

export const all = (_: unknown, disclosures: readonly Bytes[]): readonly Bytes[] => disclosures

export { fromBase64url }
