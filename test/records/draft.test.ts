/** From a typed-in record to a statement and back: every type, every field, through both doors (`draft` and `examine`). */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type Bytes, base64url, compareText } from '../../src/core/bytes.ts'
import { type Encodable, encodeCbor, plainObject } from '../../src/core/cbor.ts'
import { decodeDisclosure } from '../../src/core/disclosure.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { keyId } from '../../src/core/keys.ts'
import { decodeStatement, RECORD_CONTENT, signStatement, verifyStatement } from '../../src/core/statement.ts'
import { CATALOGUE, recordType } from '../../src/records/catalogue.ts'
import { type Body, bodyToJson, exampleRecord, openFromJson, type RecordType, trailsOf } from '../../src/records/define.ts'
import { type Author, draft, typeOf } from '../../src/records/draft.ts'
import type { Json } from '../../src/records/fields.ts'
import { checkNfc, type ExaminedRecord, examine, matchDisclosures } from '../../src/verify/admit.ts'
import { counter, ORIGIN, USERS, user } from '../helpers/lab.ts'

type Typed = { [name: string]: unknown }

const IAT = 1_598_404_200
const AUTHORS: Readonly<Record<string, Author>> = {
  clerk: USERS.clerk,
  personnel: USERS.personnel,
  leader: USERS.president,
  judge: USERS.judge,
  administrator: USERS.admin,
  system: USERS.system,
  party: user('party', ['party']),
  firm: user('firm', ['firm']),
  discipline: user('inspector', ['discipline'], '粤01-R9001')
}
const authorOf = (type: RecordType): Author => AUTHORS[type.writers[0]!]!
const write = (record: Typed, author?: Author, random: (length: number) => Bytes = randomBytes) =>
  draft(record, { aud: ORIGIN, author: author ?? authorOf(typeOf(record)), iat: IAT, random })

/** Every member there is, by its example; what excludes one another is left out of it. */
function fullRecord(type: RecordType): Typed {
  const open = Object.entries(type.members).filter(([name]) => name !== 'sealed' && name !== 'actor' && name !== 'onBehalfOf')
  const sealed = Object.entries(type.sealed).map(([name, { field }]) => [name, field.example])
  const record: Typed = { type: type.type, v: 1, ...Object.fromEntries(open.map(([name, { field }]) => [name, field.example])) }
  if (sealed.length > 0) record.sealed = Object.fromEntries(sealed)
  if (type.type === 'evidence.attach') delete record.evidence
  if (type.type === 'access.read') delete record.leaf
  // What a type asks of its references beyond their form.
  if (type.members.refs!.required) Object.assign(record, type.example)
  // Fields of one kind share their example: through JSON, so that a test changes one of them alone.
  return JSON.parse(JSON.stringify(record)) as Typed
}
/** The smallest record. The example of `evidence.attach` lacks what its two alternatives stand for. */
function leastRecord(type: RecordType): Typed {
  return { ...exampleRecord(type), ...(type.type === 'evidence.attach' ? { list: '粤01-20200826-listaaaaaaaa' } : {}) }
}

/** Signs a body as it stands, whatever it is: what a hostile writer hands in. */
function signRaw(body: unknown, author: Author, trails: string[] = ['case:（2020）粤01民初1号'], sub = trails[0]!): Bytes {
  const claims = { iss: author.org, sub, aud: ORIGIN, iat: IAT, cti: randomBytes(16) }
  return signStatement({ ...claims, contentType: RECORD_CONTENT, trails, body: body as Encodable }, author.signer)
}

function refusal(run: () => unknown): { code: string; field: string | undefined } {
  try {
    run()
  } catch (error) {
    if (error instanceof LianzhengError) return { code: error.code, field: error.detail.field }
    throw error
  }
  throw new Error('was accepted')
}

const copy = <T>(value: T): T => structuredClone(value)
/** The body of a record as a plain object that can be changed and signed again. */
const bodyOf = (statement: Bytes): Record<string, unknown> => copy({ ...plainObject(decodeStatement(statement).body) })

describe.each(CATALOGUE.map((type) => [type.type, type] as const))('%s', (name, type) => {
  const author = authorOf(type)
  const records: [string, Typed][] = [
    ['least', leastRecord(type)],
    ['full', fullRecord(type)]
  ]

  test.each(records)('the %s record is signed, examined, and comes back as it was typed', (_, record) => {
    const typed = copy(record)
    const { statement, disclosures, sub, trails } = write(record, author)
    expect(record).toEqual(typed)

    const decoded = decodeStatement(statement)
    expect(verifyStatement(decoded, author.signer.publicKey)).toBe(true)
    expect({ iss: decoded.iss, aud: decoded.aud, iat: decoded.iat, sub: decoded.sub, trails: decoded.trails }).toEqual({
      iss: author.org,
      aud: ORIGIN,
      iat: IAT,
      sub,
      trails
    })
    expect(decoded.trails).toEqual([...new Set(trails)].sort(compareText))
    expect(decoded.kid).toEqual(keyId(author.signer.publicKey))

    const examined = examine(statement) as ExaminedRecord
    expect(examined.kind).toBe('record')
    expect(examined.type).toBe(type)
    expect(typeOf(record)).toBe(type)

    // CBOR → JSON: the open fields as they were typed, `v` and `actor` filled in, the sealed ones as digests.
    const json = bodyToJson(type, examined.body)
    expect(JSON.parse(JSON.stringify(json))).toEqual(json)
    const { sealed: digests, ...open } = json
    const { sealed: values = {}, ...typedOpen } = typed
    expect(open).toEqual({ v: 1, ...(author.staff === undefined ? {} : { actor: author.staff }), ...typedOpen })

    // JSON → CBOR: the same bytes.
    const { type: readType, v, ...rest } = JSON.parse(JSON.stringify(json))
    expect(encodeCbor({ type: readType, v, ...openFromJson(type, rest) } as Encodable)).toEqual(decoded.payload)

    // Each sealed field is disclosed once, under its name, with a salt of its own.
    const shown = matchDisclosures(examined, disclosures)
    checkNfc(examined, shown)
    expect(shown.map((disclosure) => disclosure.name)).toEqual(Object.keys(values as object))
    expect(digests ?? {}).toEqual(Object.fromEntries(shown.map((disclosure) => [disclosure.name, base64url(disclosure.digest)])))
    expect(Object.fromEntries(shown.map((disclosure) => [disclosure.name, disclosure.value]))).toEqual(values)
    expect(new Set(disclosures.map((bytes) => base64url((decodeDisclosure(bytes) as { digest: Bytes }).digest))).size).toBe(
      disclosures.length
    )
  })

  test('every required field that is missing is named', () => {
    const record = leastRecord(type)
    const body = bodyOf(write(record, author).statement)
    for (const [field, member] of Object.entries(type.members)) {
      if (!member.required) continue
      const { [field]: _, ...typed } = record
      expect(
        refusal(() => write(typed, author)),
        `typed ${field}`
      ).toEqual({ code: 'FIELD_MISSING', field })
      const { [field]: __, ...signed } = body
      expect(
        refusal(() => examine(signRaw(signed, author))),
        `signed ${field}`
      ).toEqual({ code: 'FIELD_MISSING', field })
    }
    const { v: _, ...unversioned } = body
    expect(refusal(() => examine(signRaw(unversioned, author)))).toEqual({ code: 'FIELD_MISSING', field: 'v' })
    const { type: __, ...untyped } = body
    expect(refusal(() => examine(signRaw(untyped, author)))).toEqual({ code: 'FIELD_MISSING', field: 'type' })
    const { type: ___, ...typedUntyped } = record
    expect(refusal(() => write(typedUntyped, author))).toEqual({ code: 'FIELD_MISSING', field: 'type' })
  })

  test('and so is every one inside objects and lists', () => {
    const record = fullRecord(type)
    const body = bodyOf(write(record, author).statement)
    for (const [field, inner, isList, member] of innerMembers(type)) {
      const path = `${field}${isList ? '[0]' : ''}.${inner}`
      const holder = isList ? (record[field] as Typed[])[0]! : (record[field] as Typed)
      // An object without members is not absent, and refused.
      const last = Object.keys(holder).length === 1
      const expected = member ? { code: 'FIELD_MISSING', field: path } : last ? { code: 'FIELD_INVALID', field } : 'accepted'
      for (const [value, submit] of [
        [record, (changed: unknown) => write(changed as Typed, author)],
        [body, (changed: unknown) => examine(signRaw(changed, author, [...trailsOfRaw(type, changed)], subOfRaw(type, changed)))]
      ] as const) {
        const changed = copy(value)
        delete (isList ? (changed[field] as Typed[])[0]! : (changed[field] as Typed))[inner]
        if (expected === 'accepted') expect(() => submit(changed), path).not.toThrow()
        else
          expect(
            refusal(() => submit(changed)),
            path
          ).toEqual(expected)
      }
    }
  })

  test('a field it does not have is refused by name, wherever it stands', () => {
    const record = fullRecord(type)
    const body = bodyOf(write(record, author).statement)
    for (const stranger of ['notes', 'Case', 'toString', 'constructor', '']) {
      expect(refusal(() => write({ ...record, [stranger]: 'x' }, author))).toEqual({ code: 'FIELD_UNKNOWN', field: stranger })
      expect(refusal(() => examine(signRaw({ ...body, [stranger]: 'x' }, author)))).toEqual({
        code: 'FIELD_UNKNOWN',
        field: stranger
      })
      expect(refusal(() => write({ ...record, sealed: { ...(record.sealed ?? {}), [stranger]: 'x' } }, author))).toEqual({
        code: 'FIELD_UNKNOWN',
        field: `sealed.${stranger}`
      })
      const sealed = { ...((body.sealed as Typed | undefined) ?? {}), [stranger]: new Uint8Array(32) }
      const whole = Object.keys(type.sealed).length > 0
      expect(refusal(() => examine(signRaw({ ...body, sealed }, author)))).toEqual({
        code: 'FIELD_UNKNOWN',
        field: whole ? `sealed.${stranger}` : 'sealed'
      })
    }
    for (const [field, isList] of new Map(innerMembers(type).map(([field, , isList]) => [field, isList]))) {
      const changed = copy(record)
      Object.assign(isList ? (changed[field] as Typed[])[0]! : (changed[field] as Typed), { stranger: 1 })
      const path = `${field}${isList ? '[0]' : ''}.stranger`
      expect(refusal(() => write(changed, author))).toEqual({ code: 'FIELD_UNKNOWN', field: path })
    }
    // A sealed field is not open, and an open one is not sealed.
    for (const field of Object.keys(type.sealed))
      if (type.members[field] === undefined)
        expect(refusal(() => write({ ...record, [field]: 'x' }, author))).toEqual({ code: 'FIELD_UNKNOWN', field })
    expect(refusal(() => write({ ...record, sealed: { at: record.at } }, author))).toEqual({
      code: 'FIELD_UNKNOWN',
      field: 'sealed.at'
    })
  })

  test('a value of the wrong kind is refused at its field', () => {
    const record = fullRecord(type)
    const body = bodyOf(write(record, author).statement)
    for (const [field, { field: form }] of Object.entries(type.members)) {
      if (field === 'sealed' || field === 'secrecy') continue
      const expected = { code: 'FIELD_INVALID', field }
      for (const wrong of [null, -1, '', [], [null], new Uint8Array(0), new Uint8Array(5), true, { stranger: 1 }]) {
        if (typeof wrong === 'boolean' && form.form === 'boolean') continue
        // A list that may be empty, and the unknown member of an object, are other cases.
        if (Array.isArray(wrong) && wrong.length === 0 && (form.form as { min?: number }).min === 0) continue
        const outcome = refusal(() => examine(signRaw({ ...body, [field]: wrong }, author)))
        const object = typeof wrong === 'object' && wrong !== null && 'stranger' in wrong
        expect(outcome.field!.replace(/[.[].*$/, ''), `${field} ${JSON.stringify(wrong)}`).toBe(field)
        expect(outcome.code).toMatch(object ? /^FIELD_/ : /^FIELD_INVALID$/)
      }
      for (const wrong of [null, -1, 1.5, '', [null], {}] as const) {
        if (typeof wrong === 'object' && wrong !== null && !Array.isArray(wrong) && allOptional(form.form)) continue
        const outcome = refusal(() => write({ ...record, [field]: wrong }, author))
        expect(outcome.field!.replace(/[.[].*$/, ''), `${field} ${JSON.stringify(wrong)}`).toBe(field)
        if (wrong === null || typeof wrong !== 'object') expect(outcome).toEqual(expected)
      }
    }
    for (const [field] of Object.entries(type.sealed)) {
      const sealed = (body.sealed as Typed)[field] as Bytes
      for (const wrong of [null, 1, 'x', sealed.slice(1), {}, []])
        expect(
          refusal(() => examine(signRaw({ ...body, sealed: { ...(body.sealed as Typed), [field]: wrong } }, author)))
        ).toEqual({
          code: 'FIELD_INVALID',
          field: `sealed.${field}`
        })
      for (const wrong of [null, 1, '', {}, true, 'a\0'])
        expect(refusal(() => write({ ...record, sealed: { [field]: wrong } }, author))).toEqual({
          code: 'FIELD_INVALID',
          field: `sealed.${field}`
        })
    }
    for (const wrong of [null, 1, 'x', []]) {
      expect(refusal(() => write({ ...record, sealed: wrong }, author))).toEqual({ code: 'FIELD_INVALID', field: 'sealed' })
      expect(refusal(() => examine(signRaw({ ...body, sealed: wrong }, author))).field).toBe('sealed')
    }
    // Absent is absent (formats.md §4).
    expect(refusal(() => examine(signRaw({ ...body, sealed: {} }, author))).field).toMatch(/^sealed/)
    expect(refusal(() => examine(signRaw({ ...body, refs: [] }, author)))).toEqual({ code: 'FIELD_INVALID', field: 'refs' })
  })

  test('another version is refused before its fields are looked at', () => {
    const body = bodyOf(write(leastRecord(type), author).statement)
    for (const v of [0, 2, 65_536]) {
      expect(refusal(() => write({ type: name, v }, author)).code).toBe('TYPE_VERSION_UNKNOWN')
      expect(refusal(() => examine(signRaw({ ...body, v }, author))).code).toBe('TYPE_VERSION_UNKNOWN')
    }
  })

  test('secrecy other than 无 is refused before anything else is said', () => {
    const body = bodyOf(write(leastRecord(type), author).statement)
    const classified = { code: 'CLASSIFIED_NOT_ACCEPTED', field: 'secrecy' }
    for (const secrecy of ['秘密', '机密', '绝密', '内部', '无 ', '', null, false, 0, [], {}]) {
      expect(refusal(() => write({ ...leastRecord(type), secrecy }, author))).toEqual(classified)
      expect(refusal(() => write({ type: name, v: 9, secrecy, sealed: 7, other: 1 }, USERS.lawyer))).toEqual(classified)
      expect(refusal(() => examine(signRaw({ ...body, secrecy }, author)))).toEqual(classified)
      expect(refusal(() => examine(signRaw({ type: name, v: 9, secrecy, other: 1 }, author)))).toEqual(classified)
    }
    expect(() => write({ ...leastRecord(type), secrecy: '无' }, author)).not.toThrow()
  })

  test('any other set of trails, or another sub, is refused', () => {
    const { statement, sub, trails } = write(fullRecord(type), author)
    const body = bodyOf(statement)
    expect(() => examine(signRaw(body, author, trails, sub))).not.toThrow()
    const extra = [...trails, 'power:粤01-R9999'].sort(compareText)
    expect(refusal(() => examine(signRaw(body, author, extra, sub)))).toEqual({ code: 'TRAILS_MISMATCH', field: 'trails' })
    for (const dropped of trails.filter((trail) => trail !== sub))
      expect(
        refusal(() =>
          examine(
            signRaw(
              body,
              author,
              trails.filter((trail) => trail !== dropped),
              sub
            )
          )
        )
      ).toEqual({ code: 'TRAILS_MISMATCH', field: 'trails' })
    for (const other of trails.filter((trail) => trail !== sub))
      expect(refusal(() => examine(signRaw(body, author, trails, other)))).toEqual({ code: 'TRAILS_MISMATCH', field: 'sub' })
    expect(refusal(() => examine(signRaw(body, author, ['power:粤01-R9999'])))).toEqual({ code: 'TRAILS_MISMATCH', field: 'sub' })
  })

  test('a key whose roles may not write it drafts nothing', () => {
    const stranger = { ...author, roles: ['nobody'] }
    expect(refusal(() => write(leastRecord(type), stranger)).code).toBe('ROLE_NOT_PERMITTED')
  })
})

/** [field, inner member, in a list, required] of every field that is an object or a list of objects. */
function innerMembers(type: RecordType): [field: string, inner: string, isList: boolean, required: boolean][] {
  return Object.entries(type.members).flatMap(([name, { field }]) => {
    if (name === 'sealed') return []
    const list = (field.form as { list?: Json }).list
    const form = list ?? field.form
    const example = list === undefined ? field.example : (field.example as Json[])[0]
    if (typeof form !== 'object' || form === null || typeof example !== 'object' || example === null) return []
    // Only members the example shows can be taken out of it.
    return Object.keys(example).map(
      (inner) => [name, inner, list !== undefined, Object.hasOwn(form, inner)] as [string, string, boolean, boolean]
    )
  })
}

function allOptional(form: Json): boolean {
  if (typeof form !== 'object' || form === null || Array.isArray(form) || 'list' in form) return false
  return Object.keys(form).every((name) => name.endsWith('?'))
}

const trailsOfRaw = (type: RecordType, body: unknown) => trailsOf(type, body as Body, ORIGIN).trails
const subOfRaw = (type: RecordType, body: unknown) => trailsOf(type, body as Body, ORIGIN).sub

describe('what a type says beyond its fields', () => {
  const fix = { ...leastRecord(recordType('evidence.fix')) }
  const a = 'aa'.repeat(32)
  const b = 'bb'.repeat(32)
  const files = (...list: Typed[]) => ({ ...fix, files: list.map((file) => ({ size: 1, ...file })) })

  test('the same digest twice in `files` is refused', () => {
    expect(() => write(files({ sha256: a, sm3: a }, { sha256: b, sm3: b }))).not.toThrow()
    expect(refusal(() => write(files({ sha256: a }, { sha256: b }, { sha256: a })))).toEqual({
      code: 'FIELD_INVALID',
      field: 'files[2].sha256'
    })
    expect(refusal(() => write(files({ sha256: a, sm3: b }, { sha256: b, sm3: b })))).toEqual({
      code: 'FIELD_INVALID',
      field: 'files[1].sm3'
    })
  })
  test('1 to 8 files; a size counts up to 2^53 − 1', () => {
    const many = (n: number) => files(...Array.from({ length: n }, (_, i) => ({ sha256: String(i).padStart(64, '0') })))
    expect(() => write(many(8))).not.toThrow()
    expect(refusal(() => write(many(9)))).toEqual({ code: 'FIELD_INVALID', field: 'files' })
    expect(refusal(() => write(many(0)))).toEqual({ code: 'FIELD_INVALID', field: 'files' })
    expect(() => write(files({ sha256: a, size: Number.MAX_SAFE_INTEGER }))).not.toThrow()
    expect(refusal(() => write(files({ sha256: a, size: 2 ** 53 })))).toEqual({ code: 'FIELD_INVALID', field: 'files[0].size' })
    expect(refusal(() => write(files({ sha256: a, size: -1 })))).toEqual({ code: 'FIELD_INVALID', field: 'files[0].size' })
  })
  test('digests are typed in hex, leaf hashes in base64url, and neither in the other form', () => {
    expect(refusal(() => write(files({ sha256: a.toUpperCase() })))).toEqual({ code: 'FIELD_INVALID', field: 'files[0].sha256' })
    expect(refusal(() => write(files({ sha256: 'A'.repeat(43) })))).toEqual({ code: 'FIELD_INVALID', field: 'files[0].sha256' })
    const ref = { rel: 'about', log: ORIGIN, leaf: 'A'.repeat(43) }
    expect(() => write({ ...fix, refs: [ref] })).not.toThrow()
    expect(refusal(() => write({ ...fix, refs: [ref, { ...ref, leaf: a }] }))).toEqual({
      code: 'FIELD_INVALID',
      field: 'refs[1].leaf'
    })
    expect(refusal(() => write({ ...fix, refs: [{ ...ref, rel: 'likes' }] }))).toEqual({
      code: 'FIELD_INVALID',
      field: 'refs[0].rel'
    })
    expect(refusal(() => write({ ...fix, refs: [{ ...ref, log: 'Court' }] }))).toEqual({
      code: 'FIELD_INVALID',
      field: 'refs[0].log'
    })
  })
  test('a list counts its items and names each piece once', () => {
    const whole = leastRecord(recordType('evidence.list'))
    const item = (whole.items as Typed[])[0]!
    const other = { ...item, evidence: '粤01-20200826-bbbbbbbbbbbb' }
    expect(() => write({ ...whole, count: 2, items: [item, other] })).not.toThrow()
    expect(refusal(() => write({ ...whole, count: 2 }))).toEqual({ code: 'FIELD_INVALID', field: 'count' })
    expect(refusal(() => write({ ...whole, count: 2, items: [item, item] }))).toEqual({
      code: 'FIELD_INVALID',
      field: 'items[1].evidence'
    })
    const receipt = leastRecord(recordType('evidence.receipt'))
    const received = (receipt.items as Typed[])[0]!
    expect(refusal(() => write({ ...receipt, items: [received, { ...received, form: 'copy' }] }))).toEqual({
      code: 'FIELD_INVALID',
      field: 'items[1].evidence'
    })
  })
  test('a list of 500 pieces fits into a statement, and 501 are refused', () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz'
    const piece = (i: number) =>
      `粤01-20200826-aaaaaaaaa${letters[Math.floor(i / 676) % 26]}${letters[Math.floor(i / 26) % 26]}${letters[i % 26]}`
    const of = (n: number) => Array.from({ length: n }, (_, i) => ({ evidence: piece(i), sha256: a }))
    const whole = leastRecord(recordType('evidence.list'))
    const { statement } = write({ ...whole, count: 500, items: of(500) })
    expect((examine(statement) as ExaminedRecord).body.count).toBe(500)
    expect(refusal(() => write({ ...whole, count: 501, items: of(501) })).code).toBe('FIELD_INVALID')
  })
  test('evidence is attached by list, by piece, or both, by one at least', () => {
    const { list: _, ...neither } = leastRecord(recordType('evidence.attach'))
    const list = '粤01-20200826-listaaaaaaaa'
    const evidence = '粤01-20200826-abcdefghijkl'
    expect(() => write({ ...neither, list })).not.toThrow()
    expect(() => write({ ...neither, evidence })).not.toThrow()
    expect(refusal(() => write(neither))).toEqual({ code: 'FIELD_MISSING', field: 'list' })
    expect(() => write({ ...neither, list, evidence })).not.toThrow()
  })
})

describe('what the tool fills in', () => {
  const fix = leastRecord(recordType('evidence.fix'))

  test('`actor` from the key; a key without staff code writes none', () => {
    expect((examine(write(fix, USERS.clerk).statement) as ExaminedRecord).body.actor).toBe('粤01-R0101')
    expect((examine(write(fix, USERS.lawyer).statement) as ExaminedRecord).body).not.toHaveProperty('actor')
    expect((examine(write({ ...fix, actor: '粤01-R0101' }, USERS.clerk).statement) as ExaminedRecord).body.actor).toBe(
      '粤01-R0101'
    )
    expect(refusal(() => write({ ...fix, actor: '粤01-R0102' }, USERS.clerk))).toEqual({ code: 'ACTOR_MISMATCH', field: 'actor' })
    expect(refusal(() => write({ ...fix, actor: '粤01-R0101' }, USERS.lawyer))).toEqual({
      code: 'ACTOR_MISMATCH',
      field: 'actor'
    })
  })
  test('a secretary writes on the trail of the leader named', () => {
    const access = leastRecord(recordType('supervision.access'))
    expect(refusal(() => write(access, USERS.secretary))).toEqual({ code: 'FIELD_MISSING', field: 'onBehalfOf' })
    const { sub, statement } = write({ ...access, onBehalfOf: '粤01-R0001' }, USERS.secretary)
    expect(sub).toBe('power:粤01-R0001')
    const { body } = examine(statement) as ExaminedRecord
    expect([body.actor, body.onBehalfOf]).toEqual(['粤01-R0002', '粤01-R0001'])
    expect(refusal(() => write({ ...access, onBehalfOf: '粤01-R0201' }, USERS.president))).toEqual({
      code: 'FIELD_INVALID',
      field: 'onBehalfOf'
    })
  })
  test('nothing else: `v` alone may be left out of what is typed', () => {
    expect(bodyToJson(recordType('evidence.fix'), (examine(write(fix, USERS.lawyer).statement) as ExaminedRecord).body)).toEqual({
      ...fix,
      v: 1
    })
  })
  test('the same randomness gives the same bytes; other randomness another cti and other salts', () => {
    const record = fullRecord(recordType('evidence.fix'))
    const one = write(record, USERS.clerk, counter('draft'))
    expect(write(record, USERS.clerk, counter('draft'))).toEqual(one)
    const two = write(record, USERS.clerk, counter('another'))
    expect(decodeStatement(two.statement).cti).not.toEqual(decodeStatement(one.statement).cti)
    for (const [i, disclosure] of two.disclosures.entries()) expect(disclosure).not.toEqual(one.disclosures[i])
  })
  test('what is refused takes nothing of the signer', () => {
    let signed = 0
    const signer = {
      publicKey: USERS.clerk.signer.publicKey,
      sign: () => {
        signed++
        return new Uint8Array(64)
      }
    }
    const author = { ...USERS.clerk, signer }
    for (const bad of [
      { ...fix, secrecy: '机密' },
      { ...fix, files: [] },
      { ...fix, other: 1 },
      { ...fix, sealed: { other: 'x' } }
    ])
      refusal(() => write(bad, author))
    refusal(() => write(fix, { ...author, roles: ['judge'] }))
    expect(signed).toBe(0)
    write(fix, author)
    expect(signed).toBe(1)
  })
})

test.each([undefined, null, 1, 'evidence.fix', [], {}, { type: 1 }, { type: null }])('%j is no record', (record) => {
  expect(refusal(() => typeOf(record))).toEqual({ code: 'FIELD_MISSING', field: 'type' })
})
test.each(['', 'evidence', 'toString', '__proto__', 'ledger.seal'])('%j is no type', (type) => {
  expect(refusal(() => typeOf({ type })).code).toBe('TYPE_UNKNOWN')
})
