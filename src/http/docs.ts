/**
 * The description for people: one page, rendered from the document that `/openapi.json` gives, in Chinese or English. It loads nothing, runs nothing,
 * and prints well.
 */
import { createHash } from 'node:crypto'
import { CODES } from '../core/errors.ts'
import type { Document, Json } from './openapi.ts'
import type { Words } from './operation.ts'

type Lang = 'zh' | 'en'

const STYLE = `
:root { --ink: #1c1917; --soft: #57534e; --line: #d6d0c4; --seal: #9b1c1c; --paper: #fdfcf9; --panel: #f6f3ec; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.7 "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif; }
header, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 2rem; }
header { padding-top: 3.5rem; border-bottom: 3px double var(--seal); }
h1, h2 { font-family: "Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", SimSun, Georgia, serif; font-weight: 700; line-height: 1.3; }
h1 { font-size: 2.3rem; margin: 0; letter-spacing: .04em; }
h1 small { display: block; font-size: 1rem; font-weight: 400; color: var(--soft); letter-spacing: 0; margin-top: .4rem; }
h2 { font-size: 1.45rem; margin: 3.2rem 0 1rem; padding-bottom: .35rem; border-bottom: 1px solid var(--seal); color: var(--seal); }
h3 { font-size: 1.02rem; margin: 0; line-height: 1.5; }
h4 { font-size: .8rem; margin: 1.1rem 0 .3rem; color: var(--soft); font-weight: 600; letter-spacing: .06em; }
p { margin: .5rem 0; }
a { color: var(--seal); text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
code, .path { font-family: "SFMono-Regular", Consolas, "Liberation Mono", "Noto Sans Mono CJK SC", monospace; font-size: .86em; overflow-wrap: anywhere; }
.lang { float: right; font-size: .9rem; }
.lead { max-width: 46rem; color: var(--soft); margin: 1.2rem 0 1.6rem; }
nav ol { columns: 2; column-gap: 3rem; list-style: none; padding: 0; margin: 0; font-size: .93rem; }
nav li { break-inside: avoid; padding: .12rem 0; }
nav .group { font-weight: 700; margin-top: .6rem; }
nav .group:first-child { margin-top: 0; }
article { border: 1px solid var(--line); border-left: 3px solid var(--seal); background: #fff; padding: 1rem 1.3rem 1.1rem; margin: 1.1rem 0; break-inside: avoid-page; }
.path { display: block; color: var(--soft); margin-top: .15rem; font-size: .92em; }
.method { display: inline-block; min-width: 3.4em; font-weight: 700; color: var(--seal); }
table { border-collapse: collapse; width: 100%; margin: .3rem 0; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .8rem; border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; }
td { vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #eeeae1; }
td:first-child { white-space: nowrap; }
td.kind { max-width: 26rem; }
tr:last-child td { border-bottom: 0; }
.must::after { content: " *"; color: var(--seal); }
.note { color: var(--soft); font-size: .9rem; }
details { margin: .5rem 0; border-bottom: 1px solid var(--line); padding-bottom: .4rem; }
summary { cursor: pointer; font-weight: 600; }
footer { color: var(--soft); font-size: .85rem; margin-top: 4rem; padding-top: 1rem; padding-bottom: 3rem; border-top: 1px solid var(--line); }
@media (max-width: 46rem) { nav ol { columns: 1; } header, main, footer { padding-left: 1rem; padding-right: 1rem; } td:first-child { white-space: normal; } }
@media print { body { background: #fff; font-size: 10pt; } article { border-color: #999; } .lang { display: none; } a { color: inherit; } h2 { break-after: avoid; } @page { margin: 18mm; } }
`

/** Nothing may run, and nothing be loaded but the one style sheet that stands in the page. */
export const DOCS_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

const TEXT = {
  title: { zh: '接口说明', en: 'Programming interface' },
  contents: { zh: '目录', en: 'Contents' },
  machine: { zh: '机器可读的同一说明：', en: 'The same for machines: ' },
  access: { zh: '谁可以调用', en: 'Who may call it' },
  parameters: { zh: '参数', en: 'Parameters' },
  body: { zh: '请求正文', en: 'Body' },
  answers: { zh: '回答', en: 'Answers' },
  refusals: { zh: '拒绝', en: 'Refusals' },
  data: { zh: '数据结构', en: 'Data' },
  types: { zh: '记录类型', en: 'Record types' },
  codes: { zh: '错误代码', en: 'Error codes' },
  identity: { zh: '身份', en: 'Identity' },
  writers: { zh: '书写人', en: 'written by' },
  trails: { zh: '轨迹', en: 'trails' },
  sealed: { zh: '密封字段', en: 'sealed fields' },
  meaning: { zh: '含义', en: 'Meaning' },
  remedy: { zh: '如何处理', en: 'What to do' },
  must: { zh: '* 必填', en: '* required' },
  none: { zh: '无', en: 'none' }
} as const satisfies Record<string, Words>

const safe = (text: unknown) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

export function renderDocs(document: Document, lang: Lang): string {
  const word = (name: keyof typeof TEXT) => TEXT[name][lang]
  const said = (item: Json) => safe(item[lang === 'zh' ? 'x-zh' : 'description'] ?? '')
  const other: Lang = lang === 'zh' ? 'en' : 'zh'
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation }))
  )
  const summary = (operation: Json) => safe(operation[lang === 'zh' ? 'x-summary-zh' : 'summary'])
  const schemas = Object.entries(document.components.schemas)
  const data = schemas.filter(([name, schema]) => schema.properties !== undefined && !name.startsWith('record.'))
  const types = schemas.filter(([name]) => name.startsWith('record.'))

  const operationOf = ({ path, method, operation }: (typeof operations)[number]) => {
    const parameters = operation.parameters as Json[]
    const body = operation.requestBody as Json | undefined
    const access = operation['x-access'] as Words | undefined
    const responses = Object.entries(operation.responses as { [status: string]: Json })
    const answers = responses.filter(([, response]) => response.$ref === undefined)
    const refusals = responses.filter(([, response]) => response.$ref !== undefined).map(([status]) => status)
    return `<article id="${safe(operation.operationId)}"><h3>${summary(operation)}<span class="path"><span class="method">${method.toUpperCase()}</span> ${safe(path)}</span></h3>
${operation.description === undefined ? '' : `<p>${said(operation)}</p>`}
${access === undefined ? '' : `<p class="note">${word('access')}: ${safe(access[lang])}</p>`}
${
  parameters.length === 0
    ? ''
    : `<h4>${word('parameters')}</h4><table>${parameters
        .map(
          (one) =>
            `<tr><td><code${one.required ? ' class="must"' : ''}>${safe(one.name)}</code></td><td class="kind">${kind(one.schema as Json)}</td><td>${said(one)}</td></tr>`
        )
        .join('')}</table>`
}
${body === undefined ? '' : `<h4>${word('body')}</h4><p>${kind(Object.values(body.content as { [media: string]: { schema: Json } })[0]!.schema)}${body['x-limit'] === undefined ? '' : ` <span class="note">≤ ${safe((body['x-limit'] as Words)[lang])}</span>`}</p>`}
<h4>${word('answers')}</h4><table>${answers
      .map(([status, response]) => {
        const [media, { schema }] = Object.entries(response.content as { [media: string]: { schema: Json } })[0]!
        return `<tr><td><code>${status}</code></td><td>${said(response)}</td><td class="kind">${media === 'application/json' ? kind(schema) : `<code>${safe(media)}</code>`}</td></tr>`
      })
      .join(
        ''
      )}<tr><td class="note">${word('refusals')}</td><td colspan="2">${refusals.map((status) => `<a href="#http-${status}"><code>${status}</code></a>`).join(' ')}</td></tr></table></article>`
  }

  const memberRows = (schema: Json) =>
    Object.entries(schema.properties as { [name: string]: Json })
      .map(
        ([name, member]) =>
          `<tr><td><code${((schema.required ?? []) as string[]).includes(name) ? ' class="must"' : ''}>${safe(name)}</code></td><td class="kind">${kind(member)}</td><td>${said(member)}</td></tr>`
      )
      .join('')

  const codes = Object.entries(CODES)
  const statuses = [...new Set(codes.map(([, [http]]) => http))].sort((a, b) => a - b)

  return `<!doctype html>
<html lang="${lang === 'zh' ? 'zh-CN' : 'en'}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safe(document.info.title)} — ${word('title')}</title><style>${STYLE}</style></head><body>
<header><p class="lang"><a href="?lang=${other}" hreflang="${other}">${other === 'zh' ? '中文' : 'English'}</a></p>
<h1>${safe(document.info.title)}<small>${word('title')} · ${safe(document.info.version)}</small></h1>
<p class="lead">${said(document.info)}</p></header>
<main><h2>${word('contents')}</h2><nav><ol>${document.tags
    .map(
      (tag) =>
        `<li class="group"><a href="#tag-${tag.name}">${said(tag)}</a></li>${operations
          .filter(({ operation }) => (operation.tags as string[]).includes(tag.name))
          .map(({ operation }) => `<li><a href="#${safe(operation.operationId)}">${summary(operation)}</a></li>`)
          .join('')}`
    )
    .join(
      ''
    )}<li class="group"><a href="#data">${word('data')}</a></li><li class="group"><a href="#types">${word('types')}</a></li><li class="group"><a href="#codes">${word('codes')}</a></li></ol></nav>
<p class="note">${word('machine')}<a href="/openapi.json">/openapi.json</a>（OpenAPI ${safe(document.openapi)}） · ${word('must')}</p>
<h2>${word('identity')}</h2><p>${said(document.components.securitySchemes.bearer as Json)}</p><p><code>Authorization: Bearer &lt;JWT&gt;</code></p>
${document.tags
  .map(
    (tag) =>
      `<h2 id="tag-${tag.name}">${said(tag)}</h2>${operations
        .filter(({ operation }) => (operation.tags as string[]).includes(tag.name))
        .map(operationOf)
        .join('')}`
  )
  .join('')}
<h2 id="data">${word('data')}</h2>${data
    .map(
      ([name, schema]) =>
        `<article id="schema-${safe(name)}"><h3>${safe(name)}</h3><table>${memberRows(schema)}</table></article>`
    )
    .join('')}
<h2 id="types">${word('types')}</h2>${types
    .map(
      ([name, schema]) =>
        `<article id="schema-${safe(name)}"><h3>${said(schema)} <code>${safe(schema.title)}</code></h3>
<p class="note">${word('writers')}: ${safe((schema['x-writers'] as string[]).join(', '))} · ${word('trails')}: <code>${safe((schema['x-trails'] as string[]).join(', '))}</code></p>
<table>${memberRows(schema)}</table><p class="note">${word('sealed')}: ${
          Object.keys(schema['x-sealed'] as Json)
            .map((field) => `<code>${safe(field)}</code>`)
            .join(' ') || word('none')
        }</p></article>`
    )
    .join('')}
<h2 id="codes">${word('codes')}</h2>${statuses
    .map(
      (status) =>
        `<h3 id="http-${status}">HTTP ${status}</h3><table><tr><th>code</th><th>${word('meaning')}</th><th>${word('remedy')}</th></tr>${codes
          .filter(([, [http]]) => http === status)
          .map(
            ([code, row]) =>
              `<tr><td><code>${code}</code></td><td>${safe(row[lang === 'zh' ? 2 : 3])}</td><td>${safe(row[lang === 'zh' ? 4 : 5])}</td></tr>`
          )
          .join('')}</table>`
    )
    .join('')}
</main><footer>${safe(document.info.title)} ${safe(document.info.version)} · RFC 9162 · C2SP tlog-tiles · RFC 9052 · RFC 9457</footer></body></html>
`
}

/** What a schema accepts, in a few words. */
function kind(schema: Json): string {
  if (typeof schema.$ref === 'string') {
    const name = schema.$ref.slice('#/components/schemas/'.length)
    return name === 'RecordBody' ? `<a href="#types">${name}</a>` : `<a href="#schema-${safe(name)}">${safe(name)}</a>`
  }
  const choices = (schema.anyOf ?? schema.oneOf) as Json[] | undefined
  if (choices !== undefined) return choices.map(kind).join(' | ')
  if (schema.const !== undefined) return `<code>${safe(JSON.stringify(schema.const))}</code>`
  if (Array.isArray(schema.enum)) {
    const values = schema.enum as unknown[]
    return values.length > 24 ? '<a href="#codes">code</a>' : values.map((value) => `<code>${safe(value)}</code>`).join(' ')
  }
  if (schema.type === 'array') return `${kind((schema.items ?? {}) as Json)} []${range(schema.minItems, schema.maxItems)}`
  if (schema.type === 'object' && schema.properties !== undefined) {
    const required = (schema.required ?? []) as string[]
    return `{ ${Object.entries(schema.properties as { [name: string]: Json })
      .map(([name, member]) => `<code>${safe(name)}</code>${required.includes(name) ? '' : '?'}: ${kind(member)}`)
      .join(', ')} }`
  }
  if (schema.type === 'string')
    return schema.pattern === undefined
      ? `string${range(schema.minLength, schema.maxLength)}`
      : `<code>${safe(schema.pattern)}</code>`
  if (schema.type === 'integer') {
    const top = schema.maximum === Number.MAX_SAFE_INTEGER ? undefined : schema.maximum
    return `integer${range(schema.minimum === -Number.MAX_SAFE_INTEGER ? undefined : schema.minimum, top)}`
  }
  return safe(schema.type ?? 'any')
}

function range(low: unknown, high: unknown): string {
  if (low === undefined && high === undefined) return ''
  return ` <span class="note">${low ?? ''}…${high ?? ''}</span>`
}
