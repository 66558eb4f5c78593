import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { compactDecrypt } from 'jose'
import { afterAll, describe, expect, it } from 'vitest'
import { parseKey } from '../../src/client/keyfile.ts'
import { base64url } from '../../src/core/bytes.ts'
import { ed25519Signer, keyId } from '../../src/core/keys.ts'
import { Desk, leaked } from '../helpers/cli.ts'

const PASSPHRASE = 'correct horse 电池 staple'
const desk = new Desk()
const secrets: string[] = [PASSPHRASE]
const kept = async (file: string, passphrase?: string) => {
  const key = await parseKey(readFileSync(file, 'utf8'), async () => passphrase)
  secrets.push(base64url(key.secret!.seed))
  return key
}
const mode = (file: string) => statSync(file).mode & 0o777

afterAll(() => {
  expect(secrets.length).toBeGreaterThan(4)
  expect(leaked(secrets)).toEqual([])
})

describe('key new', () => {
  it('writes a JWK for its owner alone, and shows what is public of it', async () => {
    const file = desk.path('plain.key.json')
    const shown = await desk.json(['key', 'new', '--out', file])
    const key = await kept(file)
    expect(mode(file)).toBe(0o600)
    expect(shown).toEqual({ file, kid: key.kid, publicKey: base64url(key.publicKey), secret: true })
    const jwk = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    expect(Object.keys(jwk).sort()).toEqual(['crv', 'd', 'kid', 'kty', 'x'])
    expect(jwk.kid).toBe(base64url(keyId(ed25519Signer(key.secret!.seed).publicKey)))
  })

  it('makes another key every time, and none over another', async () => {
    const [one, two] = [desk.path('one.json'), desk.path('two.json')]
    const kids = [await desk.json(['key', 'new', '--out', one]), await desk.json(['key', 'new', '--out', two])].map(
      ({ kid }) => kid
    )
    expect(new Set(kids).size).toBe(2)
    const before = readFileSync(one, 'utf8')
    const again = await desk.run(['key', 'new', '--out', one])
    expect([again.status, again.err.split(':')[0]]).toEqual([2, 'error FILE_EXISTS'])
    expect(readFileSync(one, 'utf8')).toBe(before)
  })

  it('encrypts it under a passphrase from the environment: PBES2-HS512+A256KW and A256GCM', async () => {
    const file = desk.path('locked.json')
    await desk.json(['key', 'new', '--out', file, '--passphrase'], 0, { env: { LIANZHENG_PASSPHRASE: PASSPHRASE } })
    const text = readFileSync(file, 'utf8')
    expect(mode(file)).toBe(0o600)
    const { protectedHeader, plaintext } = await compactDecrypt(text.trim(), new TextEncoder().encode(PASSPHRASE), {
      keyManagementAlgorithms: ['PBES2-HS512+A256KW'],
      maxPBES2Count: 10_000_000
    })
    expect(protectedHeader).toMatchObject({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM' })
    expect(protectedHeader.p2c).toBeGreaterThanOrEqual(210_000)
    const { kid, d } = JSON.parse(new TextDecoder().decode(plaintext)) as { kid: string; d: string }
    secrets.push(d)
    expect(await desk.json(['key', 'show', file], 0, { env: { LIANZHENG_PASSPHRASE: PASSPHRASE } })).toMatchObject({ kid })
  })

  it('or as it is typed, and asks in the language of the user', async () => {
    const file = desk.path('typed.json')
    await desk.json(['key', 'new', '--out', file, '--passphrase', '--lang', 'zh'], 0, { typed: PASSPHRASE })
    expect(desk.prompts.slice(-2)).toEqual(['口令：', '再输入一次：'])
    await kept(file, PASSPHRASE)
    await desk.json(['key', 'show', file], 0, { typed: PASSPHRASE })
    expect(desk.prompts.at(-1)).toBe(`Passphrase of ${file}: `)
  })

  it('writes nothing where nobody gives one', async () => {
    for (const outside of [{}, { typed: '' }, { env: { LIANZHENG_PASSPHRASE: '' } }]) {
      const { status, err } = await desk.run(['key', 'new', '--out', desk.path('none.json'), '--passphrase'], outside)
      expect([status, err.split(':')[0]]).toEqual([2, 'error KEY_PASSPHRASE'])
    }
    expect(existsSync(desk.path('none.json'))).toBe(false)
  })

  it('says so where the file cannot be written', async () => {
    const { status, err } = await desk.run(['key', 'new', '--out', desk.path('no', 'such', 'folder', 'k.json')])
    expect([status, err.split(':')[0]]).toEqual([2, 'error FILE_UNREADABLE'])
  })
})

describe('key show', () => {
  const show = (file: string, outside = {}) => desk.run(['key', 'show', file], outside)

  it('refuses a wrong passphrase, and none', async () => {
    const file = desk.path('locked.json')
    for (const outside of [{}, { typed: 'wrong' }, { env: { LIANZHENG_PASSPHRASE: `${PASSPHRASE} ` } }, { typed: '' }]) {
      const { status, err } = await show(file, outside)
      expect([status, err.split(':')[0]]).toEqual([2, 'error KEY_PASSPHRASE'])
    }
  })

  it('refuses a file that is no key, without quoting it', async () => {
    const good = JSON.parse(readFileSync(desk.path('plain.key.json'), 'utf8')) as Record<string, unknown>
    const other = JSON.parse(readFileSync(desk.path('one.json'), 'utf8')) as Record<string, unknown>
    const [, , , cipher] = readFileSync(desk.path('locked.json'), 'utf8').split('.')
    const files: [unknown, string?][] = [
      [{ ...good, kty: 'EC' }, 'kty'],
      [{ ...good, crv: 'X25519' }, 'kty'],
      [{ ...good, x: 'AAAA' }, 'x'],
      [{ ...good, x: other.x }, 'kid'],
      [{ ...good, kid: other.kid }, 'kid'],
      [{ ...good, d: other.d }, 'd'],
      [{ ...good, d: 7 }, 'd'],
      [{ ...good, d: `${String(good.d)}=` }, 'd'],
      [`${JSON.stringify(good)},`],
      ['{"d":'],
      [''],
      ['text'],
      [`a.b.c.${cipher}`]
    ]
    secrets.push(String(other.d))
    for (const [content, field] of files) {
      const file = desk.path('bad.json')
      writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
      const answer = await desk.json<{ error: Record<string, string> }>(['key', 'show', file], 2)
      expect([content, answer.error.code]).toEqual([content, 'KEY_FILE_INVALID'])
      if (field !== undefined) expect(answer.error.field).toBe(field)
      for (const secret of [good.d, other.d]) expect(JSON.stringify(answer)).not.toContain(secret)
    }
  })

  it('shows a public key file too; no command signs with one', async () => {
    const { d, ...half } = JSON.parse(readFileSync(desk.path('plain.key.json'), 'utf8')) as Record<string, string>
    const file = desk.path('public.json')
    writeFileSync(file, JSON.stringify(half))
    expect(await desk.json(['key', 'show', file])).toMatchObject({ kid: half.kid, secret: false })
    const { status, err } = await desk.run(['submit', file, '--key', file, '--url', 'http://127.0.0.1:1', '-o', desk.path('out')])
    expect([d === undefined, status, err.split(':')[0]]).toEqual([false, 2, 'error KEY_FILE_INVALID'])
  })

  it('opens what an encrypted file was changed in no more', async () => {
    const parts = readFileSync(desk.path('locked.json'), 'utf8').trim().split('.')
    for (const at of [1, 2, 3, 4]) {
      const changed = parts.with(at, (parts[at]!.startsWith('A') ? 'B' : 'A') + parts[at]!.slice(1))
      writeFileSync(desk.path('changed.json'), changed.join('.'))
      const { status, err } = await show(desk.path('changed.json'), { typed: PASSPHRASE })
      expect([status, err.split(':')[0]]).toEqual([2, 'error KEY_PASSPHRASE'])
    }
  })
})
