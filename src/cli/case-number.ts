/** Case numbers as people type them: written in the one spelling that is stored, shown again, and refused with the reason. */
import { LianzhengError } from '../core/errors.ts'
import { CASE_NUMBER, COURT_CODE, normaliseCaseNumber } from '../records/ids.ts'
import type { Words } from '../verify/verdict.ts'
import { type Io, say, words } from './io.ts'

/** Says what the number will be. Throws `FIELD_INVALID` that says what is wrong with it. */
export function readCaseNumber(typed: string, io: Io): string {
  const text = normaliseCaseNumber(typed)
  const reason = whyNot(text, new Date().getFullYear())
  if (reason !== undefined)
    throw new LianzhengError('FIELD_INVALID', { field: 'case', expected: words(io, reason.zh, reason.en) })
  say(io, `案号 ${text}`, `case ${text}`)
  return text
}

/** Why a text is no case number there can be; undefined for one that can. `year` is the present one. */
export function whyNot(text: string, year: number): Words | undefined {
  const [, of, rest] = /^（(\d{4})）(.*)$/u.exec(text) ?? []
  if (of === undefined || rest === undefined)
    return {
      zh: '以括号中的四位年份开头，如（2020）粤01民初123号',
      en: 'the year in brackets first, as in （2020）粤01民初123号'
    }
  if (Number(of) > year) return { zh: `不晚于 ${year} 年的年份`, en: `a year not after ${year}` }
  if (/号之|之[一二三四五六七八九十\d]+$/u.test(rest))
    return { zh: '不带“之一”之类的后缀：那是文书编号', en: 'no suffix like 之一: that is the number of a document' }
  if (!rest.endsWith('号')) return { zh: '以“号”结尾', en: '号 at the end' }
  if (CASE_NUMBER.test(text)) return undefined
  if (Number(of) < 2016)
    return {
      zh: '年份之后只有汉字、字母、数字，全长不超过 40 字',
      en: 'Chinese characters, letters and digits alone after the year, at most 40 characters in all'
    }
  const [, court, kindAndNumber] = /^(最高法|[\u4e00-\u9fff]\d*)(.*)号$/u.exec(rest) ?? []
  if (court === undefined || !COURT_CODE.test(court))
    return {
      zh: '年份之后是法院代字：最高法，或省份简称加 0、2 或 4 位数字，如 粤01、粤0106',
      en: 'the code of a court after the year: 最高法, or a province and 0, 2 or 4 digits, as in 粤01, 粤0106'
    }
  const [, kind, number] = /^(\D*)(\d*)$/u.exec(kindAndNumber!) ?? []
  if (kind === undefined || !/^[\u4e00-\u9fff]{1,3}$/u.test(kind))
    return {
      zh: '法院代字之后是一至三个汉字的类型代字，如 民初',
      en: 'one to three characters for the type of case, such as 民初'
    }
  return number === '' || number!.length > 9
    ? { zh: '类型代字之后是编号（1 至 9 位数字）', en: 'a number of 1 to 9 digits after the type' }
    : { zh: '编号不以 0 开头', en: 'a number that does not begin with 0' }
}
