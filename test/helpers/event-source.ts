/** A reader of server-sent events that stops where it is told: the stream, parsed as the HTML standard says. */
import { type ClientRequest, get, type IncomingMessage } from 'node:http'

export interface Told {
  id: string
  event: string
  data: { log: string; index: number; [name: string]: unknown }
}

export class EventReader {
  readonly told: Told[] = []
  /** The last event id, as a client would send it. */
  id = ''
  /** Signs of life. */
  beats = 0
  readonly #request: ClientRequest
  #response: IncomingMessage | undefined
  #text = ''
  #look = () => {}
  ended = false

  constructor(url: string, { after, headers = {} }: { after?: string; headers?: Record<string, string> } = {}) {
    const target = `${url}/api/v1/events`
    const asked = { ...headers, ...(after === undefined ? {} : { 'Last-Event-ID': after }) }
    this.#request = get(target, { headers: asked, agent: false }, (response) => {
      this.#response = response
      response.setEncoding('utf8')
      response.on('data', (text: string) => this.#read(text))
      response.on('close', () => {
        this.ended = true
        this.#look()
      })
      this.#look()
    })
    this.#request.on('error', () => {
      this.ended = true
      this.#look()
    })
  }

  #read(text: string): void {
    this.#text += text
    for (let end = this.#text.indexOf('\n\n'); end >= 0; end = this.#text.indexOf('\n\n')) {
      const lines = this.#text.slice(0, end).split('\n')
      this.#text = this.#text.slice(end + 2)
      const value = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      this.id = value('id') ?? this.id
      if (lines[0] === ':') this.beats++
      const data = value('data')
      if (data !== undefined) this.told.push({ id: this.id, event: value('event')!, data: JSON.parse(data) as Told['data'] })
    }
    this.#look()
  }

  /** Resolves when it holds, or the stream has ended. */
  async until(holds: (reader: EventReader) => boolean): Promise<this> {
    while (!holds(this) && !this.ended) await new Promise<void>((resolve) => (this.#look = resolve))
    return this
  }
  get response(): IncomingMessage | undefined {
    return this.#response
  }
  /** Takes nothing more; what is sent stays where it is. */
  stall(): void {
    this.#response!.pause()
  }
  cut(): void {
    this.#request.destroy()
  }
}
