import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { plainVerifier, useNative } from '../../src/node/native.ts'
import { type Check, readChecks, writeChecks } from '../../src/node/signatures.ts'

useNative()
const signers = Array.from({ length: 5 }, (_, i) => ed25519Signer(new Uint8Array(32).fill(i + 1)))

/** Every third one is wrong: another message, a flipped bit, another key, a key that is none. */
const checks = Array.from({ length: 600 }, (_, i): Check => {
  const signer = signers[i % signers.length]!
  const message = utf8('m'.repeat(i % 97) + i)
  const signature = signer.sign(message)
  if (i % 3 > 0) return { key: signer.publicKey, message, signature }
  if (i % 4 === 0) return { key: signer.publicKey, message: utf8('another'), signature }
  if (i % 4 === 1) return { key: signer.publicKey, message, signature: signature.with(i % 64, signature[i % 64]! ^ 1) }
  if (i % 4 === 2) return { key: signers[(i + 1) % signers.length]!.publicKey, message, signature }
  return { key: new Uint8Array(32).fill(0xff), message, signature }
})

test('checks are read as they were written', () => {
  expect(readChecks(writeChecks(checks))).toEqual(checks)
  expect(readChecks(writeChecks([]))).toEqual([])
})

test('the threads of a built node give the verdicts of the plain verifier, whatever comes together', async () => {
  const built = new URL('../../dist/node/native.js', import.meta.url)
  if (!existsSync(built)) throw new Error('build first: npm run build')
  const { nativeVerifier } = (await import(built.href)) as typeof import('../../src/node/native.ts')
  const by = (verifier: typeof nativeVerifier, some: readonly Check[]) =>
    Promise.all(some.map(({ key, message, signature }) => verifier(key, message, signature)))
  const expected = await by(plainVerifier, checks)
  expect(new Set(expected).size).toBe(2)
  expect(await by(nativeVerifier, checks)).toEqual(expected)
  for (const { key, message, signature } of checks.slice(0, 9))
    expect(await nativeVerifier(key, message, signature)).toBe(await plainVerifier(key, message, signature))
  expect(await nativeVerifier(checks[1]!.key, checks[1]!.message, checks[1]!.signature.subarray(1))).toBe(false)
  expect(await nativeVerifier(new Uint8Array(31), checks[1]!.message, checks[1]!.signature)).toBe(false)
})
