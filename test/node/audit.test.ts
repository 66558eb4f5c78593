/** `lianzheng/audit`, as a program that depends on the package sees it: what its docstring shows runs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { auditStore, disclosureCipherOf, nativeVerifier, openLevel, parsePolicy, useNative } from '../../src/node/audit.ts'
import { Lab } from '../helpers/lab.ts'

test('the package gives it a name, and its example runs', async () => {
  expect(manifest.exports['./audit'].default).toBe('./dist/node/audit.js')
  const directory = mkdtempSync(join(tmpdir(), 'lianzheng-audit-'))
  try {
    const written = await openLevel(join(directory, 'log'))
    const lab = await Lab.open({ store: written })
    await lab.sequencer.stop()
    await written.close()

    useNative()
    const store = await openLevel(join(directory, 'log'), { mustExist: true })
    const report = await auditStore(store, {
      verifier: nativeVerifier,
      policy: parsePolicy(lab.policy()),
      cipherOf: (origin) => disclosureCipherOf(new Uint8Array(32), origin),
      work: join(directory, 'work', 'log')
    })
    await store.close()
    expect(report).toMatchObject({ origin: lab.origin, size: lab.sequencer.head.size, resumed: 0, findings: [] })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
