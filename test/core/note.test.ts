import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { base64, concat, fromHex, hex } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import {
  formatNote,
  formatSignatureLine,
  formatVkey,
  keyLabel,
  MLDSA44_PUBLIC_KEY_SIZE,
  makeVkey,
  noteKeyId,
  parseNote,
  parseSignatureLine,
  parseVkey,
  signNote,
  TYPE_COSIGNATURE,
  TYPE_ED25519,
  TYPE_MLDSA44,
  verifyNoteSignature
} from '../../src/core/note.ts'
import { exampleIn } from '../helpers/example.ts'

const vectors = JSON.parse(readFileSync(new URL('../vectors/note.json', import.meta.url), 'utf8')) as {
  keys: { name: string; seed: string; vkey: string }[]
  notes: { note: string; text: string; signers: number }[]
}

/** `CODE@line` of the refusal; anything that is not a refusal fails the test. */
function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code}@${error.detail.at ?? error.detail.field}`
    throw error
  }
  return 'accepted'
}

test('the example in the opening comment', () => {
  const example = exampleIn('src/core/note.ts')
  const split = example.indexOf('\n\n')
  const vkey = parseVkey(example.slice(0, split))
  const text = example.slice(split + 2)
  const note = parseNote(text)
  expect(note.text).toBe('This is an example message.\n')
  expect(note.signatures.map(({ name, keyId }) => keyLabel(name, keyId))).toEqual(['example.com/foo+530d903a'])
  expect(verifyNoteSignature(note.text, note.signatures[0]!, vkey)).toBe(true)
  expect(formatNote(note)).toBe(text)
  expect(formatVkey(vkey)).toBe(example.slice(0, split))
})

describe('notes signed by Go', () => {
  const vkeys = vectors.keys.map(({ vkey }) => parseVkey(vkey))

  test.each(vectors.keys)('key $name', ({ name, seed, vkey }) => {
    const { publicKey } = ed25519Signer(fromHex(seed))
    expect(formatVkey(makeVkey(name, TYPE_ED25519, publicKey))).toBe(vkey)
    expect(formatVkey(parseVkey(vkey))).toBe(vkey)
  })

  test.each(vectors.notes)('$note', ({ note, text, signers }) => {
    const parsed = parseNote(note)
    expect(parsed.text).toBe(text)
    expect(parsed.signatures.length).toBe(signers)
    expect(formatNote(parsed)).toBe(note)
    for (const [i, signature] of parsed.signatures.entries())
      for (const [j, vkey] of vkeys.entries()) {
        expect(verifyNoteSignature(text, signature, vkey)).toBe(i === j)
        expect(verifyNoteSignature(`${text}x\n`, signature, vkey)).toBe(false)
      }
    const signatures = vectors.keys.slice(0, signers).map(({ name, seed }) => signNote(text, name, ed25519Signer(fromHex(seed))))
    expect(formatNote({ text, signatures })).toBe(note)
  })
})

describe('parseNote', () => {
  const { note } = vectors.notes[1]!
  const [line1, line2] = note.slice(note.indexOf('\u2014')).split('\n') as [string, string]
  const text = note.slice(0, note.indexOf('\u2014'))
  const withName = (name: string) => `${text}\u2014 ${name} AAAAAAA=\n`
  const withBase64 = (encoded: string) => `${text}\u2014 a ${encoded}\n`

  test('the form these tests damage is accepted', () => {
    expect(refusal(() => parseNote(`${text}${line1}\n${line2}\n`))).toBe('accepted')
    expect(refusal(() => parseNote(withName('a')))).toBe('accepted')
  })

  test.each([
    ['empty', '', 1],
    ['a newline', '\n', 1],
    ['no signatures', text, 5],
    ['no empty line', `a\n${line1}\n`, 2],
    ['text without its newline', `a${line1}\n`, 1],
    ['no last newline', note.slice(0, -1), 6],
    ['two last newlines', `${note}\n`, 8],
    ['a line that is no signature', `${note}x\n`, 7],
    ['an empty line between signatures, which makes the first part of the text', `${text}${line1}\n\nx\n`, 7],
    ['a hyphen for the dash', `${text}${line1.replace('\u2014', '-')}\n`, 5],
    ['no space after the dash', `${text}${line1.replace('\u2014 ', '\u2014')}\n`, 5],
    ['two spaces', `${text}${line1.replace('\u2014 ', '\u2014  ')}\n`, 5],
    ['a space at the end', `${text}${line1} \n`, 5],
    ['a fourth field', `${text}${line1} x\n`, 5],
    ['a carriage return', note.replaceAll('\n', '\r\n'), 1],
    ['a tab in the text', `a\tb\n\n${line1}\n`, 1],
    ['a zero byte on line 3', note.replace('47DE', '\u0000'), 3],
    ['an escape', `a\n\n${line1}\u001b\n`, 3],
    ['a lone surrogate', `a\ud800\n\n${line1}\n`, 1],
    ['the same line twice', `${note}${line1}\n`, 7],
    ['another signature under the same name and key id', `${withBase64('AAAAAAE=')}\u2014 a AAAAAAI=\n`, 6]
  ])('%s', (_, damaged, line) => {
    expect(refusal(() => parseNote(damaged))).toBe(`NOTE_INVALID@${line}`)
  })

  test.each([...'\u0085\u00a0\u1680\u2000\u2001\u2005\u200a\u2028\u2029\u202f\u205f\u3000+'])('a name with %j', (character) => {
    expect(refusal(() => parseNote(withName(`a${character}b`)))).toBe('NOTE_INVALID@5')
    expect(refusal(() => parseNote(withName(character)))).toBe('NOTE_INVALID@5')
    expect(refusal(() => formatSignatureLine({ name: `a${character}`, keyId: 1, signature: Uint8Array.of(1) }, 7))).toBe(
      'NOTE_INVALID@7'
    )
  })

  test.each(['\ufeffa', '\u200b', '\u180e', '链证.example/log', '\u{1f512}', '<>', '\u007f'])('the name %j is one', (name) => {
    expect(formatNote(parseNote(withName(name)))).toBe(withName(name))
  })

  test('an empty name', () => {
    expect(refusal(() => parseNote(`${text}\u2014  AAAAAAA=\n`))).toBe('NOTE_INVALID@5')
  })

  test.each([
    ['no padding', 'AAAAAAA'],
    ['too much padding', 'AAAAAAA=='],
    ['spare bits', 'AAAAAAB='],
    ['URL alphabet', 'AAAAA-_='],
    ['junk', 'AAAA!AA='],
    ['nothing', ''],
    ['a key id and no signature', base64(new Uint8Array(4))],
    ['less than a key id', base64(new Uint8Array(3))]
  ])('base64: %s', (_, encoded) => {
    expect(refusal(() => parseNote(withBase64(encoded)))).toBe('NOTE_INVALID@5')
  })

  test('the same id under another name, and the same name with another id, are other keys', () => {
    const two = `${withBase64('AAAAAAE=')}\u2014 b AAAAAAE=\n\u2014 a AAAAAQE=\n`
    expect(parseNote(two).signatures.map(({ name, keyId }) => keyLabel(name, keyId))).toEqual([
      'a+00000000',
      'b+00000000',
      'a+00000001'
    ])
  })

  test('at most 100 signatures', () => {
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `\u2014 k${i} AAAAAAA=\n`).join('')
    expect(parseNote(text + lines(100)).signatures.length).toBe(100)
    expect(refusal(() => parseNote(text + lines(101)))).toBe('NOTE_INVALID@105')
    const { signatures } = parseNote(text + lines(100))
    expect(refusal(() => formatNote({ text: 'a\n', signatures: [...signatures, { ...signatures[0]!, name: 'x' }] }))).toBe(
      'NOTE_INVALID@3'
    )
  })

  test('the text ends at the last empty line', () => {
    const inner = `a\n\n${line1}\n`
    expect(parseNote(`${inner}\n${line2}\n`)).toMatchObject({ text: inner, signatures: [{ name: vectors.keys[1]!.name }] })
    expect(parseNote(`\n\n${line1}\n`).text).toBe('\n')
  })
})

describe('formatNote', () => {
  const signature = { name: 'a', keyId: 0xffffffff, signature: Uint8Array.of(1) }

  test.each([
    ['no signature', { text: 'a\n', signatures: [] }, 3],
    ['text without a newline, which would be read otherwise', { text: 'a\n\n\u2014 x AAAAAAA=', signatures: [signature] }, 3],
    ['a control character', { text: 'a\nb\u0007\n', signatures: [signature] }, 2],
    ['one key twice', { text: 'a\n', signatures: [signature, { ...signature, signature: Uint8Array.of(2) }] }, 4],
    ['an empty signature', { text: 'a\n', signatures: [{ ...signature, signature: new Uint8Array() }] }, 3],
    ['a key id of 33 bits', { text: 'a\n', signatures: [{ ...signature, keyId: 2 ** 32 }] }, 3],
    ['a negative key id', { text: 'a\n', signatures: [{ ...signature, keyId: -1 }] }, 3],
    ['a newline in a name', { text: 'a\n', signatures: [{ ...signature, name: 'a\nb' }] }, 3]
  ])('%s', (_, note, line) => {
    expect(refusal(() => formatNote(note))).toBe(`NOTE_INVALID@${line}`)
  })

  const name = fc
    .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
    .filter((text) => !/[\s\u0085+\u0000-\u001f]/u.test(text))
  const signatures = fc.uniqueArray(
    fc.record({
      name,
      keyId: fc.integer({ min: 0, max: 0xffffffff }),
      signature: fc.uint8Array({ minLength: 1, maxLength: 90 })
    }),
    { minLength: 1, maxLength: 6, selector: ({ name, keyId }) => keyLabel(name, keyId) }
  )
  const text = fc
    .array(fc.oneof(fc.constant(''), fc.constant('\u2014 a AAAAAAA='), fc.string({ unit: 'grapheme' })), {
      minLength: 1,
      maxLength: 6
    })
    .map((lines) => `${lines.join('\n').replace(/[\u0000-\u0009\u000b-\u001f]/g, '')}\n`)
  const notes = fc.record({ text, signatures })

  test('inverse of parseNote', () => {
    fc.assert(
      fc.property(notes, (note) => {
        const formatted = formatNote(note)
        const parsed = parseNote(formatted)
        expect(parsed.text).toBe(note.text)
        expect(parsed.signatures.map((s) => ({ ...s, signature: hex(s.signature) }))).toEqual(
          note.signatures.map((s) => ({ ...s, signature: hex(s.signature) }))
        )
      }),
      { numRuns: 200 }
    )
  })

  test('whatever parseNote accepts it gives back byte for byte', () => {
    const pieces = ['\n', '\n\n', '\u2014', ' ', 'a', '\u2014 a AAAAAAA=', '\u2014 b AAAAAAA=\n', '=', 'A', '\u3000', '\ud800']
    let accepted = 0
    fc.assert(
      fc.property(notes, fc.nat(), fc.nat({ max: 2 }), fc.constantFrom(...pieces), (note, place, drop, piece) => {
        const whole = formatNote(note)
        const at = place % (whole.length + 1)
        const changed = whole.slice(0, at) + piece + whole.slice(at + drop)
        if (refusal(() => parseNote(changed)).startsWith('NOTE_INVALID@')) return
        accepted++
        expect(formatNote(parseNote(changed))).toBe(changed)
      }),
      { numRuns: 500 }
    )
    expect(accepted).toBeGreaterThan(20)
  })
})

describe('one signature line', () => {
  const line = '\u2014 a AAAAAQI=\n'

  test('both ways', () => {
    const signature = parseSignatureLine(line)
    expect(signature).toMatchObject({ name: 'a', keyId: 1 })
    expect(hex(signature.signature)).toBe('02')
    expect(formatSignatureLine(signature)).toBe(line)
  })

  test.each(['', '\n', line.slice(0, -1), line + line, `${line}\n`, `\n${line}`, line.replace('a', '\u0001')])(
    '%j is none',
    (text) => {
      expect(refusal(() => parseSignatureLine(text, 9))).toMatch(/^NOTE_INVALID@/)
    }
  )
})

describe('vkeys', () => {
  const { publicKey } = ed25519Signer(new Uint8Array(32).fill(7))
  const vkeyText = (name: string, type: number, key: Uint8Array) =>
    `${keyLabel(name, noteKeyId(name, type, key))}+${base64(concat(Uint8Array.of(type), key))}`

  test('key id: SHA-256(name ‖ newline ‖ type ‖ key)', () => {
    // From the standards' examples: 01 of the signed note, 04 of a witness.
    const w = parseVkey('witness.example/w1+0deeb34d+BDGbKZlUosXKJcVvH6KLSq8tN66r4O54CYJZbVLbW96J')
    expect(noteKeyId('witness.example/w1', TYPE_COSIGNATURE, w.key)).toBe(0x0deeb34d)
    expect(noteKeyId('witness.example/w1', TYPE_ED25519, w.key)).not.toBe(0x0deeb34d)
    expect(noteKeyId('witness.example/w2', TYPE_COSIGNATURE, w.key)).not.toBe(0x0deeb34d)
  })

  test.each([TYPE_ED25519, TYPE_COSIGNATURE, TYPE_MLDSA44])('type %i both ways', (type) => {
    const key = type === TYPE_MLDSA44 ? new Uint8Array(MLDSA44_PUBLIC_KEY_SIZE).fill(5) : publicKey
    const vkey = makeVkey('a.example/log', type, key)
    expect(parseVkey(formatVkey(vkey))).toEqual(vkey)
    expect(formatVkey(vkey)).toBe(vkeyText('a.example/log', type, key))
  })

  test.each([
    ['two parts', 'a+00000000', undefined],
    ['empty', '', undefined],
    ['a newline at the end', `${vkeyText('a', 1, publicKey)}\n`, undefined],
    ['an upper-case id', vkeyText('a', 1, publicKey).replace(/\+[0-9a-f]{8}\+/, (id) => id.toUpperCase()), undefined],
    ['an id of 7 digits', vkeyText('a', 1, publicKey).replace(/\+[0-9a-f]/, '+'), undefined],
    ['another id', vkeyText('a', 1, publicKey).replace('a+', 'b+'), 'id'],
    ['an empty name', vkeyText('', 1, publicKey), 'name'],
    ['a space in the name', vkeyText('a b', 1, publicKey), 'name'],
    ['an ideographic space', vkeyText('a\u3000b', 1, publicKey), 'name'],
    ['a control character', vkeyText('a\u0007', 1, publicKey), 'name'],
    ['base64 without padding', vkeyText('a', 6, new Uint8Array(1312)).replaceAll('=', ''), 'key'],
    ['no key', `a+00000000+`, 'key'],
    ['31 bytes', vkeyText('a', 1, publicKey.subarray(1)), 'key'],
    ['33 bytes', vkeyText('a', 4, concat(publicKey, Uint8Array.of(0))), 'key'],
    ['32 bytes of ML-DSA-44', vkeyText('a', 6, publicKey), 'key'],
    ['1313 bytes of ML-DSA-44', vkeyText('a', 6, new Uint8Array(1313)), 'key'],
    ['1312 bytes of Ed25519', vkeyText('a', 1, new Uint8Array(1312)), 'key'],
    ['a key of small order', vkeyText('a', 1, concat(Uint8Array.of(1), new Uint8Array(31))), 'key'],
    ['a key that is no point', vkeyText('a', 4, concat(Uint8Array.of(2), new Uint8Array(31))), 'key'],
    ['a non-canonical key', vkeyText('a', 1, new Uint8Array(32).fill(0xff)), 'key'],
    ['ECDSA', vkeyText('a', 2, publicKey), 'type'],
    ['type 00', vkeyText('a', 0, publicKey), 'type'],
    ['type 05', vkeyText('a', 5, publicKey), 'type']
  ])('%s', (_, text, field) => {
    expect(refusal(() => parseVkey(text))).toBe(`VKEY_INVALID@${field}`)
  })

  test('every cut and every changed character of a vkey is refused', () => {
    const text = vkeyText('court.example/evidence', 1, publicKey)
    for (let end = 0; end < text.length; end++) expect(refusal(() => parseVkey(text.slice(0, end)))).toMatch(/^VKEY_INVALID@/)
    for (let i = 0; i < text.length; i++) {
      const changed = text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) + 1) + text.slice(i + 1)
      expect(refusal(() => parseVkey(changed))).toMatch(/^VKEY_INVALID@/)
    }
  })

  test('what is made and written is checked too', () => {
    const vkey = makeVkey('a', TYPE_ED25519, publicKey)
    expect(refusal(() => formatVkey({ ...vkey, id: vkey.id + 1 }))).toBe('VKEY_INVALID@id')
    expect(refusal(() => makeVkey('a\ufeff', TYPE_ED25519, publicKey))).toBe('VKEY_INVALID@name')
    expect(refusal(() => parseVkey(vkeyText('a\ufeff', TYPE_ED25519, publicKey)))).toBe('accepted')
    expect(refusal(() => makeVkey('a+b', TYPE_ED25519, publicKey))).toBe('VKEY_INVALID@name')
  })
})

describe('signatures of type 01', () => {
  const signer = ed25519Signer(new Uint8Array(32).fill(9))
  const vkey = makeVkey('a', TYPE_ED25519, signer.publicKey)
  const text = 'text\n'
  const signature = signNote(text, 'a', signer)

  test('name, id, type, text and bytes all count', () => {
    expect(verifyNoteSignature(text, signature, vkey)).toBe(true)
    expect(verifyNoteSignature('text', signature, vkey)).toBe(false)
    expect(verifyNoteSignature(text, { ...signature, name: 'b' }, vkey)).toBe(false)
    expect(verifyNoteSignature(text, { ...signature, keyId: 1 }, vkey)).toBe(false)
    expect(verifyNoteSignature(text, { ...signature, signature: signature.signature.subarray(1) }, vkey)).toBe(false)
    expect(verifyNoteSignature(text, { ...signature, signature: concat(signature.signature, Uint8Array.of(0)) }, vkey)).toBe(
      false
    )
    const cosigner = makeVkey('a', TYPE_COSIGNATURE, signer.publicKey)
    expect(verifyNoteSignature(text, { ...signature, keyId: cosigner.id }, cosigner)).toBe(false)
  })
})
