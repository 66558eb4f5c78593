/**
 * Server-sent events (WHATWG HTML, "Server-sent events"): new seals, and new records for readers entitled to them. An event id says how far every log
 * has been read, so that any id, at any node process with these logs, is gone on from without gap or repeat. Nothing is kept for a client: what it has
 * not taken yet is read from the log when it does.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { type Request, type Response, Router } from 'express'
import { base64url } from '../../core/bytes.ts'
import { LianzhengError } from '../../core/errors.ts'
import { recordType } from '../../records/catalogue.ts'
import { type Caller, isOwn, mayReadRecord, mayReadTrail } from '../../records/visibility.ts'
import type { LogContext, NodeContext } from '../context.ts'
import { recordRead } from '../entitled.ts'
import { callerOf } from '../middleware/caller.ts'
import { MEDIA, on } from '../operation.ts'
import { readEvents } from '../operations.ts'

/** Entries, or seals, that are read before others get their turn; what a client may leave untaken is never more. */
const CHUNK = 256
/** Facts of the newest entries, which every client asks for: a few hundred bytes each. */
const FACTS_KEPT = 8_192
/** A token is good for five minutes, and so is what it opens. Milliseconds. */
const LIFETIME = 300_000

type Facts = Parameters<typeof mayReadRecord>[1] | 'seal'

interface Event {
  name: 'seal' | 'record'
  log: string
  index: number
  /** Neither public nor the reader's own. */
  restricted?: boolean
  data: { [name: string]: unknown }
}

export function eventRoutes(node: NodeContext): Router {
  const router = Router()
  const streams = new Set<Stream>()
  const facts = factsOf()
  node.onPublished(() => {
    for (const stream of streams) stream.wake()
  })
  node.closing.addEventListener('abort', () => {
    for (const stream of streams) stream.end()
  })

  on(router, node, readEvents, async (request, response, { after }) => {
    const positions = parsePositions(request.get('last-event-id') ?? after, node)
    if (node.closing.aborted) throw new LianzhengError('STOPPING')
    if (streams.size >= node.limits.eventClients) throw new LianzhengError('OVERLOADED')
    const stream = new Stream(node, request, response, positions, facts)
    streams.add(stream)
    node.onEventClient(1)
    response.once('close', () => {
      streams.delete(stream)
      node.onEventClient(-1)
      stream.end()
    })
    await stream.run()
  })
  return router
}

class Stream {
  readonly #node: NodeContext
  readonly #request: Request
  readonly #response: Response
  /** By log: the index of the first entry not told yet. */
  readonly #positions: Map<string, number>
  readonly #facts: ReturnType<typeof factsOf>
  /** Logs of which the stream tells what is restricted: that it does is on record. */
  readonly #recorded = new Set<LogContext>()
  #ended = false
  #wake = () => {}

  constructor(
    node: NodeContext,
    request: Request,
    response: Response,
    positions: Map<string, number>,
    facts: ReturnType<typeof factsOf>
  ) {
    this.#node = node
    this.#request = request
    this.#response = response
    this.#positions = positions
    this.#facts = facts
  }

  wake(): void {
    this.#wake()
  }
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#response.end()
    this.#wake()
  }

  /** Resolves when the stream is over. */
  async run(): Promise<void> {
    const { clock, limits } = this.#node
    this.#response
      .status(200)
      .set({ 'Content-Type': `${MEDIA.events}; charset=utf-8`, 'X-Accel-Buffering': 'no' })
      .on('drain', () => this.#wake())
    // Whoever is cut off before the first event knows where to go on.
    this.#response.write(`retry: 2000\nid: ${formatPositions(this.#positions)}\n\n`)
    const until = this.#request.get('authorization') === undefined ? Number.POSITIVE_INFINITY : clock() + LIFETIME
    let stalled = false
    const beat = setInterval(() => {
      if (clock() >= until) this.end()
      // Not one byte taken from one beat to the next: it may come back and go on.
      else if (this.#response.writableNeedDrain && stalled) this.#response.destroy()
      else if (!this.#response.writableNeedDrain) this.#response.write(':\n\n')
      stalled = this.#response.writableNeedDrain
    }, limits.heartbeatMs)
    try {
      while (!this.#ended) {
        await this.#node.readable()
        const more = this.#tellMore()
        if (more === true) await turn()
        // Nothing can have been published or taken since `tellMore` has looked.
        else if (more === false) await new Promise<void>((resolve) => (this.#wake = resolve))
        else {
          await recordRead(this.#node, this.#request, more, { trail: `ledger:${more.keys.origin}` })
          this.#recorded.add(more)
        }
      }
    } finally {
      clearInterval(beat)
    }
  }

  /**
   * Writes the next events of each log; false where there are none now, or the client has not taken what it was given. A log whose next events are the
   * first restricted ones of it is given back with nothing of it told: the read is to be recorded first.
   */
  #tellMore(): boolean | LogContext {
    let more = false
    for (const log of this.#node.logs.values()) {
      if (this.#ended || this.#response.writableNeedDrain) return false
      const from = this.#positions.get(log.name)!
      if (from >= (log.sequencer.published?.size ?? 0)) continue
      more = true
      const { events, next } = eventsOf(log, from, callerOf(this.#request, log), this.#facts)
      if (!this.#recorded.has(log) && events.some(({ restricted }) => restricted)) return log
      for (const { name, index, data } of events) {
        this.#positions.set(log.name, index + 1)
        const id = formatPositions(this.#positions)
        this.#response.write(`id: ${id}\nevent: ${name}\ndata: ${JSON.stringify({ log: log.name, ...data })}\n\n`)
      }
      this.#positions.set(log.name, next)
    }
    return more
  }
}

/** The events among the next entries of a log, in its order; `next` is the first entry not looked at. */
function eventsOf(
  log: LogContext,
  from: number,
  caller: Caller | undefined,
  facts: ReturnType<typeof factsOf>
): { events: Event[]; next: number } {
  const { reader, ledger } = log
  const { size, sealHeight } = reader.published()
  const isPublic = log.classes.every((name) => name === 'public')
  const events: Event[] = []
  let seal = ledger.sealAfter(from - 1, sealHeight)!
  const tellSeal = () => {
    const { height, index, time } = seal
    const root = base64url(reader.root(index + 1))
    events.push({
      name: 'seal',
      log: log.name,
      index,
      data: { height, index, size: index + 1, root, time: new Date(time).toISOString() }
    })
    return index + 1
  }
  if (caller === undefined && !isPublic) {
    // Strangers are told of seals alone: no entry is read for them.
    let next = from
    while (events.length < CHUNK && next < size) {
      next = tellSeal()
      if (next < size) seal = { height: seal.height + 1, ...ledger.seal(seal.height + 1)! }
    }
    return { events, next }
  }
  const end = Math.min(size, from + CHUNK)
  for (let index = from; index < end; index++) {
    if (index > seal.index) seal = { height: seal.height + 1, ...ledger.seal(seal.height + 1)! }
    if (index === seal.index) {
      tellSeal()
      continue
    }
    const record = facts(log, index)
    if (record === 'seal' || !mayReadRecord(caller, record)) continue
    const trails = record.trails.filter((trail) => mayReadTrail(caller, trail))
    events.push({
      name: 'record',
      log: log.name,
      index,
      restricted: !isPublic && !isOwn(caller, record) && !isOwnRead(caller, record),
      data: { index, type: record.type.type, trails, time: new Date(seal.time).toISOString() }
    })
  }
  return { events, next: end }
}

/** Of what the reader has read, which it leaves by reading: else each of these would be the reason for another. */
function isOwnRead(caller: Caller | undefined, { trails }: { trails: readonly string[] }): boolean {
  return caller?.staff !== undefined && trails.includes(`reader:${caller.staff}`)
}

/** What entries are about, read once for all streams: a published entry never changes. */
function factsOf(): (log: LogContext, index: number) => Facts {
  const kept = new Map<string, Facts>()
  return (log, index) => {
    const name = `${log.name}/${index}`
    let facts = kept.get(name)
    if (facts === undefined) {
      const statement = log.reader.statement(index)
      facts =
        statement.kind === 'seal'
          ? 'seal'
          : {
              type: recordType(statement.body.get('type') as string, statement.body.get('v') as number),
              trails: statement.trails,
              kid: base64url(statement.kid)
            }
      kept.set(name, facts)
      if (kept.size > FACTS_KEPT) kept.delete(kept.keys().next().value!)
    }
    return facts
  }
}

// Event ids: `<log>:<entries told>`, separated by commas, in the order of the node's logs; `0` is the beginning of all of them.

function formatPositions(positions: ReadonlyMap<string, number>): string {
  return [...positions].map(([name, position]) => `${name}:${position}`).join(',')
}

/** Without an id from now on; a log that the id does not name, because it is newer, from its beginning. Throws `QUERY_INVALID`. */
function parsePositions(id: string | undefined, node: NodeContext): Map<string, number> {
  const logs = [...node.logs.values()]
  if (id === undefined || id === '') return new Map(logs.map(({ name, sequencer }) => [name, sequencer.published?.size ?? 0]))
  const positions = new Map(logs.map(({ name }) => [name, 0]))
  if (id === '0') return positions
  const refuse = () => new LianzhengError('QUERY_INVALID', { field: 'after', expected: '<log>:<n>,… | 0' })
  const named = new Set<string>()
  for (const part of id.split(',')) {
    const [, name, digits] = /^([a-z0-9._-]{1,64}):(0|[1-9][0-9]{0,15})$/.exec(part) ?? []
    const log = name === undefined ? undefined : node.logs.get(name)
    if (log === undefined || named.has(name!) || Number(digits) > (log.sequencer.published?.size ?? 0)) throw refuse()
    named.add(name!)
    positions.set(name!, Number(digits))
  }
  return positions
}
