/**
 * A load generator that keeps books. It signs records of several types and sends them as fast as it is told, one at a time and in arrays; what was
 * answered, and with which index, is written down the moment the status line is there, and held against every later answer.
 */
import { Agent, request } from 'node:http'
import { type Identity, LedgerClient } from '../../src/client/client.ts'
import type { Key } from '../../src/client/keyfile.ts'
import { type Bytes, base64url, equalBytes, fromBase64url } from '../../src/core/bytes.ts'
import { leafHash } from '../../src/core/hash.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import { useNative } from '../../src/node/native.ts'
import { takesType } from '../../src/records/define.ts'
import { draft, typeOf } from '../../src/records/draft.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { counter, fix, opinion } from './lab.ts'
import type { Network } from './node-process.ts'

/** A request without an answer after so many milliseconds hangs. */
const HUNG = 15_000
/** Requests that the books send at a time when they send again or read back. */
const ABREAST = 16
const TICK = 20

/** Numbers and bytes that the seed alone decides. */
export class Dice {
  readonly bytes: (length: number) => Bytes

  constructor(seed: string) {
    this.bytes = counter(seed)
  }
  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    const { buffer, byteOffset } = this.bytes(4)
    return from + Math.floor((new DataView(buffer, byteOffset, 4).getUint32(0) / 2 ** 32) * (to - from))
  }
  chance(oneIn: number): boolean {
    return this.between(0, oneIn) === 0
  }
  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length)]!
  }
}

/** One record that was sent, and what is known of it. */
export interface Entry {
  log: string
  by: string
  type: string
  statement: Bytes
  disclosures: Bytes[]
  /** base64url */
  leaf: string
  /** A status 200 or 201 came, though perhaps not the rest of the answer. */
  promised: boolean
  index: number | undefined
}

/** One HTTP request of the load. */
export interface Sent {
  /** The kernel has all of it: the node can read it. */
  handedOver: boolean
  outcome: Outcome | undefined
}

/** How one request ended. */
export type Outcome = { status: number; text: string | undefined } | { failed: NodeJS.ErrnoException }

interface Place {
  status: number
  log: string
  index: number
  leaf: string
}

interface Person {
  client: LedgerClient
  key: Key
  identities: Identity[]
}

const USERS = ['clerk', 'judge', 'president', 'personnel', 'lawyer', 'admin-court'] as const
type Name = (typeof USERS)[number]

export class Load {
  readonly entries: Entry[] = []
  /** How requests ended: by status, `cut` for an answer cut off after its status line, or by the connection's error. */
  readonly outcomes = new Map<string, number>()
  /** Requests that have not ended. */
  readonly underway = new Set<Sent>()
  readonly #url: string
  readonly #policy: Policy
  readonly #dice: Dice
  readonly #people: ReadonlyMap<Name, Person>
  readonly #byPlace = new Map<string, string>()
  readonly #opinions: string[] = []
  #answered = () => {}

  private constructor(url: string, policy: Policy, dice: Dice, people: ReadonlyMap<Name, Person>) {
    this.#url = url
    this.#policy = policy
    this.#dice = dice
    this.#people = people
  }

  /** Asks the running node who its users are. */
  static async open(network: Network, dice: Dice): Promise<Load> {
    useNative()
    const people = new Map<Name, Person>()
    for (const name of USERS) {
      const key = await network.key(name)
      const client = new LedgerClient({ url: network.url, key })
      people.set(name, { client, key, identities: await client.whoami() })
    }
    return new Load(network.url, parsePolicy(network.policy), dice, people)
  }

  get unanswered(): Entry[] {
    return this.entries.filter(({ promised }) => !promised)
  }

  /** A record of some type by whoever may write it, signed and written into the books. */
  next(): Entry {
    const dice = this.#dice
    const words = (longest: number) => '监督意见与证据材料'.repeat(Math.ceil(longest / 9)).slice(0, dice.between(1, longest))
    const number = `（2020）粤01民初${dice.between(1, 40)}号`
    const list = `粤01-20200826-${dice.pick(['lista', 'listb', 'listc']).padEnd(12, 'a')}`
    const makers: (() => [Name, string | undefined, { [name: string]: unknown }])[] = [
      () => [
        'clerk',
        undefined,
        fix(dice.bytes(8).join(), { list, case: number, sealed: { name: words(60), source: words(900) } })
      ],
      () => ['lawyer', undefined, fix(dice.bytes(8).join())],
      () => ['clerk', undefined, receiptOf(list, number, words(100))],
      () => ['clerk', undefined, { ...BASE, type: 'evidence.attach', list, case: number }],
      () => ['president', undefined, opinion({ case: number, sealed: { content: words(3_000) } })],
      () => ['president', undefined, { ...access(number), sealed: { purpose: words(200), scope: words(50) } }],
      () => ['judge', undefined, replyTo(dice.pick(this.#opinions), number, words(1_500))],
      () => ['personnel', undefined, { ...disclosed(dice), sealed: { name: '王某某', firm: words(80) } }],
      () => ['admin-court', dice.pick(['personnel', 'public']), registration(dice, words(20))]
    ]
    // A reply needs something to reply to; registrations, which change what admission rests on, stay rare.
    const maker = dice.chance(40) ? makers.at(-1)! : this.#opinions.length === 0 ? makers[4]! : dice.pick(makers.slice(0, -1))
    const [by, log, record] = maker()
    const entry = this.#sign(by, log, record)
    if (entry.type === 'supervision.opinion') this.#opinions.push(entry.leaf)
    return entry
  }

  #sign(by: Name, log: string | undefined, record: { [name: string]: unknown }): Entry {
    const { key, identities } = this.#people.get(by)!
    const type = typeOf(record)
    const identity = identities.find((one) => (log === undefined ? takesType(type, one.classes) : one.log === log))!
    const { statement, disclosures } = draft(record, {
      aud: identity.origin,
      author: { org: identity.org, staff: identity.staff, roles: identity.roles, signer: key.secret!.signer },
      iat: Math.floor(Date.now() / 1000),
      random: this.#dice.bytes
    })
    const leaf = base64url(leafHash(statement))
    const entry: Entry = {
      log: identity.log,
      by,
      type: type.type,
      statement,
      disclosures,
      leaf,
      promised: false,
      index: undefined
    }
    this.entries.push(entry)
    return entry
  }

  /** Sends `perSecond` records a second until `until` resolves; resolves when every request has ended, one way or the other. */
  async run(perSecond: number, until: Promise<unknown>): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 64 })
    const start = performance.now()
    const underway: Promise<void>[] = []
    let over = false
    let failure: unknown
    const end = () => {
      over = true
    }
    until.then(end, end)
    const send = (entries: readonly Entry[]) =>
      underway.push(
        this.send(entries, agent).catch((error: unknown) => {
          failure ??= error
          over = true
        })
      )
    for (let sent = 0; !over; ) {
      const due = Math.floor(((performance.now() - start) * perSecond) / 1000)
      while (sent < due && !over) {
        const entries = Array.from({ length: this.#dice.chance(4) ? this.#dice.between(2, 9) : 1 }, () => this.next())
        sent += entries.length
        send(entries)
        // Impatient callers send the same again before the first answer is there.
        if (this.#dice.chance(12)) send(entries)
      }
      await new Promise((resolve) => setTimeout(resolve, TICK))
    }
    await Promise.all(underway)
    agent.destroy()
    if (failure !== undefined) throw failure
  }

  /** Sends them as one request and writes the answer down. Throws where it contradicts an earlier one, or refuses what must be accepted. */
  async send(entries: readonly Entry[], agent: Agent): Promise<void> {
    const single = entries.length === 1
    const body = entries.map(({ statement, disclosures }) => ({
      statement: base64url(statement),
      disclosures: disclosures.map(base64url)
    }))
    const reply = single && this.#dice.chance(2) ? 'receipt' : 'index'
    const sent: Sent = { handedOver: false, outcome: undefined }
    this.underway.add(sent)
    sent.outcome = await post(`${this.#url}/api/v1/records?reply=${reply}`, JSON.stringify(single ? body[0] : body), agent, sent)
    this.underway.delete(sent)
    this.#book(entries, sent.outcome)
  }

  #book(entries: readonly Entry[], outcome: Outcome): void {
    const name =
      'failed' in outcome
        ? (outcome.failed.code ?? outcome.failed.message)
        : outcome.text === undefined
          ? `${outcome.status} cut`
          : String(outcome.status)
    this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1)
    if ('failed' in outcome || outcome.status === 503) return
    if (outcome.status !== 200 && outcome.status !== 201)
      throw new Error(`${entries[0]!.type}: HTTP ${outcome.status} ${outcome.text}`)
    if (outcome.text === undefined) {
      // An array's 200 says nothing yet of its records.
      if (entries.length === 1) entries[0]!.promised = true
      return
    }
    const answer = JSON.parse(outcome.text) as Place | (Place | { code: string })[]
    for (const [i, place] of (Array.isArray(answer) ? answer : [answer]).entries()) {
      if (!('code' in place)) this.#place(entries[i]!, place)
      else if (place.code !== 'STOPPING') throw new Error(`${entries[i]!.type}: ${JSON.stringify(place)}`)
    }
  }

  /** Resolves when the next record is answered. */
  firstAnswer(): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = resolve
    })
  }

  #place(entry: Entry, { log, index, leaf, status }: Place): void {
    const answer = `${log} #${index} (${status}) for ${leaf}`
    if (log !== entry.log || leaf !== entry.leaf) throw new Error(`${answer} answers ${entry.leaf}`)
    if (entry.index !== undefined && entry.index !== index) throw new Error(`${answer}: before, it was #${entry.index}`)
    const other = this.#byPlace.get(`${log} ${index}`)
    if (other !== undefined && other !== leaf) throw new Error(`${answer}: the place is that of ${other}`)
    this.#byPlace.set(`${log} ${index}`, leaf)
    entry.promised = true
    entry.index = index
    this.#answered()
  }

  /** Sends again what was never answered, twice at a time. Gives them, and how many of them the node had already. */
  async resend(): Promise<{ resent: Entry[]; known: number }> {
    const agent = new Agent({ keepAlive: true, maxSockets: ABREAST })
    const entries = this.unanswered
    let known = 0
    await abreast(entries, async (entry) => {
      const before = await this.#isThere(entry)
      if (before) known++
      await Promise.all([this.send([entry], agent), this.send([entry], agent)])
      if (entry.index === undefined) throw new Error(`${entry.type} ${entry.leaf}: sent again, and still without a place`)
    })
    agent.destroy()
    return { resent: entries, known }
  }

  async #isThere(entry: Entry): Promise<boolean> {
    const response = await fetch(`${this.#url}/api/v1/logs/${entry.log}/proofs/inclusion?leaf=${entry.leaf}`)
    await response.arrayBuffer()
    return response.status === 200
  }

  /** Each of them by its leaf hash: the same index, the same bytes, its disclosures, and a receipt that verifies. Throws at the first that is not. */
  async check(entries: readonly Entry[]): Promise<void> {
    await abreast(entries, async (entry) => {
      const { client } = this.#people.get(entry.by as Name)!
      const path = `/api/v1/logs/${entry.log}/records/${entry.leaf}/receipt`
      const text = await client.text(path).catch((error: unknown) => error as Error)
      const wrong = text instanceof Error ? text.message : wrongIn(text, entry, this.#policy)
      if (wrong !== undefined) throw new Error(`${entry.type} ${entry.log} #${entry.index} ${entry.leaf}: ${wrong}`)
      entry.index ??= (JSON.parse(text as string) as { index: number }).index
    })
  }
}

/** What a receipt says that the books do not. */
function wrongIn(text: string, entry: Entry, policy: Policy): string | undefined {
  const receipt = JSON.parse(text) as { index: number; statement: string; disclosures: string[] }
  if (entry.index !== undefined && receipt.index !== entry.index) return `index ${receipt.index}`
  if (!equalBytes(fromBase64url(receipt.statement), entry.statement)) return 'other bytes'
  const [given, kept] = [entry.disclosures.map(base64url).sort(), [...receipt.disclosures].sort()]
  if (given.join() !== kept.join()) return `${kept.length} disclosures of ${given.length}`
  const { overall, steps } = verifyReceipt(text, policy, { now: Math.floor(Date.now() / 1000) })
  if (overall !== 'verified') return `a receipt that is ${overall}: ${JSON.stringify(steps)}`
  return undefined
}

/** A request that always ends: with a status, with the connection's error, or with `HUNG`. */
function post(url: string, body: string, agent: Agent, state: Sent): Promise<Outcome> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const asked = request(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = []
      const end = (text: string | undefined) => {
        clearTimeout(timer)
        resolve({ status: response.statusCode!, text })
      }
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => end(Buffer.concat(chunks).toString('utf8')))
      response.on('error', () => end(undefined))
    })
    const timer = setTimeout(() => asked.destroy(Object.assign(new Error('no answer'), { code: 'HUNG' })), HUNG)
    asked.on('finish', () => {
      state.handedOver = true
    })
    asked.on('error', (failed) => {
      clearTimeout(timer)
      resolve({ failed })
    })
    asked.end(body)
  })
}

async function abreast<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: ABREAST }, async () => {
      for (const item of queue) await work(item)
    })
  )
}

const BASE = { at: '2020-08-26T09:20:00+08:00', court: '粤01' }

function receiptOf(list: string, number: string, party: string): { [name: string]: unknown } {
  const items = [{ evidence: '粤01-20200826-abcdefghijkl', form: 'copy', copies: 1, pages: 3 }]
  return {
    ...BASE,
    type: 'evidence.receipt',
    list,
    case: number,
    receivedAt: BASE.at,
    items,
    sealed: { party, handler: '书记员' }
  }
}

function access(number: string): { [name: string]: unknown } {
  return { ...BASE, type: 'supervision.access', case: number, mode: 'file', from: '2020-08-26T09:00:00+08:00' }
}

function replyTo(leaf: string, number: string, reason: string): { [name: string]: unknown } {
  const refs = [{ rel: 'answers', log: 'court.example/supervision', leaf }]
  return { ...BASE, type: 'supervision.reply', case: number, leader: '粤01-R0001', decision: 'partly', refs, sealed: { reason } }
}

function disclosed(dice: Dice): { [name: string]: unknown } {
  return { ...BASE, type: 'recusal.disclosed', entry: base64url(dice.bytes(9)), status: 'related' }
}

/** A key nobody holds: what is registered is only that it may write. */
function registration(dice: Dice, holder: string): { [name: string]: unknown } {
  const key = base64url(ed25519Signer(dice.bytes(32)).publicKey)
  return { at: BASE.at, type: 'registry.key', key, org: 'gz-court', roles: ['lawyer'], sealed: { holder } }
}
