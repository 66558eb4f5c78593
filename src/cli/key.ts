/** `key new`, `key show`, and reading key files for the other commands. */
import { randomBytes } from 'node:crypto'
import { formatKey, type Key, parseKey } from '../client/keyfile.ts'
import { base64url } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type Io, printJson, readText, say, words, writeNew } from './io.ts'

export async function readKey(file: string, io: Io): Promise<Key> {
  return parseKey(
    readText(file),
    async () => io.env.LIANZHENG_PASSPHRASE ?? io.askSecret(words(io, `${file} 的口令：`, `Passphrase of ${file}: `))
  )
}

/** A key that can sign. */
export async function readSecretKey(file: string, io: Io): Promise<Key & { secret: NonNullable<Key['secret']> }> {
  const key = await readKey(file, io)
  if (key.secret === undefined)
    throw new LianzhengError('KEY_FILE_INVALID', { at: file, field: 'd', expected: words(io, '私钥', 'the secret key') })
  return { ...key, secret: key.secret }
}

export async function runNew(args: { out: string; passphrase?: boolean }, io: Io): Promise<number> {
  let passphrase: string | undefined
  if (args.passphrase === true) {
    passphrase = io.env.LIANZHENG_PASSPHRASE ?? (await io.askSecret(words(io, '口令：', 'Passphrase: ')))
    if (passphrase === undefined || passphrase === '') throw new LianzhengError('KEY_PASSPHRASE')
    if (
      io.env.LIANZHENG_PASSPHRASE === undefined &&
      (await io.askSecret(words(io, '再输入一次：', 'Once more: '))) !== passphrase
    )
      throw new LianzhengError('KEY_PASSPHRASE', { expected: words(io, '两次相同的口令', 'the same passphrase twice') })
  }
  const text = await formatKey(new Uint8Array(randomBytes(32)), passphrase)
  writeNew(args.out, text, 0o600)
  return show(await parseKey(text, async () => passphrase), args.out, io)
}

export async function runShow(args: { file: string }, io: Io): Promise<number> {
  return show(await readKey(args.file, io), args.file, io)
}

function show(key: Key, file: string, io: Io): number {
  const publicKey = base64url(key.publicKey)
  if (io.json) printJson(io, { file, kid: key.kid, publicKey, secret: key.secret !== undefined })
  say(io, `密钥编号 kid  ${key.kid}\n公钥          ${publicKey}`, `key id (kid)  ${key.kid}\npublic key    ${publicKey}`)
  return 0
}
