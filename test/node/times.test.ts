import { expect, it } from 'vitest'
import { localTime, typedTime } from '../../src/node/network.ts'

it('times are written in the zone of China, wherever the machine believes itself to be', () => {
  expect(localTime(new Date('2026-01-05T16:30:00Z'))).toBe('2026-01-06T00:30:00+08:00')
  expect(localTime(new Date('2026-01-05T15:59:59.999Z'))).toBe('2026-01-05T23:59:59+08:00')
})

it('typed without a zone they are of that zone; with one, of that one', () => {
  const read = (text: string) => typedTime(text)?.toISOString()
  expect(read('2026-11-24')).toBe('2026-11-23T16:00:00.000Z')
  expect(read('2026-11-24 09:30')).toBe('2026-11-24T01:30:00.000Z')
  expect(read('2026-11-24T09:30:05')).toBe('2026-11-24T01:30:05.000Z')
  expect(read('2026-11-24T09:30:05Z')).toBe('2026-11-24T09:30:05.000Z')
  expect(read('2026-11-24T09:30:05-05:00')).toBe('2026-11-24T14:30:05.000Z')
  for (const none of ['', 'yesterday', '2026-13-01', '2026-11-24 25:00', '2026-02-30', '5', '2026-11-24T09:30:05+0800'])
    expect(read(none)).toBeUndefined()
})
