/** What a certificate says of sealed fields: disclosed, erased, withheld (formats.md §10), and what it compares of records that speak of another. */
import { describe, expect, test } from 'vitest'
import { type Bytes, base64url } from '../../src/core/bytes.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { formatCertificate, type TrailPart } from '../../src/verify/files.ts'
import { fix, Lab, opinion, USERS, type User, user } from '../helpers/lab.ts'
import { LyingNode } from '../helpers/lying-node.ts'

const AT = '2020-08-26T11:00:00+08:00'
const DISCIPLINE = user('discipline', ['administrator'], undefined, 'gz-discipline')

async function filed(lab: Lab, record: { [name: string]: unknown }, by: User) {
  const { index } = await lab.submit(record, by)
  const { leaf, trails } = lab.reader.statement(index)
  return { index, refs: (rel: string) => [{ rel, log: lab.origin, leaf: base64url(leaf) }], of: [...trails] }
}
type Filed = Awaited<ReturnType<typeof filed>>
const erase = (lab: Lab, { refs, of }: Filed, fields: string[], by: User) =>
  lab.submit({ type: 'body.erased', at: AT, refs: refs('erases'), of, fields, ground: 'PIPL-47' }, by)

function report(lab: Lab, trail: string, disclosures: readonly Bytes[] = []) {
  const shown = lab.reader.trailPart(trail, () => [])
  const part = {
    ...shown,
    entries: shown.entries.map((entry, i) => (i === 0 ? { ...entry, disclosures: [...disclosures] } : entry))
  }
  const { overall, logs, disclosed, withheld, erased, headline } = verifyCertificate(
    formatCertificate({ trail, parts: [part] }),
    parsePolicy(lab.policy())
  )
  const fields = logs[0]!.entries.map((entry) => [Object.keys(entry.disclosed), entry.erased, entry.withheld])
  return { overall, fields, counts: [disclosed, erased, withheld], headline }
}

describe('of a field the report says', () => {
  test('disclosed, or erased, or withheld', async () => {
    const lab = await Lab.open()
    const record = fix('three fates', { sealed: { name: '合同.pdf', source: '原告提交', purpose: '证明' } })
    const piece = await filed(lab, record, USERS.clerk)
    const kept = lab.reader.disclosures(piece.index)
    await erase(lab, piece, ['name'], USERS.admin)
    const trail = `evidence:${String(record.evidence)}`
    const { overall, fields, counts, headline } = report(lab, trail)
    expect([overall, fields, counts]).toEqual([
      'verified',
      [
        [[], ['name'], ['source', 'purpose']],
        [[], [], []]
      ],
      [0, 1, 2]
    ])
    expect(headline.zh).toContain('1 个字段已依法销毁')
    // Whoever has kept it can show it, whatever was said of it since.
    expect(report(lab, trail, kept).fields[0]).toEqual([['name', 'source', 'purpose'], [], []])
  })

  test('of supervision, erased only once discipline has agreed, in whichever order', async () => {
    const lab = await Lab.open({ administrators: [{ user: DISCIPLINE }] })
    for (const order of [
      [USERS.admin, DISCIPLINE],
      [DISCIPLINE, USERS.admin]
    ] as const) {
      const number = `（2020）粤01民初${order[0] === DISCIPLINE ? 1 : 2}号`
      const said = await filed(lab, opinion({ case: number }), USERS.president)
      const first = async () => report(lab, `case-internal:${number}`).fields[0]
      await erase(lab, said, ['content'], order[0])
      expect(await first()).toEqual([[], [], ['content']])
      await erase(lab, said, ['content'], order[0])
      expect(await first()).toEqual([[], [], ['content']])
      await erase(lab, said, ['content'], order[1])
      expect(await first()).toEqual([[], ['content'], []])
    }
  })
})

describe('a node that files what it may not', () => {
  const CLERK = USERS.clerk
  const record = () => fix('lied about', { evidence: '粤01-20200826-abcdefghijkl' })
  const TRAIL = 'evidence:粤01-20200826-abcdefghijkl'

  function verdict(lie: (of: string[], leaf: string) => { record: { [name: string]: unknown }; by: User }, from?: number) {
    const node = LyingNode.start([CLERK, USERS.judge])
    const { leaf, trails } = node.statement(node.add(record(), CLERK))
    const { record: said, by } = lie([...trails], base64url(leaf))
    node.add({ at: AT, refs: [{ rel: 'corrects', log: node.origin, leaf: base64url(leaf) }], ...said }, by)
    node.seal()
    const part = node.part(TRAIL, from === undefined ? {} : { from }) as TrailPart
    const text = formatCertificate({ trail: TRAIL, parts: [part] })
    const { overall, steps } = verifyCertificate(text, node.policy)
    const schema = steps.find(({ step }) => step === 'schema')!
    return [overall, schema.verdict, schema.notes.map(({ code }) => code).join()]
  }
  const corrected = (of: string[]) => ({ type: 'record.corrected', of })

  test('is found where both records stand on the trail', () => {
    expect(verdict((of) => ({ record: corrected(of), by: CLERK }))).toEqual(['verified', 'verified', ''])
    expect(verdict((of) => ({ record: corrected(of), by: USERS.judge }))).toEqual(['broken', 'broken', 'ROLE_NOT_PERMITTED'])
    expect(verdict((of) => ({ record: corrected(of.slice(0, 1)), by: CLERK }))).toEqual(['broken', 'broken', 'TRAILS_MISMATCH'])
    const nowhere = [{ rel: 'corrects', log: 'court.example/evidence', leaf: base64url(new Uint8Array(32)) }]
    expect(verdict((of) => ({ record: { ...corrected(of), refs: nowhere }, by: CLERK }))).toEqual([
      'broken',
      'broken',
      'REFERENCE_UNKNOWN'
    ])
  })

  test('of a beginning that is not listed nothing is known', () => {
    const [overall, schema] = verdict((of) => ({ record: corrected(of), by: USERS.judge }), 1)
    expect([overall, schema]).toEqual(['could-not-check', 'verified'])
  })
})
