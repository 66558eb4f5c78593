import { readFileSync } from 'node:fs'

/**
 * The example that the opening comment of a format file shows, as text with a last newline: the lines of the form ` *     …`
 * after the line that begins with `Example`, with the blank lines between them.
 */
export function exampleIn(file: string): string {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
  const comment = source.slice(0, source.indexOf('*/'))
  const lines = comment.slice(comment.indexOf('\n * Example')).split('\n').slice(2)
  const shown = lines.map((line) => line.replace(/^ \*(?: {5})?/, ''))
  return `${shown.join('\n').trim()}\n`
}
