import { expect, test } from 'vitest'
import { type Io, printJson, visible } from '../../src/cli/io.ts'

test('nothing that moves, hides or turns text reaches a terminal', () => {
  const hostile = 'x\u001b[2J\u001b[H\r\u0008\u007f\u009b2J\u202e\u2066\u200fy'
  expect(visible(hostile)).toBe(`x\ufffd[2J\ufffd[H${'\ufffd'.repeat(4)}2J${'\ufffd'.repeat(3)}y`)
  expect(visible('核验一致 ✓\n')).toBe('核验一致 ✓\n')
})

test('JSON keeps every character, escaped', () => {
  let printed = ''
  const io = { json: true, out: (text: string) => (printed += text) } as unknown as Io
  const value = { text: 'a\u202e\u009b\u007f\u001bb\n' }
  printJson(io, value)
  expect(visible(printed)).toBe(printed)
  expect(JSON.parse(printed)).toEqual(value)
})
