package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"golang.org/x/mod/sumdb/tlog"
)

// A small ledger made for the tests: it signs, seals and proves whatever it is told to, right or wrong.

type cborPair struct{ key, value []byte }

func encodeCBOR(v any) []byte {
	switch t := v.(type) {
	case nil:
		return []byte{0xf6}
	case bool:
		if t {
			return []byte{0xf5}
		}
		return []byte{0xf4}
	case int:
		return encodeCBOR(int64(t))
	case int64:
		major, n := byte(0), uint64(t)
		if t < 0 {
			major, n = 1, uint64(-1-t)
		}
		if n < 1<<32 {
			return cborHead(major, int(n))
		}
		return binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, n)
	case string:
		return append(cborHead(3, len(t)), t...)
	case []byte:
		return append(cborHead(2, len(t)), t...)
	case hash:
		return encodeCBOR(t[:])
	case []string:
		var list []any
		for _, s := range t {
			list = append(list, s)
		}
		return encodeCBOR(list)
	case []any:
		out := cborHead(4, len(t))
		for _, item := range t {
			out = append(out, encodeCBOR(item)...)
		}
		return out
	case map[any]any:
		var pairs []cborPair
		for k, v := range t {
			pairs = append(pairs, cborPair{encodeCBOR(k), encodeCBOR(v)})
		}
		slices.SortFunc(pairs, func(a, b cborPair) int { return bytes.Compare(a.key, b.key) })
		out := cborHead(5, len(pairs))
		for _, p := range pairs {
			out = append(append(out, p.key...), p.value...)
		}
		return out
	}
	panic(fmt.Sprintf("cannot encode %T", v))
}

func derive(seed, purpose, name string) ed25519.PrivateKey {
	key, err := hkdf.Key(sha256.New, []byte(seed), nil, "lianzheng/v1/"+purpose+"/"+name, 32)
	if err != nil {
		panic(err)
	}
	return ed25519.NewKeyFromSeed(key)
}

func public(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }

func vkeyOf(name string, kind byte, key []byte) string {
	material := append([]byte{kind}, key...)
	sum := sha256.Sum256(append([]byte(name+"\n"), material...))
	return fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(material))
}

const (
	testOrigin = "court.example/evidence"
	testStart  = 1_700_000_000
)

type testLedger struct {
	t           *testing.T
	entries     [][]byte
	decoded     []*statement
	sealAt      []int64
	logKey      ed25519.PrivateKey
	sealKey     ed25519.PrivateKey
	mirror      ed25519.PrivateKey
	witness     ed25519.PrivateKey
	pq          *mldsa.PrivateKey // of the witness
	logPQ       *mldsa.PrivateKey
	now         int64
	witnessName string
	stamp       int64 // of the cosignatures; now if 0
}

func newLedger(t *testing.T) *testLedger {
	l := &testLedger{t: t, now: testStart, witnessName: "notary.example/witness"}
	l.logKey, l.sealKey = derive("court", "log", testOrigin), derive("court", "statement", testOrigin)
	l.mirror, l.witness = derive("discipline", "mirror", "discipline.example"), derive("notary", "witness", "notary.example")
	for i, at := range []**mldsa.PrivateKey{&l.pq, &l.logPQ} {
		key, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), bytes.Repeat([]byte{byte(i + 1)}, 32))
		if err != nil {
			t.Fatal(err)
		}
		*at = key
	}
	return l
}

func (l *testLedger) policyText() string {
	return "log " + vkeyOf(testOrigin, 1, public(l.logKey)) + "\n" +
		"witness discipline " + vkeyOf("discipline.example/mirror", 4, public(l.mirror)) + "\n" +
		"witness notary " + vkeyOf(l.witnessName, 4, public(l.witness)) + "\n" +
		"group others all discipline notary\nquorum others\n" +
		"# lianzheng " + testOrigin + " party,internal,personnel,public 1 discipline\n"
}

func (l *testLedger) policy() *policy {
	p, err := parsePolicy([]byte(l.policyText()))
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

type person struct {
	key        ed25519.PrivateKey
	org, staff string
}

func newPerson(name, org, staffCode string) person {
	seed := sha256.Sum256([]byte(name))
	return person{ed25519.NewKeyFromSeed(seed[:]), org, staffCode}
}

func sign(key ed25519.PrivateKey, header map[any]any, payload []byte) []byte {
	protected := encodeCBOR(header)
	tbs := encodeCBOR([]any{"Signature1", protected, []byte{}, payload})
	return append([]byte{0xd2}, encodeCBOR([]any{protected, map[any]any{}, payload, ed25519.Sign(key, tbs)})...)
}

func (l *testLedger) append(raw []byte) int64 {
	s, err := decodeStatement(raw)
	if err != nil {
		l.t.Fatal(err)
	}
	l.entries, l.decoded = append(l.entries, raw), append(l.decoded, s)
	return int64(len(l.entries)) - 1
}

// add signs a record by a person; trails and common fields are filled in.
func (l *testLedger) add(by person, typ string, fields map[any]any) int64 {
	l.now += 10
	body := map[any]any{"type": typ, "v": 1, "at": "2023-11-14T10:00:00+08:00"}
	if !recordTypes[typ].system {
		body["court"] = "粤01"
	}
	if by.staff != "" {
		body["actor"] = by.staff
	}
	for k, v := range fields {
		body[k] = v
	}
	payload := encodeCBOR(body)
	v, err := decodeCBOR(payload)
	if err != nil {
		l.t.Fatal(err)
	}
	trails, err := trailsOf(&statement{typ: typ, aud: testOrigin, body: v.(map[any]any)}, recordTypes[typ])
	if err != nil {
		l.t.Fatal(err)
	}
	sub := trails[0]
	slices.Sort(trails)
	cti := sha256.Sum256(fmt.Append(nil, len(l.entries), typ))
	kid := keyID(public(by.key))
	header := map[any]any{1: -8, 3: recordContent, 4: kid[:], "trails": slices.Compact(trails),
		15: map[any]any{1: by.org, 2: sub, 3: testOrigin, 6: l.now, 7: cti[:16]}}
	return l.append(sign(by.key, header, payload))
}

func (l *testLedger) genesis(control int, admins ...person) {
	var list []any
	for _, a := range admins {
		list = append(list, map[any]any{"key": public(a.key), "org": a.org,
			"roles": []string{"clerk", "leader", "judge", "personnel", "system", "administrator", "lawyer", "discipline"}})
	}
	l.add(admins[0], "ledger.genesis", map[any]any{"origin": testOrigin, "name": "test", "operator": "gz-court", "catalogue": 1,
		"catalogueDigest": make([]byte, 32), "members": []any{}, "policy": l.policyText(), "control": control, "administrators": list,
		"keys": map[any]any{"log": vkeyOf(testOrigin, 1, public(l.logKey)), "statement": public(l.sealKey),
			"receipt": public(derive("court", "receipt", testOrigin)), "promise": public(derive("court", "promise", testOrigin))}})
}

func (l *testLedger) register(by, who person, role string, more map[any]any) int64 {
	fields := map[any]any{"key": public(who.key), "org": who.org, "roles": []string{role}}
	if who.staff != "" {
		fields["staff"] = who.staff
	}
	for k, v := range more {
		fields[k] = v
	}
	return l.add(by, "registry.key", fields)
}

func (l *testLedger) approve(by person, index int64, kid []byte) int64 {
	fields := map[any]any{"refs": []any{map[any]any{"rel": "approves", "log": testOrigin, "leaf": l.decoded[index].leaf}}}
	if kid != nil {
		fields["kid"] = kid
	}
	return l.add(by, "registry.approve", fields)
}

func (l *testLedger) opinion(by person) int64 {
	content := encodeCBOR([]any{make([]byte, 16), "content", "意见"})
	return l.add(by, "supervision.opinion", map[any]any{"case": "（2023）粤01民初1号", "judge": "粤01-R0201", "measure": "M05",
		"basis": "keycase", "node": "deliberation", "channel": "platform", "sealed": map[any]any{"content": sha256Sum(content)}})
}

func (l *testLedger) trailsBelow(size int64) map[string]*frontier {
	out := map[string]*frontier{}
	for i, s := range l.decoded[:size] {
		for _, name := range s.trails {
			if out[name] == nil {
				out[name] = &frontier{}
			}
			out[name].add(trailLeaf(int64(i), s.leaf))
		}
	}
	return out
}

func (l *testLedger) mapBelow(size int64) *patricia {
	var m *patricia
	for name, f := range l.trailsBelow(size) {
		m = m.set(mapKey(name), mapValue(f.n, f.root()))
	}
	return m
}

func (l *testLedger) seal(change func(body map[any]any)) int64 {
	l.now += 10
	size := int64(len(l.entries))
	var prev hash
	if n := len(l.sealAt); n > 0 {
		prev = l.decoded[l.sealAt[n-1]].leaf
	}
	body := map[any]any{"type": "ledger.seal", "v": 1, "height": len(l.sealAt), "size": size, "prev": prev, "time": l.now * 1000,
		"trails": len(l.trailsBelow(size)), "map": l.mapBelow(size).root()}
	if change != nil {
		change(body)
	}
	kid := keyID(public(l.sealKey))
	header := map[any]any{1: -8, 3: sealContent, 4: kid[:],
		15: map[any]any{1: "gz-court", 2: "ledger:" + testOrigin, 3: testOrigin, 6: l.now, 7: prev[:16]}}
	index := l.append(sign(l.sealKey, header, encodeCBOR(body)))
	l.sealAt = append(l.sealAt, index)
	return index
}

func (l *testLedger) leaves(size int64) []hash {
	var out []hash
	for _, s := range l.decoded[:size] {
		out = append(out, s.leaf)
	}
	return out
}

func (l *testLedger) checkpoint(size int64) string {
	root := rootOf(l.leaves(size))
	text := fmt.Sprintf("%s\n%d\n%s\n", testOrigin, size, base64.StdEncoding.EncodeToString(root[:]))
	stamp := l.stamp
	if stamp == 0 {
		stamp = l.now + 1
	}
	line := func(name string, kind byte, key, sig []byte) string {
		id, _ := hex.DecodeString(strings.Split(vkeyOf(name, kind, key), "+")[1])
		return "— " + name + " " + base64.StdEncoding.EncodeToString(append(id, sig...)) + "\n"
	}
	plain := func(name string, key ed25519.PrivateKey) string {
		sig := ed25519.Sign(key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", stamp, text))
		return line(name, 4, public(key), append(binary.BigEndian.AppendUint64(nil, uint64(stamp)), sig...))
	}
	quantum := func(name string, key *mldsa.PrivateKey, at int64) string {
		m := append([]byte("subtree/v1\n\x00"), byte(len(name)))
		m = binary.BigEndian.AppendUint64(append(m, name...), uint64(at))
		m = append(append(m, byte(len(testOrigin))), testOrigin...)
		m = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(m, 0), uint64(size))
		sig, err := key.Sign(nil, append(m, root[:]...), &mldsa.Options{})
		if err != nil {
			l.t.Fatal(err)
		}
		return line(name, 6, key.PublicKey().Bytes(), append(binary.BigEndian.AppendUint64(nil, uint64(at)), sig...))
	}
	out := text + "\n" + line(testOrigin, 1, public(l.logKey), ed25519.Sign(l.logKey, []byte(text)))
	return out + plain("discipline.example/mirror", l.mirror) + plain(l.witnessName, l.witness) +
		quantum(testOrigin, l.logPQ, 0) + quantum(l.witnessName, l.pq, stamp)
}

func (l *testLedger) inclusion(index, size int64) []string {
	reader := storedHashes(l.leaves(size))
	path, err := tlog.ProveRecord(size, index, reader)
	if err != nil {
		l.t.Fatal(err)
	}
	return texts64(path)
}

func storedHashes(leaves []hash) tlog.HashReader {
	var stored []hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]hash, error) {
		var out []hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
		if err != nil {
			panic(err)
		}
		stored = append(stored, more...)
	}
	return reader
}

func texts64(hashes []hash) []string {
	out := []string{}
	for _, h := range hashes {
		out = append(out, base64url(h[:]))
	}
	return out
}

type object = map[string]any

func (l *testLedger) shown(index, size int64) object {
	return object{"index": index, "statement": base64url(l.entries[index]), "inclusion": l.inclusion(index, size)}
}

func (l *testLedger) mapProof(trail string, size int64) []byte {
	key := mapKey(trail)
	var path []byte
	var walk func(p *patricia)
	var end *patricia
	walk = func(p *patricia) {
		if p.bit == 256 {
			end = p
			return
		}
		next, sibling := p.left, p.right
		if bitOf(key, p.bit) == 1 {
			next, sibling = p.right, p.left
		}
		walk(next)
		root := sibling.root()
		path = append(binary.AppendUvarint(path, uint64(p.bit)), root[:]...)
	}
	walk(l.mapBelow(size))
	if end.key == key {
		return path
	}
	out := append([]byte{32}, end.key[:]...)
	return append(append(append(out, 32), end.value[:]...), path...)
}

func (l *testLedger) trail(name string, size int64) (indexes []int64, leaves []hash) {
	for i, s := range l.decoded[:size] {
		if slices.Contains(s.trails, name) {
			indexes, leaves = append(indexes, int64(i)), append(leaves, trailLeaf(int64(i), s.leaf))
		}
	}
	return indexes, leaves
}

func (l *testLedger) keyTrail(key ed25519.PrivateKey, size int64, authority []int64) object {
	kid := keyID(public(key))
	name := "key:" + base64url(kid[:])
	indexes, leaves := l.trail(name, size-1)
	entries := []any{}
	for _, i := range indexes {
		if slices.Contains(authority, i) {
			entries = append(entries, object{"index": i})
		} else {
			entries = append(entries, object{"index": i, "statement": base64url(l.entries[i])})
		}
	}
	out := object{"kid": base64url(kid[:]), "count": len(indexes), "entries": entries, "proof": base64url(l.mapProof(name, size-1))}
	if len(indexes) > 0 {
		root := rootOf(leaves)
		out["root"] = base64url(root[:])
	}
	return out
}

// receipt proves one record under the tree of a size that ends in a seal.
func (l *testLedger) receipt(index, size int64, authority []int64, keys ...ed25519.PrivateKey) object {
	chain, trails := []any{}, []any{}
	for _, i := range authority {
		chain = append(chain, l.shown(i, size))
	}
	for _, k := range keys {
		trails = append(trails, l.keyTrail(k, size, authority))
	}
	return object{"format": "lianzheng-receipt/v1", "origin": testOrigin, "statement": base64url(l.entries[index]), "disclosures": []any{},
		"index": index, "inclusion": l.inclusion(index, size), "seal": l.shown(size-1, size), "authority": chain, "keyTrails": trails,
		"checkpoint": l.checkpoint(size), "timestamps": []any{}, "summary": object{"a": 1}}
}

// part lists the records [from, to) of a trail; to < 0 means a whole listing.
func (l *testLedger) part(trail string, size, from, to int64, authority []int64, keys ...ed25519.PrivateKey) object {
	out := l.receipt(0, size, authority, keys...)
	for _, name := range []string{"format", "statement", "disclosures", "index", "inclusion", "timestamps", "summary"} {
		delete(out, name)
	}
	indexes, leaves := l.trail(trail, size-1)
	count := int64(len(indexes))
	out["seals"], out["count"], out["proof"] = []any{}, count, base64url(l.mapProof(trail, size-1))
	if count > 0 {
		root := rootOf(leaves)
		out["root"] = base64url(root[:])
	}
	if to >= 0 {
		var f frontier
		for _, leaf := range leaves[:from] {
			f.add(leaf)
		}
		path := []hash{}
		if to < count {
			path, _ = tlog.ProveTree(count, to, storedHashes(leaves))
		}
		out["from"], out["range"], out["consistency"] = from, texts64(f.roots), texts64(path)
	} else {
		to = count
	}
	entries := []any{}
	for _, i := range indexes[from:to] {
		entries = append(entries, object{"index": i, "statement": base64url(l.entries[i]), "disclosures": []any{}})
	}
	out["entries"] = entries
	return out
}

func certificateOf(trail string, parts ...object) object {
	list := []any{}
	for _, p := range parts {
		list = append(list, p)
	}
	return object{"format": "lianzheng-trail/v1", "trail": trail, "parts": list}
}

func toJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

// serve gives the C2SP surface of the entries, the bundles to bearers of the token only.
func serve(t *testing.T, entries [][]byte, checkpoint, token string) string {
	var leaves []hash
	for _, e := range entries {
		leaves = append(leaves, tlog.RecordHash(e))
	}
	reader := storedHashes(leaves)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/logs/evidence/")
		if path == "checkpoint" {
			fmt.Fprint(w, checkpoint)
			return
		}
		isBundle := strings.HasPrefix(path, "tile/entries/")
		tile, err := tlog.ParseTilePath(strings.Replace(strings.Replace(path, "tile/entries/", "tile/0/", 1), "tile/", "tile/8/", 1))
		switch {
		case err != nil:
			http.NotFound(w, r)
		case isBundle && r.Header.Get("Authorization") != "Bearer "+token:
			http.Error(w, "no", http.StatusForbidden)
		case isBundle:
			for _, e := range entries[tile.N*256 : tile.N*256+int64(tile.W)] {
				w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(e))), e...))
			}
		default:
			data, err := tlog.ReadTileData(tile, reader)
			if err != nil {
				http.NotFound(w, r)
				return
			}
			w.Write(data)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/logs/evidence"
}
