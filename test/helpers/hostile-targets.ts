/**
 * Everything that reads bytes or texts from outside, each with real inputs and what must hold whatever it is given. `read` may throw a LianzhengError; a
 * `Wrong` says what it believed that is not so; anything else that is thrown is a fault of the reader.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatKey, parseKey } from '../../src/client/keyfile.ts'
import {
  type Bytes,
  base64,
  base64url,
  concat,
  equalBytes,
  fromBase64,
  fromBase64url,
  fromHex,
  fromU64,
  fromUtf8,
  hex,
  u64,
  utf8
} from '../../src/core/bytes.ts'
import { decodeCbor, encodeCbor } from '../../src/core/cbor.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/core/checkpoint.ts'
import { decodeSign1, encodeSign1, toBeSigned } from '../../src/core/cose.ts'
import { signCosignature, verifyCosignature } from '../../src/core/cosignature.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { EMPTY_HASH, leafHash, sha256, trailKey, trailValue } from '../../src/core/hash.ts'
import { parseStrictJson } from '../../src/core/json.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { checkAbsence, checkPresence, proveKey, updateMap } from '../../src/core/map.ts'
import { decodePage } from '../../src/core/map-page.ts'
import { checkConsistency, checkInclusion, proveConsistency, proveInclusion, rootOfLeaves } from '../../src/core/merkle.ts'
import {
  formatNote,
  formatVkey,
  makeVkey,
  parseNote,
  parseVkey,
  TYPE_COSIGNATURE,
  verifyNoteSignature
} from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { evaluatePolicy } from '../../src/core/quorum.ts'
import { decodeSeal } from '../../src/core/seal.ts'
import { decodeStatement, signedBytes, verifyStatement } from '../../src/core/statement.ts'
import { decodeBundle, encodeBundle, parseTilePath, tilePath } from '../../src/core/tile.ts'
import { readConfig } from '../../src/node/config.ts'
import { readHeadFile } from '../../src/node/head-file.ts'
import { CATALOGUE } from '../../src/records/catalogue.ts'
import { bodyToJson, exampleRecord, ROLES_WITHOUT_STAFF } from '../../src/records/define.ts'
import { draft } from '../../src/records/draft.ts'
import { CLASSES, holdsTrail, isTrailName, normaliseCaseNumber } from '../../src/records/ids.ts'
import { decodeValue, encodeValue } from '../../src/store/values.ts'
import { checkNfc, type ExaminedRecord, examine, matchDisclosures } from '../../src/verify/admit.ts'
import { showRecord } from '../../src/verify/shown.ts'
import { changeJson, changeText, inventJson, inventText } from './hostile.ts'
import { changeCbor, changed, inventCbor, nodeOf, write } from './hostile-cbor.ts'
import { handoutTargets } from './hostile-handouts.ts'
import { messageTargets } from './hostile-messages.ts'
import { must, oneForm, type Target, textOf, texts, Wrong } from './hostile-reader.ts'
import { fix, Lab, opinion, USERS } from './lab.ts'
import { mutate, type Random } from './mutations.ts'
import { judge, reads, type Specimen } from './reads.ts'
import { SPECIMENS } from './specimens.ts'

/** Hashes in a row, behind two numbers; the second is the size of the tree, to which a root alone is not bound (its checkpoint is). */
function proofTarget(name: string, sample: Bytes, holds: (a: number, b: number, proof: Bytes[]) => boolean): Target {
  const withoutSize = (input: Bytes) => concat(input.subarray(0, 8), input.subarray(16))
  return {
    name,
    samples: [sample],
    read: (input) => {
      const view = new DataView(input.buffer, input.byteOffset, input.length)
      // Any number a caller could hand over, not only sizes.
      const number = (at: number) => (input.length >= at + 8 ? Number(view.getBigInt64(at)) : at)
      const proof: Bytes[] = []
      for (let at = 16; at < input.length; at += 32) proof.push(input.subarray(at, at + 32))
      must(!holds(number(0), number(8), proof) || equalBytes(withoutSize(input), withoutSize(sample)), 'a changed proof holds')
    }
  }
}

export async function hostileTargets(): Promise<Target[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lianzheng-hostile-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const inFile = (read: (file: string) => unknown): ((input: Bytes) => unknown) => {
    const file = join(directory, 'input')
    return (input) => {
      writeFileSync(file, input)
      return read(file)
    }
  }

  // A small log, and what it gives out.
  const lab = await Lab.open({ seed: 'hostile' })
  const { clerk, president } = USERS
  const drafts = [lab.draft(fix('a'), clerk), lab.draft(opinion(), president), lab.draft(fix('b', { sealed: {} }), clerk)]
  const [placed] = [await lab.place(drafts[0]!), await lab.place(drafts[1]!), await lab.place(drafts[2]!)]
  await lab.sequencer.stop()
  const { note, size } = lab.sequencer.published!
  const statements = Array.from({ length: size }, (_, i) => lab.reader.statement(i))
  const entries = statements.map(({ bytes }) => bytes)
  const seals = statements.filter(({ kind }) => kind === 'seal').map(({ bytes }) => bytes)
  const records = statements.filter(({ kind }) => kind === 'record').map(({ bytes }) => bytes)
  const disclosures = drafts.flatMap((one) => one.disclosures)
  const keys = [lab.keys.statement, ...Object.values(USERS).map(({ signer }) => signer)]
  const isSample = (input: Bytes, samples: readonly Bytes[]) => samples.some((sample) => equalBytes(sample, input))

  const { text: noteText, signatures } = parseNote(note)
  const checkpoint = parseCheckpoint(noteText)
  const witnessSigner = ed25519Signer(sha256(utf8('hostile witness')))
  const witness = makeVkey('witness.example/witness', TYPE_COSIGNATURE, witnessSigner.publicKey)
  const cosigned = formatNote({
    text: noteText,
    signatures: [...signatures, signCosignature(noteText, witness.name, witnessSigner, 1_600_000_000)]
  })
  const mirror = makeVkey('mirror.example/mirror', TYPE_COSIGNATURE, ed25519Signer(sha256(utf8('hostile mirror'))).publicKey)
  const vkeys = [lab.keys.log.vkey, lab.keys.mldsa.vkey, witness]
  const policyText = `log ${formatVkey(lab.keys.log.vkey)} https://court.example/logs/evidence\nwitness w ${formatVkey(witness)}\nwitness m ${formatVkey(mirror)}\ngroup g 1 w m\nquorum g\n# lianzheng ${lab.origin} ${CLASSES.join(',')} 1 m\n`
  const policies = [policyText, readFileSync(new URL('../vectors/ledger/policy.txt', import.meta.url), 'utf8')]

  const leaves = entries.map(leafHash)
  const readNodes = (nodes: readonly { level: number; index: number }[]) =>
    nodes.map(({ level, index }) => rootOfLeaves(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)))
  const root = rootOfLeaves(leaves)
  const [at, from] = [3, size - 2]

  const pages = new Map<string, Bytes>()
  const trails = Array.from({ length: 40 }, (_, i) => trailKey(`case:（2020）粤01民初${i}号`))
  const map = updateMap(
    EMPTY_HASH,
    trails.map((key, i): [Bytes, Bytes] => [key, trailValue(i + 1, sha256(key))]),
    (hash) => pages.get(hex(hash))
  )
  for (const { hash, bytes } of map.pages) pages.set(hex(hash), bytes)
  const source = (hash: Bytes) => pages.get(hex(hash))
  const absent = trailKey('case:（2020）粤01民初99号')
  const presence = proveKey(map.root, trails[7]!, source)
  const absence = proveKey(map.root, absent, source)

  const specimens = (kind: Specimen['kind']): Target => {
    const bySample = new Map(
      SPECIMENS.filter((specimen) => specimen.kind === kind).map((specimen) => [utf8(specimen.text), specimen] as const)
    )
    return {
      name: kind,
      samples: [...bySample.keys()],
      // Pieces of other files of the same log may be as true as its own: what is put in comes from the file itself.
      change: (sample, random) => new Uint8Array(mutate(textOf(sample), [textOf(sample)], random).bytes),
      invent: inventJson,
      read: (input, sample) => {
        const specimen = bySample.get(sample)!
        const text = fromUtf8(input)
        if (judge(text, specimen) !== 'verified') return
        // Bytes of another file may have taken the place of all of its own.
        const known = [...bySample.values()].some((one) => reads(text, one) === reads(one.text, one))
        must(known, `verified under the policy of: ${specimen.name}`)
      }
    }
  }

  const config = readFileSync(new URL('../../node-config/court.yaml', import.meta.url), 'utf8')
  const secret = await formatKey(sha256(utf8('hostile key')))

  /** A record whose fields are whatever they are, signed by the clerk all the same. */
  const signedAnew = (sample: Bytes, random: Random): Bytes => {
    const { protectedBytes, payload } = decodeSign1(sample)
    const header =
      random(3) === 0 ? write(changed(nodeOf(decodeCbor(protectedBytes)), random), random, random(5) > 0) : protectedBytes
    const body = write(changed(nodeOf(decodeCbor(payload!)), random), random, random(5) > 0)
    return encodeSign1({ protectedBytes: header, payload: body, signature: clerk.signer.sign(toBeSigned(header, body)) })
  }

  const jsonOf = (input: Bytes): unknown => {
    try {
      return JSON.parse(textOf(input))
    } catch {
      return undefined
    }
  }

  return [
    ...messageTargets({ note, leaves }),
    ...handoutTargets(lab, placed.index, decodeStatement(drafts[1]!.statement).sub),
    {
      name: 'cbor',
      samples: statements.flatMap(({ payload, protectedBytes }) => [payload, protectedBytes]).concat(disclosures),
      change: changeCbor,
      invent: inventCbor,
      read: (input) => must(equalBytes(encodeCbor(decodeCbor(input)), input), 'a second form was accepted')
    },
    {
      name: 'cose',
      samples: entries,
      change: signedAnew,
      invent: (random) => concat(Uint8Array.of(0xd2), inventCbor(random)),
      read: (input) => must(equalBytes(encodeSign1(decodeSign1(input)), input), 'a second form was accepted')
    },
    {
      name: 'statement',
      samples: entries,
      read: (input) => {
        const statement = decodeStatement(input)
        for (const { publicKey } of keys)
          must(!verifyStatement(statement, publicKey) || isSample(input, entries), 'a changed statement has a good signature')
      }
    },
    {
      name: 'record',
      samples: records,
      change: signedAnew,
      read: (input) => {
        const examined = examine(input)
        if (examined.kind === 'seal') return
        showRecord(examined, 0, matchDisclosures(examined, []))
        bodyToJson(examined.type, examined.body)
        checkNfc(examined, [])
        must(
          equalBytes(signedBytes(examined.statement), toBeSigned(examined.statement.protectedBytes, examined.statement.payload)),
          'other bytes are signed'
        )
      }
    },
    {
      name: 'seal',
      samples: seals,
      change: signedAnew,
      read: (input) => {
        const statement = decodeStatement(input)
        decodeSeal(statement)
        must(
          !verifyStatement(statement, lab.keys.statement.publicKey) || isSample(input, entries),
          'a changed seal has a good signature'
        )
      }
    },
    {
      name: 'disclosure',
      samples: disclosures,
      change: changeCbor,
      invent: inventCbor,
      read: (input) => {
        let refused: unknown
        for (const { statement } of drafts.slice(0, 2)) {
          try {
            matchDisclosures(examine(statement) as ExaminedRecord, [input])
            must(isSample(input, disclosures), 'a changed disclosure fits its record')
            return
          } catch (error) {
            if (error instanceof Wrong) throw error
            refused = error
          }
        }
        throw refused
      }
    },
    {
      name: 'note',
      samples: texts(note, cosigned),
      change: changeText,
      invent: inventText,
      read: (input) => {
        const text = textOf(input)
        const read = parseNote(text)
        must(formatNote(read) === text, 'a second form was accepted')
        for (const line of read.signatures)
          must(
            !verifyNoteSignature(read.text, line, lab.keys.log.vkey) || read.text === noteText,
            'a changed text has a good signature'
          )
      }
    },
    {
      name: 'cosignature',
      samples: texts(cosigned),
      change: changeText,
      read: (input) => {
        const read = parseNote(textOf(input))
        const head = parseCheckpoint(read.text)
        for (const line of read.signatures)
          must(
            verifyCosignature(read.text, head, line, witness) === undefined || read.text === noteText,
            'a changed text is cosigned'
          )
      }
    },
    oneForm(
      'checkpoint',
      [noteText, 'a.example/b\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'],
      parseCheckpoint,
      formatCheckpoint
    ),
    oneForm('vkey', vkeys.map(formatVkey), parseVkey, formatVkey),
    {
      name: 'policy',
      samples: texts(...policies),
      change: changeText,
      invent: inventText,
      read: (input) => evaluatePolicy(parsePolicy(textOf(input)), parseNote(cosigned), checkpoint, { now: 1_700_000_000 })
    },
    specimens('receipt'),
    specimens('certificate'),
    {
      name: 'strict json',
      samples: SPECIMENS.slice(0, 2).map(({ text }) => utf8(text)),
      change: changeJson,
      invent: inventJson,
      read: (input) => {
        const text = textOf(input)
        parseStrictJson(text)
        JSON.parse(text)
      }
    },
    {
      name: 'tile path',
      samples: texts('tile/0/000', 'tile/1/x001/x234/067.p/17', 'tile/entries/x001/067', 'tile/63/000.p/255'),
      change: changeText,
      invent: inventText,
      read: (input) => {
        const path = textOf(input)
        const file = parseTilePath(path)
        must(file === undefined || tilePath(file) === path, 'a second form was accepted')
      }
    },
    {
      name: 'entry bundle',
      samples: [encodeBundle(entries), encodeBundle(entries.slice(0, 1))],
      read: (input) => {
        for (const width of [1, 2, entries.length, 256, input.length]) {
          try {
            must(equalBytes(encodeBundle(decodeBundle(input, width)), input), 'a second form was accepted')
          } catch (error) {
            if (!(error instanceof LianzhengError)) throw error
          }
        }
      }
    },
    {
      name: 'map page',
      samples: [...pages.values()],
      ofStore: true,
      read: (input) => {
        for (const [name, page] of pages) {
          try {
            decodePage(input, fromHex(name))
            must(equalBytes(page, input), 'a changed page stands under its hash')
          } catch (error) {
            if (!(error instanceof LianzhengError)) throw error
          }
        }
      }
    },
    {
      name: 'proof of presence',
      samples: [presence.proof],
      read: (input) =>
        must(
          !checkPresence(map.root, trails[7]!, (presence as { value: Bytes }).value, input) || equalBytes(input, presence.proof),
          'a changed proof holds'
        )
    },
    {
      name: 'proof of absence',
      samples: [absence.proof],
      read: (input) => {
        must(!checkAbsence(map.root, absent, input) || equalBytes(input, absence.proof), 'a changed proof holds')
        must(!checkAbsence(map.root, trails[7]!, input), 'a key that is there is proven absent')
      }
    },
    proofTarget('proof of inclusion', concat(u64(at), u64(size), ...proveInclusion(at, size, readNodes)), (index, of, proof) =>
      checkInclusion(index, of, leaves[at]!, proof, root)
    ),
    proofTarget(
      'proof of consistency',
      concat(u64(from), u64(size), ...proveConsistency(from, size, readNodes)),
      (old, now, proof) => checkConsistency(old, now, rootOfLeaves(leaves.slice(0, from)), root, proof)
    ),
    {
      name: 'trail name',
      samples: texts(
        'case:（2020）粤01民初123号',
        'power:粤01-R0001',
        'evidence:粤01-20200826-abcdefghijkl',
        `key:${base64url(leaves[0]!)}`
      ),
      change: changeText,
      invent: inventText,
      read: (input) => {
        const name = textOf(input)
        normaliseCaseNumber(name)
        must(
          !isTrailName(name) || (utf8(name).length < 230 && holdsTrail(name, lab.origin, CLASSES) !== undefined),
          'a name is too long'
        )
      }
    },
    {
      name: 'key file',
      samples: texts(secret, secret.replace(/,\n "d": "[^"]*"/, '')),
      change: changeJson,
      invent: inventJson,
      read: (input) => parseKey(textOf(input))
    },
    {
      name: 'configuration',
      samples: texts(config),
      change: changeText,
      invent: inventText,
      read: inFile(readConfig)
    },
    {
      name: 'record as typed',
      samples: CATALOGUE.map((type) => utf8(JSON.stringify(exampleRecord(type)))),
      change: changeJson,
      invent: inventJson,
      read: (input) => {
        const record = jsonOf(input)
        if (typeof record !== 'object' || record === null) return
        const { type, staff: about } = record as { type?: unknown; staff?: unknown }
        const known = CATALOGUE.find((one) => one.type === type)
        const roles = known?.writers ?? ['clerk']
        // Whoever may write it: systems and administrators have no staff code; what one files about oneself bears one's own.
        const { staff, ...withoutStaff } = clerk
        const own = { ...withoutStaff, staff: typeof about === 'string' ? about : staff }
        const author = roles.some((role) => ROLES_WITHOUT_STAFF.includes(role)) ? withoutStaff : own
        const { statement } = draft(record as { [name: string]: unknown }, {
          aud: lab.origin,
          author: { ...author, roles },
          iat: 1_600_000_000,
          random: (length) => new Uint8Array(length)
        })
        examine(statement)
      }
    },
    {
      name: 'value of the store',
      ofStore: true,
      samples: [
        encodeValue({ name: 'case:x', count: 3, root }),
        encodeValue(disclosures),
        encodeValue({ size, root, seal: undefined })
      ],
      invent: inventCbor,
      read: (input) => must(equalBytes(encodeValue(decodeValue(input, 'x')), input), 'a second form was accepted')
    },
    { name: 'head beside the store', ofStore: true, samples: texts(note), change: changeText, read: inFile(readHeadFile) },
    oneForm('hex', [hex(root), ''], (text) => fromHex(text), hex),
    oneForm('base64', [base64(root), base64(root.subarray(1)), base64(root.subarray(2))], (text) => fromBase64(text), base64),
    oneForm(
      'base64url',
      [base64url(root), base64url(root.subarray(1)), base64url(root.subarray(2))],
      (text) => fromBase64url(text),
      base64url
    ),
    {
      name: 'u64',
      samples: [u64(0), u64(2 ** 53 - 1)],
      read: (input) => {
        const value = input.length < 8 ? undefined : fromU64(input)
        must(value === undefined || equalBytes(u64(value), input.subarray(0, 8)), 'read as another number')
      }
    }
  ]
}
