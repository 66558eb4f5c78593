/**
 * The house, as the table of the style guide has it: a folder imports only what stands above it, from outside only the packages it is meant to
 * use, and what runs in a browser really does.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { build, transformSync } from 'esbuild'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const src = join(root, 'src')

interface Rule {
  /** Folders of src, all of them above this one. */
  folders: string[]
  packages: string[]
  /** Runs in a browser: no `node:` module and none of Node's globals. */
  browser?: true
}

// In order: a folder stands below everything it imports.
const HOUSE: Record<string, Rule> = {
  core: { folders: [], packages: ['@noble/ed25519', '@noble/hashes', '@noble/post-quantum'], browser: true },
  records: { folders: ['core'], packages: ['zod/mini'], browser: true },
  verify: { folders: ['core', 'records'], packages: [], browser: true },
  store: { folders: ['core'], packages: ['cbor-x', 'level'] },
  log: { folders: ['core', 'verify', 'store'], packages: [] },
  peer: { folders: ['core', 'verify', 'store', 'log'], packages: [] },
  http: { folders: ['core', 'records', 'verify', 'log', 'peer'], packages: ['express', 'helmet', 'jose', 'zod'] },
  client: { folders: ['core', 'records', 'verify'], packages: ['jose'], browser: true },
  node: {
    folders: ['core', 'records', 'verify', 'store', 'log', 'peer', 'http', 'client'],
    packages: ['express', 'jose', 'pino', 'prom-client', 'yaml', 'zod']
  },
  cli: {
    folders: ['core', 'records', 'verify', 'store', 'log', 'peer', 'http', 'client', 'node'],
    packages: ['commander', 'yaml']
  },
  web: { folders: ['core', 'records', 'verify', 'client'], packages: [], browser: true }
}

interface Source {
  /** From the top level, e.g. `src/core/bytes.ts`. */
  path: string
  folder: string
  text: string
  imports: string[]
}

const IMPORT = /(?:^|[;\s])(?:import|export)\s(?:[^'";]*?\sfrom\s*)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g

/** Comments and everything else that is no statement are taken out first, so that prose is never an import. */
function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  return [...code.matchAll(IMPORT)].map((match) => (match[1] ?? match[2])!)
}

const sources: Source[] = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(ts|tsx|mts|js|mjs)$/.test(entry.name))
  .map((entry) => {
    const path = join(entry.parentPath, entry.name)
    const text = readFileSync(path, 'utf8')
    const inside = relative(src, path)
    return {
      path: join('src', inside),
      folder: inside.includes('/') ? inside.split('/')[0]! : '',
      text,
      imports: importsOf(text)
    }
  })
const inBrowser = sources.filter(({ folder }) => HOUSE[folder]?.browser)

/** `zod/mini` is not `zod`; a deeper path belongs to its package unless the rule names it. */
function allowed(name: string, packages: readonly string[]): boolean {
  return packages.includes(name) || (!name.startsWith('zod') && packages.some((known) => name.startsWith(`${known}/`)))
}

/** The folder of src that a relative import leads to; undefined when it leads out of src. */
function targetOf(source: Source, name: string): string | undefined {
  const path = relative(src, join(root, dirname(source.path), name))
  return path.startsWith('..') ? undefined : path.split('/')[0]
}

function wrongImport(source: Source, name: string): string | undefined {
  const rule = HOUSE[source.folder]!
  if (!name.startsWith('.')) {
    if (name.startsWith('node:')) return rule.browser ? `${name} in a folder for browsers` : undefined
    if (isBuiltin(name)) return `${name} without node:`
    return allowed(name, rule.packages) ? undefined : `the package ${name}`
  }
  const folder = targetOf(source, name)
  if (folder === undefined) return `${name}, outside src`
  if (!name.endsWith('.ts')) return `${name}, without its extension`
  return folder === source.folder || rule.folders.includes(folder) ? undefined : `the folder ${folder}`
}

describe('the table', () => {
  test('is one direction: every folder imports what stands above it', () => {
    const order = Object.keys(HOUSE)
    for (const [folder, { folders }] of Object.entries(HOUSE))
      for (const above of folders) expect(order.indexOf(above), `${folder} imports ${above}`).toBeLessThan(order.indexOf(folder))
  })
  test('what runs in a browser imports only what runs in a browser', () => {
    for (const [folder, { browser, folders }] of Object.entries(HOUSE))
      if (browser) for (const above of folders) expect(HOUSE[above]!.browser, `${folder} imports ${above}`).toBe(true)
  })
  test('names every folder there is', () => {
    expect(sources.map(({ folder }) => folder).filter((folder) => HOUSE[folder] === undefined)).toEqual([])
    for (const folder of ['core', 'records', 'verify', 'store', 'log', 'http', 'client', 'node', 'cli'])
      expect(
        sources.some((source) => source.folder === folder),
        folder
      ).toBe(true)
  })
  test('finds wrong imports', () => {
    const wrong = (folder: string, text: string) => {
      const source = { path: `src/${folder}/x.ts`, folder, text, imports: importsOf(text) }
      return source.imports.map((name) => wrongImport(source, name))
    }
    expect(wrong('core', "import { readFile } from 'node:fs'")).toEqual(['node:fs in a folder for browsers'])
    expect(wrong('core', "import type {\n  A,\n  B\n} from '../records/ids.ts'")).toEqual(['the folder records'])
    expect(wrong('core', "export * from '../verify/index.ts'")).toEqual(['the folder verify'])
    expect(wrong('core', "const x = await import('zod')")).toEqual(['the package zod'])
    expect(wrong('records', "import * as z from 'zod'")).toEqual(['the package zod'])
    expect(wrong('records', "import * as z from 'zod/mini'")).toEqual([undefined])
    expect(wrong('log', "import 'fs'")).toEqual(['fs without node:'])
    expect(wrong('log', "import { level } from 'level'")).toEqual(['the package level'])
    expect(wrong('cli', "import x from '../../test/helpers/lab.ts'")).toEqual(['../../test/helpers/lab.ts, outside src'])
    expect(wrong('core', "import { a } from './bytes'")).toEqual(['./bytes, without its extension'])
    expect(wrong('core', "/** import x from 'zod' */\n// import y from 'zod'\nimport { a } from './bytes.ts'")).toEqual([
      undefined
    ])
  })
})

test.each(sources.map((source) => [source.path, source] as const))('%s imports only what it may', (_, source) => {
  expect(source.imports.map((name) => wrongImport(source, name)).filter((wrong) => wrong !== undefined)).toEqual([])
})

test('every package a folder may import is a dependency, and every dependency is imported', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const packageOf = (name: string) => (name.startsWith('@') ? name.split('/').slice(0, 2) : name.split('/').slice(0, 1)).join('/')
  const named = new Set(sources.flatMap(({ imports }) => imports.filter((name) => !/^(\.|node:)/.test(name)).map(packageOf)))
  expect([...named].sort()).toEqual(Object.keys(dependencies).sort())
})

// `define` replaces a name only where it means the global: not in text, not as a member, not where it is declared.
const NODE_GLOBALS = [
  'Buffer',
  'process',
  'require',
  'module',
  'exports',
  '__dirname',
  '__filename',
  'global',
  'setImmediate',
  'clearImmediate'
]
const IMPURE = [
  'Date',
  'performance',
  'fetch',
  'XMLHttpRequest',
  'WebSocket',
  'setTimeout',
  'setInterval',
  'console',
  'localStorage',
  'Math.random'
]

function globalsIn(text: string, names: readonly string[]): string[] {
  const marked = (name: string) => `__global_${name.replaceAll('.', '_')}__`
  const define = Object.fromEntries(names.map((name) => [name, marked(name)]))
  const { code } = transformSync(text, { loader: 'ts', define, legalComments: 'none' })
  return names.filter((name) => code.includes(marked(name)))
}

describe('what runs in a browser', () => {
  test('globals are found where they are used, and only there', () => {
    expect(globalsIn("Buffer.from('x')", NODE_GLOBALS)).toEqual(['Buffer'])
    expect(globalsIn('export const x = typeof process', NODE_GLOBALS)).toEqual(['process'])
    expect(globalsIn("// Buffer\nconst process = 1; f('Buffer', a.Buffer, process); let b: Buffer", NODE_GLOBALS)).toEqual([])
    expect(globalsIn('const t = Math.random() + Date.now()', IMPURE)).toEqual(['Date', 'Math.random'])
  })
  test.each(inBrowser.map(({ path, text }) => [path, text]))('%s knows nothing of Node', (_, text) => {
    expect(globalsIn(text!, NODE_GLOBALS)).toEqual([])
  })
  test.each(sources.filter(({ folder }) => folder === 'core' || folder === 'records').map(({ path, text }) => [path, text]))(
    '%s is pure: no clock, no chance, no I/O',
    (_, text) => {
      expect(globalsIn(text!, IMPURE)).toEqual([])
    }
  )
  test('the verifier has no clock of its own', () => {
    const withoutDate = IMPURE.filter((name) => name !== 'Date')
    for (const { path, text } of sources.filter(({ folder }) => folder === 'verify')) {
      expect(globalsIn(text, [...withoutDate, 'Date.now']), path).toEqual([])
      expect(text, path).not.toMatch(/new Date\(\s*\)/)
    }
  })
})

test.each(sources.map(({ path, text }) => [path, text]))('%s is finished and belongs to no machine', (_, text) => {
  expect(text).not.toMatch(/\b(TODO|FIXME|XXX|HACK)\b/)
  expect(text).not.toMatch(/(?:^|[\s'"`(=])\/(?:home|root|Users|tmp|work|mnt|private|opt)\/[A-Za-z0-9._-]/m)
  expect(text).not.toMatch(/\b[A-Za-z]:\\\\?(?:Users|Windows|Program Files)/)
})

async function bundle(options: { entry: string } | { files: readonly string[] }, minify = false) {
  const result = await build({
    ...('entry' in options
      ? { entryPoints: [join(root, options.entry)] }
      : {
          stdin: { contents: options.files.map((file) => `import ${JSON.stringify(`./${file}`)}`).join('\n'), resolveDir: root }
        }),
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'lianzheng',
    target: 'es2022',
    minify,
    write: false,
    metafile: true,
    logLevel: 'silent',
    absWorkingDir: root
  })
  return { code: result.outputFiles[0]!.text, inputs: Object.keys(result.metafile.inputs) }
}

describe('the bundle for browsers', () => {
  test('takes every file of the folders for browsers', async () => {
    const files = inBrowser.map(({ path }) => path)
    const { inputs } = await bundle({ files })
    expect(inputs).toEqual(expect.arrayContaining(files))
  })

  test('of the verifier holds nothing but core, records, verify and their packages', async () => {
    const { code, inputs } = await bundle({ entry: 'src/verify/index.ts' }, true)
    expect(inputs.filter((path) => !/^(src\/(core|records|verify)|node_modules\/(@noble|zod))\//.test(path))).toEqual([])
    const size = Buffer.byteLength(code)
    console.log(
      `verifier for browsers: ${(size / 1024).toFixed(1)} KiB, ${(gzipSync(code).length / 1024).toFixed(1)} KiB gzipped`
    )
    expect(size).toBeLessThan(400 * 1024)
  })

  test('of the verifier runs without Node and verifies a receipt of another implementation', async () => {
    const { code } = await bundle({ entry: 'src/verify/index.ts' })
    const vector = (name: string) => readFileSync(join(root, 'test/vectors/ledger', name), 'utf8')

    // A bare context: the language, and of the platform TextEncoder and TextDecoder alone. They are made inside, so that the byte
    // strings are the context's own, as a page's are.
    const encoder = new TextEncoder()
    const page = createContext({
      encodeOutside: (text: string) => Array.from(encoder.encode(text)),
      DecoderOutside: TextDecoder,
      receipt: vector('evidence.receipt.json'),
      certificate: vector('power.trail.json'),
      policy: vector('policy.txt')
    })
    const run = (script: string) => JSON.parse(runInContext(`JSON.stringify(${script})`, page) as string) as unknown
    runInContext(
      `globalThis.TextEncoder = class { encode(text) { return Uint8Array.from(encodeOutside(text)) } }
       globalThis.TextDecoder = class {
         constructor(label, options) { this.inner = new DecoderOutside(label, options) }
         decode(bytes) { return this.inner.decode(bytes) }
       }`,
      page
    )
    expect(
      run(`['process', 'Buffer', 'require', 'module', 'crypto', 'fetch', 'setTimeout'].map((name) => typeof globalThis[name])`)
    ).toEqual(Array(7).fill('undefined'))

    runInContext(code, page)
    const report = run('lianzheng.verifyReceipt(receipt, lianzheng.parsePolicy(policy))') as {
      overall: string
      steps: { step: string; verdict: string }[]
    }
    expect(report.overall).toBe('verified')
    expect(report.steps.filter(({ verdict }) => verdict === 'verified').map(({ step }) => step)).toEqual(
      expect.arrayContaining([
        'policy',
        'checkpoint',
        'quorum',
        'seal',
        'inclusion',
        'authority',
        'keyTrails',
        'statement',
        'schema'
      ])
    )
    expect(run('lianzheng.verifyCertificate(certificate, lianzheng.parsePolicy(policy)).overall')).toBe('verified')

    // And it can say no: one bit of the signature of the statement.
    const damaged = `(() => {
      const parsed = lianzheng.parseReceipt(receipt)
      parsed.statement = parsed.statement.slice()
      parsed.statement[parsed.statement.length - 40] ^= 1
      return lianzheng.verifyReceipt(lianzheng.formatReceipt(parsed), lianzheng.parsePolicy(policy)).overall
    })()`
    expect(run(damaged)).toBe('broken')
  })
})
