/** Hostile requests at a node of one court, over HTTP: whatever comes, it answers by a code, holds its record in order, and goes on. */
import { Agent, request } from 'node:http'
import { type Bytes, utf8 } from '../../src/core/bytes.ts'
import { CODES } from '../../src/core/errors.ts'
import { changeJson, changeText, inventJson, inventText } from './hostile.ts'
import { type Target, Wrong } from './hostile-reader.ts'
import { fix, opinion } from './lab.ts'
import { submission, TestNetwork } from './network.ts'

interface Answered {
  status: number
  type: string
  body: string
}

/** The node, its targets, and how to take it away again. */
export async function hostileRequests(): Promise<{ targets: Target[]; close(): Promise<void> }> {
  const network = await TestNetwork.open()
  // The clock stands, so that the token stays good however long it takes.
  network.now = Date.now()
  const { hostname, port } = new URL(network.url)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })

  function ask(path: string, { body, token }: { body?: Bytes; token?: string } = {}): Promise<Answered> {
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
      ...(token === undefined ? {} : { authorization: token })
    }
    return new Promise((resolve, reject) => {
      const sent = request({ hostname, port, path, method: body === undefined ? 'GET' : 'POST', headers, agent }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode!,
            type: String(response.headers['content-type']),
            body: Buffer.concat(chunks).toString('utf8')
          })
        )
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  /** An answer that says what is wrong, and a node that has nothing to say to its operator. */
  function checked(answer: Answered): Answered {
    const { status, type, body } = answer
    if (status >= 500 || status < 200) throw new Wrong(`HTTP ${status}: ${body.slice(0, 300)}`)
    if (network.fatal !== undefined || network.errors.length > 0)
      throw new Wrong(`the node says ${String(network.fatal ?? network.errors.splice(0)[0])}`)
    if (status < 400) return answer
    const { code } = (type.startsWith('application/problem+json') ? JSON.parse(body) : {}) as { code?: string }
    if (code === undefined || !(code in CODES))
      throw new Wrong(`HTTP ${status} without a code of ours: ${type} ${body.slice(0, 300)}`)
    return answer
  }

  const record = network.sign(fix('hostile'), 'clerk')
  const restricted = await network.put(opinion(), 'president')
  const place = `/api/v1/logs/supervision/records/${restricted.index}`
  const token = `Bearer ${network.token('president')}`
  const encoder = new TextEncoder()
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  /** What a request line takes, as it is; the rest percent-encoded. */
  const asPath = (input: Bytes) =>
    `/${decoder.decode(input)}`.replace(/[^!-~]/gu, (character) =>
      [...encoder.encode(character)].map((byte) => `%${byte.toString(16)}`).join('')
    )

  const paths = [
    'api/v1/logs',
    'api/v1/status',
    'api/v1/whoami',
    `api/v1/trails/${encodeURIComponent('case:（2020）粤01民初123号')}?from=0&limit=10`,
    'api/v1/logs/public/records/1',
    `api/v1/logs/evidence/records/${restricted.leaf}/receipt`,
    `api/v1/evidence/${'0'.repeat(64)}`,
    `api/v1/logs/evidence/proofs/inclusion?leaf=${restricted.leaf}&size=1`,
    'api/v1/logs/evidence/proofs/consistency?from=1&to=2',
    'logs/public/checkpoint',
    'logs/public/tile/0/000.p/1',
    'logs/public/tile/entries/000.p/1'
  ]
  const targets: Target[] = [
    {
      name: 'HTTP body',
      samples: [JSON.stringify(submission(record)), JSON.stringify([submission(record), submission(restricted)])].map(utf8),
      change: (sample, random) => (random(3) === 0 ? changeText : changeJson)(sample, random),
      invent: inventJson,
      read: async (input) => checked(await ask('/api/v1/records', { body: input }))
    },
    {
      name: 'HTTP path',
      samples: paths.map(utf8),
      change: changeText,
      invent: inventText,
      // Longer request lines Node refuses by itself, with 431 and no word of ours.
      read: async (input) => checked(await ask(asPath(input).slice(0, 4_000)))
    },
    {
      name: 'HTTP token',
      samples: [utf8(token)],
      change: changeText,
      invent: inventText,
      read: async (input) => {
        const given = decoder
          .decode(input)
          .replace(/[^\t -~]/g, '?')
          .slice(0, 6_000)
        const answer = checked(await ask(place, { token: given }))
        // The last character of a signature has bits that say nothing.
        if (answer.status === 200 && given.trim().slice(0, -1) !== token.slice(0, -1))
          throw new Wrong('a changed token opened a record')
        return answer
      }
    }
  ]
  return {
    targets,
    close: async () => {
      agent.destroy()
      await network.close()
    }
  }
}
