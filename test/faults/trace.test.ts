/** The checker that `npm run soak` asks whether answers wait for the disk: it must see each way of answering too early. */
import { expect, test } from 'vitest'
import { answersAfterSync, parseTrace } from '../helpers/trace.ts'

const RECORD = { statement: 'AbCd-_', marks: [Buffer.from([0xe9, 0x00, 0x31, 0x0a, 0x22])], directory: '/data/evidence' }

const REQUEST = `812   09:15:04.318001 read(21<socket:[5561]>, "POST /api/v1/records HTTP/1.1\\r\\n\\r\\n", 65536) = 33
812   09:15:04.318101 read(21<socket:[5561]>, "{\\"statement\\":\\"AbCd-_\\"}", 65536) = 22`
const WRITE = `813   09:15:04.402117 write(19</data/evidence/000004.log>, "x\\351\\0001\\n\\"y", 7) = 7`
const SYNC_BEGINS = '813   09:15:04.402200 fdatasync(19</data/evidence/000004.log> <unfinished ...>'
const SYNC_ENDS = '813   09:15:04.409530 <... fdatasync resumed>) = 0'
const ANSWER = `812   09:15:04.410001 writev(21<socket:[5561]>, [{iov_base="HTTP/1.1 201 Created\\r\\n", iov_len=22}, {iov_base="{}", iov_len=2}], 2) = 24`
const OTHER = `812   09:15:04.405000 read(17<anon_inode:[eventfd]>, "\\1\\0\\0\\0\\0\\0\\0\\0", 1024) = 8`

function judge(...lines: string[]): string | undefined {
  return answersAfterSync(parseTrace(lines.join('\n')), [RECORD])[0]!.wrong
}

test('request, record, sync, answer, in this order', () => {
  const calls = parseTrace([REQUEST, WRITE, SYNC_BEGINS, OTHER, SYNC_ENDS, ANSWER].join('\n'))
  expect(calls.map(({ name, result }) => [name, result])).toEqual([
    ['read', 33],
    ['read', 22],
    ['write', 7],
    ['read', 8],
    ['fdatasync', 0],
    ['writev', 24]
  ])
  expect(calls[2]!.data).toEqual(Buffer.from([0x78, 0xe9, 0x00, 0x31, 0x0a, 0x22, 0x79]))
  expect(calls[5]!.data.toString()).toBe('HTTP/1.1 201 Created\r\n{}')
  const [answered] = answersAfterSync(calls, [RECORD])
  expect(answered!.wrong).toBeUndefined()
  expect(answered!.toSync).toBeCloseTo(91.429, 3)
  expect(answered!.toAnswer).toBeCloseTo(91.9, 3)
})

const NOT_SYNCED = 'no sync of the log was completed between the write and the answer'
const NOT_WRITTEN = 'the record was not written between request and answer'

test.each([
  ['the answer leaves while the sync is under way', [REQUEST, WRITE, SYNC_BEGINS, ANSWER, SYNC_ENDS], NOT_SYNCED],
  ['no sync', [REQUEST, WRITE, ANSWER], NOT_SYNCED],
  [
    'a sync that began before the record was written',
    [REQUEST, SYNC_BEGINS, WRITE.replace('813', '814'), SYNC_ENDS, ANSWER],
    NOT_SYNCED
  ],
  [
    'a sync that failed',
    [REQUEST, WRITE, SYNC_BEGINS, SYNC_ENDS.replace('= 0', '= -1 EIO (Input/output error)'), ANSWER],
    NOT_SYNCED
  ],
  [
    'a sync of another file',
    [REQUEST, WRITE, SYNC_BEGINS.replace('evidence/000004', 'public/000004'), SYNC_ENDS, ANSWER],
    NOT_SYNCED
  ],
  ['a record written before its request', [WRITE, REQUEST, SYNC_BEGINS, SYNC_ENDS, ANSWER], NOT_WRITTEN],
  ['another record', [REQUEST, WRITE.replace('\\351', '\\350'), SYNC_BEGINS, SYNC_ENDS, ANSWER], NOT_WRITTEN],
  ['another log', [REQUEST, WRITE.replace('evidence', 'public'), SYNC_BEGINS, SYNC_ENDS, ANSWER], NOT_WRITTEN],
  ['a table, not the log', [REQUEST, WRITE.replace('.log', '.ldb'), SYNC_BEGINS, SYNC_ENDS, ANSWER], NOT_WRITTEN],
  ['another status', [REQUEST, WRITE, SYNC_BEGINS, SYNC_ENDS, ANSWER.replace('201', '200')], 'answered HTTP/1.1 200'],
  ['an answer on another socket', [REQUEST, WRITE, SYNC_BEGINS, SYNC_ENDS, ANSWER.replace('5561', '5562')], 'no answer'],
  ['another request', [REQUEST.replace('AbCd', 'AbCe'), WRITE, SYNC_BEGINS, SYNC_ENDS, ANSWER], 'no such request']
])('%s', (_, lines, wrong) => {
  expect(judge(...lines)).toBe(wrong)
})
