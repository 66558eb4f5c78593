import { describe, expect, it } from 'vitest'
import { whyNot } from '../../src/cli/case-number.ts'
import { CASE_NUMBER, normaliseCaseNumber } from '../../src/records/ids.ts'

const YEAR = 2026

describe('as it is typed', () => {
  it.each([
    '（2020）粤01民初123号',
    '(2020)粤01民初123号',
    ' ( 2020 ) 粤 01 民初 123 号 ',
    '〔2020〕粤01民初123号',
    '[2020]粤01民初123号',
    '【2020】粤01民初123号',
    '（２０２０）粤０１民初１２３号',
    '(2020)粤01民初123號'
  ])('%s', (typed) => {
    const text = normaliseCaseNumber(typed)
    expect([text, whyNot(text, YEAR)]).toEqual(['（2020）粤01民初123号', undefined])
  })
})

describe('refused with the reason', () => {
  const reasons: [string, RegExp][] = [
    ['', /year in brackets/],
    ['123', /year in brackets/],
    ['2020粤01民初123号', /year in brackets/],
    ['（20）粤01民初123号', /year in brackets/],
    ['（2027）粤01民初123号', /not after 2026/],
    ['（2020）粤01民初123', /号 at the end/],
    ['（2020）粤01民初123号之一', /number of a document/],
    ['（2020）粤01民初123号之2', /number of a document/],
    ['（2020）广01民初123号', /code of a court/],
    ['（2020）粤011民初123号', /code of a court/],
    ['（2020）民初123号', /code of a court/],
    ['（2020）粤01123号', /code of a court|type of case/],
    ['（2020）粤01民事一审初123号', /type of case/],
    ['（2020）粤01民初号', /1 to 9 digits/],
    ['（2020）粤01民初1234567890号', /1 to 9 digits/],
    ['（2020）粤01民初0123号', /begin with 0/],
    ['（2014）穗中法，民初号', /after the year/]
  ]
  it.each(reasons)('%s', (typed, words) => {
    const text = normaliseCaseNumber(typed)
    const { zh, en } = whyNot(text, YEAR)!
    expect([CASE_NUMBER.test(text) && !text.startsWith('（2027'), en, /[\u4e00-\u9fff]/.test(zh)]).toEqual([
      false,
      expect.stringMatching(words),
      true
    ])
  })

  it('what the grammar takes is never refused, but for the year', () => {
    for (const text of ['（2016）最高法民终1号', '（2026）粤0106执恢999999999号', '（2003）穗中法民一初字第123号'])
      expect([CASE_NUMBER.test(text), whyNot(text, YEAR)]).toEqual([true, undefined])
  })
})
