/** The table of codes: complete in both languages, plausible, distinct. Texts may change, codes may not. */
import { describe, expect, test } from 'vitest'
import { CODES, type Code, FatalError, LianzhengError } from '../../src/core/errors.ts'

const codes = Object.keys(CODES) as Code[]

describe('every error code has zh, en and advice, and texts are distinct enough', () => {
  test.each(codes)('%s', (code) => {
    const error = new LianzhengError(code)
    expect(code).toMatch(/^[A-Z0-9]+(_[A-Z0-9]+)*$/)
    for (const text of [error.text('zh'), error.advice('zh')]) expect(text).toMatch(/[\u4e00-\u9fff]/)
    // ASCII, but for the signs in which ranges and sections are written.
    for (const text of [error.text('en'), error.advice('en')]) expect(text).toMatch(/^[\x20-\x7e±−§]+$/)
    for (const text of [error.text('zh'), error.advice('zh'), error.text('en'), error.advice('en')]) {
      expect(text).toBe(text.trim())
      // `problem` joins sentences and puts the full stop.
      expect(text).not.toMatch(/[.。]$/)
    }
    expect(error.advice('zh')).not.toBe(error.text('zh'))
    expect(error.advice('en')).not.toBe(error.text('en'))
  })

  test('no two codes say the same', () => {
    const bare = (text: string) => text.toLowerCase().replace(/[^a-z0-9\u4e00-\u9fff]/g, '')
    for (const lang of ['zh', 'en'] as const) {
      const said = new Map<string, Code>()
      for (const code of codes) {
        const text = bare(new LianzhengError(code).text(lang))
        expect(said.get(text), `${code}: ${text}`).toBeUndefined()
        said.set(text, code)
      }
    }
  })

  test('HTTP and exit status are plausible', () => {
    for (const code of codes) {
      const { httpStatus, exitStatus } = new LianzhengError(code)
      expect([400, 401, 403, 404, 405, 408, 409, 413, 422, 500, 502, 503], code).toContain(httpStatus)
      expect([1, 2, 3], code).toContain(exitStatus)
      // 3: a machine failed, not the caller. A refusal of what was handed in is never blamed on the node.
      if (exitStatus === 3 && httpStatus !== 408) expect(httpStatus, code).toBeGreaterThanOrEqual(500)
      if (/^(CBOR|STATEMENT|FIELD|TYPE|RECORD|DISCLOSURE|KEY)_/.test(code)) expect(httpStatus, code).toBeLessThan(500)
      if (/^(STORE|DATA_DIR)_/.test(code)) expect([httpStatus, exitStatus], code).toEqual([500, 3])
    }
    expect(new LianzhengError('AUTH_REQUIRED').httpStatus).toBe(401)
    expect(new LianzhengError('ACCESS_DENIED').httpStatus).toBe(403)
    expect(new LianzhengError('CLASSIFIED_NOT_ACCEPTED').httpStatus).toBe(403)
    expect(new LianzhengError('NOT_FOUND').httpStatus).toBe(404)
    expect(new LianzhengError('CTI_REUSED').httpStatus).toBe(409)
    expect(new LianzhengError('STATEMENT_TOO_LARGE').httpStatus).toBe(413)
    expect(new LianzhengError('OVERLOADED').httpStatus).toBe(503)
  })
})

// Programs branch on these. A code may be added; none is renamed or taken away.
const RELEASED = `
ACCESS_DENIED ACTOR_MISMATCH ALGORITHM_UNSUPPORTED ANSWER_INVALID AUTH_INVALID AUTH_REQUIRED BASE64URL_INVALID BASE64_INVALID
BODY_INVALID BODY_TOO_LARGE CBOR_DEPTH CBOR_DUPLICATE_KEY CBOR_INDEFINITE_LENGTH CBOR_INTEGER_RANGE CBOR_KEY_ORDER
CBOR_KEY_TYPE CBOR_NOT_SHORTEST CBOR_TEXT_NOT_UTF8 CBOR_TRAILING_BYTES CBOR_TRUNCATED CBOR_UNSUPPORTED CERTIFICATE_INVALID
CHECKPOINT_INVALID CLASSIFIED_NOT_ACCEPTED CLASS_NOT_HELD CLOCK_BACKWARDS CONFIG_INVALID CONFIG_UNREADABLE
CONTENT_TYPE_MISMATCH CTI_REUSED DATA_DIR_IN_USE DISCLOSURE_INVALID DISCLOSURE_REPEATED DISCLOSURE_UNMATCHED ENTRY_UNKNOWN
FIELD_INVALID FIELD_MISSING FIELD_UNKNOWN FILE_EXISTS FILE_UNREADABLE FOREIGN_ORGANISATION GENESIS_MISPLACED HEAD_WENT_BACK
HEX_INVALID IAT_AHEAD INTERNAL JSON_INVALID KEY_ALREADY_REGISTERED KEY_EXPIRED KEY_FILE_INVALID KEY_INVALID KEY_NOT_REGISTERED
KEY_NOT_YET_VALID KEY_PASSPHRASE KEY_PENDING KEY_REVOKED LOG_UNKNOWN NAME_INVALID NOTE_INVALID NOT_ADMINISTRATOR NOT_FOUND
ORGANISATION_MISMATCH OVERLOADED POLICY_INVALID PORT_IN_USE PROOF_INVALID QUERY_INVALID RECEIPT_INVALID RECORD_FORM
REGISTRY_TARGET ROLE_NOT_GIVABLE ROLE_NOT_PERMITTED SEAL_NOT_ACCEPTED SIGNATURE_INVALID STATEMENT_CLAIMS STATEMENT_FORM
STATEMENT_HEADER STATEMENT_TOO_LARGE STATEMENT_TRAILS STOPPING STORE_CORRUPT STORE_DISAGREES STORE_FAILED STORE_FOREIGN
STORE_UNREADABLE STORE_VERSION TEXT_NOT_NFC TEXT_NOT_UTF8 TRAILS_MISMATCH TRAIL_NAME_INVALID TYPE_UNKNOWN TYPE_VERSION_UNKNOWN
UNREACHABLE USAGE VKEY_INVALID WRONG_LOG
`

test('no code has gone', () => {
  expect(codes).toEqual(expect.arrayContaining(RELEASED.trim().split(/\s+/)))
})

describe('what an error says', () => {
  const detail = { field: 'files[0].sha256', offset: 17, expected: '32 bytes', at: 3 }

  test('where and what would have been right, in both languages', () => {
    const error = new LianzhengError('FIELD_INVALID', detail)
    expect(error.text('zh')).toBe('字段内容不正确（3，字段 files[0].sha256，偏移 17，应为 32 字节）')
    expect(error.text('en')).toBe('field not valid (3, field files[0].sha256, offset 17, expected 32 bytes)')
    expect(error.message).toBe(`FIELD_INVALID: ${error.text('en')}`)
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe('LianzhengError')
    expect(new FatalError('STORE_CORRUPT')).toBeInstanceOf(LianzhengError)
    expect(new FatalError('STORE_CORRUPT').name).toBe('FatalError')
  })
  test('offset 0 and index 0 are places', () => {
    expect(new LianzhengError('CBOR_TRUNCATED', { offset: 0, at: 0 }).text('en')).toBe('CBOR ends too early (0, offset 0)')
  })
  test('a problem holds the place and both texts, never the cause', () => {
    const error = new LianzhengError('FIELD_INVALID', { ...detail, cause: new Error('secret') })
    expect(error.problem()).toEqual({
      code: 'FIELD_INVALID',
      zh: `${error.text('zh')}。${error.advice('zh')}`,
      en: `${error.text('en')}. ${error.advice('en')}`,
      ...detail
    })
    expect(JSON.stringify(error.problem())).not.toContain('secret')
    expect((error.cause as Error).message).toBe('secret')
    expect('cause' in new LianzhengError('INTERNAL')).toBe(false)
  })
  test('within puts the outer place in front and keeps the rest', () => {
    const at = (field: string | undefined, outer: string) =>
      new LianzhengError('FIELD_MISSING', field === undefined ? {} : { field, expected: 'x' }).within(outer)
    expect(at('sha256', 'files[0]').detail).toEqual({ field: 'files[0].sha256', expected: 'x' })
    expect(at('[0].sha256', 'files').detail.field).toBe('files[0].sha256')
    expect(at(undefined, 'files').detail.field).toBe('files')
    expect(at('sha256', 'files[0]').code).toBe('FIELD_MISSING')
  })
})

describe('what was expected', () => {
  test.each([
    ['64 lower-case hex digits', '64 位小写十六进制数字'],
    ['at most 1000', '不超过 1000'],
    ['an integer in [0, 2^53)', '[0, 2^53) 内的整数'],
    ['a signature by 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo 的签名'],
    ['the staff code of the key', '密钥所登记的人员编号'],
    // A form is the same in every language, and what nobody has said in Chinese stands as it is.
    ['evidence | supervision', 'evidence | supervision'],
    ['YAML', 'YAML'],
    ['constructor', 'constructor']
  ])('%s', (expected, chinese) => {
    const error = new LianzhengError('FIELD_INVALID', { expected })
    expect(error.text('zh')).toBe(`字段内容不正确（应为 ${chinese}）`)
    expect(error.text('en')).toBe(`field not valid (expected ${expected})`)
  })
})
