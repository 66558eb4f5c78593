/**
 * What a process did, as `strace` saw it, and the one question asked of it: was each record on the disk before its answer left?
 *
 *     strace -f -D -tt -y -s 1000000 -o FILE -e trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync …
 *
 * The lines of a trace are in the order in which the kernel stopped the threads at the start and at the end of their calls; a call that others overlap
 * stands on two lines:
 *
 *     812   09:15:04.318001 read(21<socket:[5561]>, "POST /api/v1/records HTTP/1.1\r\n"..., 65536) = 1201
 *     813   09:15:04.402117 fdatasync(19</data/evidence/000004.log> <unfinished ...>
 *     813   09:15:04.409530 <... fdatasync resumed>) = 0
 */

export interface Call {
  name: string
  /** What the descriptor stands for: a path, or `socket:[inode]`. */
  target: string
  /** The bytes read or written. */
  data: Buffer
  result: number
  /** Line numbers. */
  start: number
  end: number
  /** Milliseconds since midnight. */
  startTime: number
  endTime: number
}

/** Names of the calls that `answersAfterSync` needs to see. */
export const TRACED = 'read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync'

const LINE = /^(\d+) +(\d\d):(\d\d):(\d\d\.\d+) (.*)$/
const UNFINISHED = / <unfinished \.\.\.>$/
const RESUMED = /^<\.\.\. \w+ resumed>/

/** The finished calls, in the order in which they ended. */
export function parseTrace(text: string): Call[] {
  const calls: Call[] = []
  const begun = new Map<string, { text: string; start: number; startTime: number }>()
  for (const [number, line] of text.split('\n').entries()) {
    const [, tid, hours, minutes, seconds, rest] = LINE.exec(line) ?? []
    if (tid === undefined) continue
    const time = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000
    if (UNFINISHED.test(rest!)) {
      begun.set(tid, { text: rest!.replace(UNFINISHED, ''), start: number, startTime: time })
      continue
    }
    const before = RESUMED.test(rest!) ? begun.get(tid) : { text: '', start: number, startTime: time }
    if (before === undefined) continue
    begun.delete(tid)
    const whole = before.text + rest!.replace(RESUMED, '')
    const [, name, target] = /^(\w+)\(\d+<([^>]*)>/.exec(whole) ?? []
    const [, result] = / = (-?\d+)[^"]*$/.exec(whole) ?? []
    if (name === undefined || result === undefined) continue
    const { start, startTime } = before
    calls.push({
      name,
      target: target!,
      data: stringsIn(whole),
      result: Number(result),
      start,
      end: number,
      startTime,
      endTime: time
    })
  }
  return calls
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, v: 11, f: 12, '"': 34, '\\': 92 }

/** The C strings of a line, unescaped and joined: `strace` writes bytes as octal escapes, as few digits as the next character allows. */
function stringsIn(text: string): Buffer {
  const bytes: number[] = []
  for (const [, string] of text.matchAll(/"((?:[^"\\]|\\.)*)"/g))
    for (const [, escaped, plain] of string!.matchAll(/\\([0-7]{1,3}|.)|([^\\]+)/g))
      if (plain !== undefined) bytes.push(...Buffer.from(plain, 'latin1'))
      else bytes.push(ESCAPES[escaped!] ?? Number.parseInt(escaped!, 8))
  return Buffer.from(bytes)
}

export interface Traced {
  /** base64url, as it stands in the request. */
  statement: string
  /** Bytes that stand in the log only if this record does: its leaf hash, its first bytes … One of them may be cut by a block's edge. */
  marks: readonly Buffer[]
  /** Where the log's store is. */
  directory: string
}

export interface Answered {
  /** What is wrong; undefined where record, sync and answer came in this order. */
  wrong: string | undefined
  /** Milliseconds from the request to the end of the sync, and on to the answer. */
  toSync: number | undefined
  toAnswer: number | undefined
}

interface Exchange {
  request: Buffer
  /** The read that completed the request. */
  read: Call
  answer: Call | undefined
}

/**
 * For each record: a 201 was written to the socket its request came from, and between the end of the read that completed the request and the start of that
 * write, the record was written to a log file of its store and an `fdatasync` of that file began after the write, and ended with 0.
 */
export function answersAfterSync(calls: readonly Call[], records: readonly Traced[]): Answered[] {
  const exchanges = exchangesOf(calls)
  return records.map(({ statement, marks, directory }) => {
    const none = { toSync: undefined, toAnswer: undefined }
    const exchange = exchanges.find(({ request }) => request.includes(statement))
    if (exchange === undefined) return { wrong: 'no such request', ...none }
    const { read, answer } = exchange
    if (answer === undefined) return { wrong: 'no answer', ...none }
    if (!answer.data.toString('latin1').startsWith('HTTP/1.1 201 '))
      return { wrong: `answered ${answer.data.subarray(0, 12)}`, ...none }

    const between = calls.filter(({ start, end }) => start > read.end && end < answer.start)
    const isLog = ({ target }: Call) =>
      target.startsWith(`${directory}/`) && /^\d+\.log$/.test(target.slice(directory.length + 1))
    const written = between.find(
      (call) => /write/.test(call.name) && isLog(call) && marks.some((mark) => call.data.includes(mark))
    )
    if (written === undefined) return { wrong: 'the record was not written between request and answer', ...none }
    const synced = between.find(
      ({ name, target, start, result }) =>
        (name === 'fdatasync' || name === 'fsync') && target === written.target && start > written.end && result === 0
    )
    if (synced === undefined) return { wrong: 'no sync of the log was completed between the write and the answer', ...none }
    return { wrong: undefined, toSync: synced.endTime - read.startTime, toAnswer: answer.startTime - read.startTime }
  })
}

/** Requests for records and what was answered, socket by socket. */
function exchangesOf(calls: readonly Call[]): Exchange[] {
  const exchanges: Exchange[] = []
  const open = new Map<string, Exchange>()
  for (const call of calls) {
    if (!call.target.startsWith('socket:') || call.result <= 0) continue
    const exchange = open.get(call.target)
    if (/^(?:read|recv)/.test(call.name)) {
      if (exchange !== undefined) {
        exchange.request = Buffer.concat([exchange.request, call.data])
        exchange.read = call
      } else if (call.data.toString('latin1').startsWith('POST /api/v1/records')) {
        const opened: Exchange = { request: call.data, read: call, answer: undefined }
        exchanges.push(opened)
        open.set(call.target, opened)
      }
    } else if (exchange !== undefined) {
      exchange.answer = call
      open.delete(call.target)
    }
  }
  return exchanges
}
