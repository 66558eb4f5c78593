/** What commands that talk to a node share: the client with its memory of heads, the policy, the author, and sending one record. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type HeadMemory, type Identity, LedgerClient, type LogInfo } from '../client/client.ts'
import type { Key } from '../client/keyfile.ts'
import { type Bytes, fromBase64url } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type Policy, parsePolicy } from '../core/policy.ts'
import { takesType } from '../records/define.ts'
import { type Draft, draft, typeOf } from '../records/draft.ts'
import type { Verdict } from '../verify/verdict.ts'
import { type Io, makeDirectory, readPolicy, say, words, writeNew } from './io.ts'

/** One file a log under `~/.lianzheng/heads`, or `$LIANZHENG_HOME/heads`. */
export function headMemory(io: Io): HeadMemory {
  const directory = join(io.env.LIANZHENG_HOME ?? join(homedir(), '.lianzheng'), 'heads')
  const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32)
  const file = (log: string) => join(directory, `${digest(log)}.note`)
  return {
    get: async (log) => {
      try {
        return readFileSync(file(log), 'utf8')
      } catch {
        return undefined
      }
    },
    set: async (log, note) => {
      makeDirectory(directory, 0o700)
      const temporary = `${file(log)}.${process.pid}.${randomBytes(4).toString('hex')}`
      writeFileSync(temporary, note)
      renameSync(temporary, file(log))
    },
    contradicts: async (log, note, contradiction) => {
      const beside = join(directory, `${digest(log)}-${digest(note)}`)
      writeNew(`${beside}.note`, note)
      if (contradiction === undefined) return [file(log), `${beside}.note`]
      writeNew(`${beside}.contradiction.json`, contradiction)
      return [file(log), `${beside}.note`, `${beside}.contradiction.json`]
    }
  }
}

/** Throws `USAGE` for what is no address of a node. */
export function connect(
  io: Io,
  url: string,
  { key, policy }: { key?: Key | undefined; policy?: Policy | undefined } = {}
): LedgerClient {
  if (!/^https?:\/\/[^/]/.test(url)) throw new LianzhengError('USAGE', { field: '--url', expected: 'http://host:port' })
  return new LedgerClient({
    url,
    memory: headMemory(io),
    ...(key === undefined ? {} : { key }),
    ...(policy === undefined ? {} : { policy })
  })
}

export class Session {
  readonly client: LedgerClient
  readonly policy: Policy
  readonly logs: LogInfo[]
  readonly identities: Identity[]
  readonly #key: Key & { secret: NonNullable<Key['secret']> }

  private constructor(
    client: LedgerClient,
    policy: Policy,
    logs: LogInfo[],
    identities: Identity[],
    key: Key & { secret: NonNullable<Key['secret']> }
  ) {
    this.client = client
    this.policy = policy
    this.logs = logs
    this.identities = identities
    this.#key = key
  }

  /** Without a policy file the node's own is taken: then the receipt says no more than the node says of itself. */
  static async open(
    io: Io,
    url: string,
    key: Key & { secret: NonNullable<Key['secret']> },
    policyFile?: string
  ): Promise<Session> {
    const own = policyFile === undefined ? undefined : readPolicy(policyFile)
    const client = connect(io, url, { key, policy: own })
    if (own === undefined && !io.json)
      io.err(
        `${words(io, '未给出 --policy：以下结论依据节点自己给出的策略', 'no --policy given: what follows rests on the policy the node gives of itself')}\n`
      )
    const logs = await client.logs()
    const text = logs[0]?.policy
    if (text === undefined) throw new LianzhengError('ANSWER_INVALID', { field: 'logs', expected: 'at least one log' })
    const identities = await client.whoami()
    const foreign =
      own === undefined ? undefined : identities.find(({ origin }) => !own.logs.some(({ vkey }) => vkey.name === origin))
    if (foreign !== undefined)
      throw new LianzhengError('ANSWER_INVALID', { field: 'origin', at: foreign.origin, expected: 'a log of the policy' })
    return new Session(client, own ?? parsePolicy(text), logs, identities, key)
  }

  /** Drafts and signs one record. Of the logs that take its type the one named, or the one its references speak of, or the first. */
  draft(record: { [name: string]: unknown }, log?: string): Draft {
    const type = typeOf(record)
    const taking = this.identities.filter((one) => (log === undefined || log === one.log) && takesType(type, one.classes))
    const identity = taking.find(({ origin }) => type.class === 'any' && namesLog(record.refs, origin)) ?? taking[0]
    if (identity === undefined)
      throw new LianzhengError('CLASS_NOT_HELD', { field: 'type', expected: [type.class].flat().join(' | ') })
    return draft(record, {
      aud: identity.origin,
      author: { org: identity.org, staff: identity.staff, roles: identity.roles, signer: this.#key.secret.signer },
      iat: Math.floor(Date.now() / 1000),
      random: (length): Bytes => new Uint8Array(randomBytes(length))
    })
  }

  /** Drafts, signs, sends and verifies one record. `keep` is given what the log refuses, with its refusal. */
  async send(
    record: { [name: string]: unknown },
    options: { log?: string; keep?: (refusal: Bytes, statement: Bytes) => void } = {}
  ) {
    const { statement, disclosures, type, sub } = this.draft(record, options.log)
    try {
      const answered = await this.client.submit(statement, disclosures, this.policy)
      return { ...answered, statement, type, sub }
    } catch (error) {
      const refusal = error instanceof LianzhengError ? error.detail.refusal : undefined
      if (refusal !== undefined) options.keep?.(fromBase64url(refusal), statement)
      throw error
    }
  }

  /** The court one acts for: that of one's own staff code. */
  get court(): string | undefined {
    return this.identities.find(({ staff }) => staff !== undefined)?.staff?.split('-')[0]
  }

  /** Of whom the key is, as commands that are run again compare it. */
  get kid(): string {
    return this.#key.kid
  }
}

/** Keeps a promise or refusal with the statement it is about: `<name>.promise` or `<name>.refusal`, and `<name>.statement.cose`. */
export function keepHandout(
  directory: string,
  name: string,
  kind: 'promise' | 'refusal',
  handout: Bytes,
  statement: Bytes,
  io: Io
): string {
  makeDirectory(directory)
  for (let n = 1; ; n++) {
    const file = join(directory, `${name}${n === 1 ? '' : `-${n}`}`)
    try {
      writeNew(`${file}.statement.cose`, statement)
      writeNew(`${file}.${kind}`, handout)
      if (kind === 'promise')
        say(
          io,
          `  已落盘，尚待其他机构联署；承诺 ${file}.promise\n  取回执：lianzheng submit ${file}.promise`,
          `  durable; other institutions have yet to cosign; promise ${file}.promise\n  for the receipt: lianzheng submit ${file}.promise`
        )
      else say(io, `拒收凭证 ${file}.refusal`, `refusal, signed by the log: ${file}.refusal`)
      return `${file}.${kind}`
    } catch (error) {
      if (!(error instanceof LianzhengError) || error.code !== 'FILE_EXISTS') throw error
    }
  }
}

/**
 * Writes `<name>.receipt.json`, or `<name>-2.receipt.json` … where that name is taken. One that could not be checked is kept too, for its
 * disclosures, under a name that says so: `<name>.unverified.json`.
 */
export function writeReceipt(directory: string, name: string, receipt: string, overall: Verdict): string {
  makeDirectory(directory)
  for (let n = 1; ; n++) {
    const kind = overall === 'verified' ? 'receipt' : 'unverified'
    const file = join(directory, `${name}${n === 1 ? '' : `-${n}`}.${kind}.json`)
    try {
      writeNew(file, receipt)
      return file
    } catch (error) {
      if (!(error instanceof LianzhengError) || error.code !== 'FILE_EXISTS') throw error
    }
  }
}

/** Do the references of a typed-in record, whatever they are, name this log? */
function namesLog(refs: unknown, origin: string): boolean {
  return Array.isArray(refs) && refs.some((ref: { log?: unknown } | null) => ref?.log === origin)
}
