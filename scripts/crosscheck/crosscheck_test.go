package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// vectors reads a test vector. The directory can be given in the environment as VECTORS.
func vectors(t *testing.T, name string) []byte {
	dir := os.Getenv("VECTORS")
	if dir == "" {
		dir = "../../test/vectors"
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if os.IsNotExist(err) {
		t.Skipf("no vector %s", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func vectorPolicy(t *testing.T) *policy {
	p, err := parsePolicy(vectors(t, "ledger/policy.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func expect(t *testing.T, rep *report, want verdict) {
	t.Helper()
	if got := rep.overall(); got != want {
		var out strings.Builder
		rep.print(&out)
		t.Errorf("%v, want %v\n%s", got, want, out.String())
	}
}

func stepOf(rep *report, name string) *step {
	for _, s := range rep.steps {
		if strings.HasSuffix(s.name, name) {
			return s
		}
	}
	return &step{}
}

func TestLedgerVectors(t *testing.T) {
	pol := vectorPolicy(t)
	evidence := filepath.Join(t.TempDir(), "evidence.txt")
	os.WriteFile(evidence, vectors(t, "ledger/evidence.txt"), 0o600)
	expect(t, verifyReceipt(vectors(t, "ledger/evidence.receipt.json"), pol, []string{evidence}, time.Now()), verified)
	expect(t, verifyReceipt(vectors(t, "ledger/evidence.receipt.json"), pol, nil, time.Now()), verified)
	for _, name := range []string{"power", "case", "absent"} {
		expect(t, verifyCertificate(vectors(t, "ledger/"+name+".trail.json"), pol, time.Now()), verified)
	}
	os.WriteFile(evidence, []byte("other"), 0o600)
	expect(t, verifyReceipt(vectors(t, "ledger/evidence.receipt.json"), pol, []string{evidence}, time.Now()), broken)
}

type vectorEntries struct {
	Seeds, Vkeys map[string]string
	Entries      []string
}

func readEntries(t *testing.T) (out vectorEntries, entries [][]byte) {
	if err := json.Unmarshal(vectors(t, "ledger/entries.json"), &out); err != nil {
		t.Fatal(err)
	}
	for _, e := range out.Entries {
		raw, _ := hex.DecodeString(e)
		entries = append(entries, raw)
	}
	return out, entries
}

func TestVectorKeysAreDerived(t *testing.T) {
	v, _ := readEntries(t)
	for _, k := range []struct{ who, seed, purpose, name, key string }{
		{"log", "court", "log", testOrigin, testOrigin},
		{"discipline", "discipline", "mirror", "discipline.example", "discipline.example/mirror"},
		{"notary", "notary", "witness", "notary.example", "notary.example/witness"},
	} {
		seed, _ := hex.DecodeString(v.Seeds[k.seed])
		kind := byte(4)
		if k.who == "log" {
			kind = 1
		}
		if got := vkeyOf(k.key, kind, public(derive(string(seed), k.purpose, k.name))); got != v.Vkeys[k.who] {
			t.Errorf("%s: %s, want %s", k.who, got, v.Vkeys[k.who])
		}
	}
}

// first turns an early character of base64 into another one.
func first(s string, at int) string {
	c := byte('A')
	if s[at] == 'A' {
		c = 'B'
	}
	return s[:at] + string(c) + s[at+1:]
}

func dropLine(note, having string) string {
	var out strings.Builder
	for line := range strings.Lines(note) {
		if !strings.Contains(line, "— "+having) {
			out.WriteString(line)
		}
	}
	return out.String()
}

func obj(v any, path ...any) any {
	for _, p := range path {
		switch key := p.(type) {
		case string:
			v = v.(map[string]any)[key]
		case int:
			v = v.([]any)[key]
		}
	}
	return v
}

type mutation struct {
	name   string
	change func(m map[string]any)
	want   verdict // broken or couldNotCheck
}

func flip(member string, path ...any) func(m map[string]any) {
	return func(m map[string]any) {
		o := obj(m, path...).(map[string]any)
		s := o[member].(string)
		o[member] = first(s, len(s)/2)
	}
}

func mutate(t *testing.T, file []byte, change func(m map[string]any)) []byte {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(file))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	change(m)
	return toJSON(m)
}

var inPart = func(change func(p map[string]any)) func(m map[string]any) {
	return func(m map[string]any) { change(obj(m, "parts", 0).(map[string]any)) }
}

// shared holds the changes that a receipt and a certificate part have in common.
func shared(at func(func(map[string]any)) func(map[string]any)) []mutation {
	return []mutation{
		{"seal bytes", at(func(m map[string]any) { flip("statement", "seal")(m) }), broken},
		{"seal is another entry", at(func(m map[string]any) { m["seal"] = obj(m, "authority", 0) }), broken},
		{"seal index", at(func(m map[string]any) { obj(m, "seal").(map[string]any)["index"] = 7 }), broken},
		{"seal inclusion short", at(func(m map[string]any) { obj(m, "seal").(map[string]any)["inclusion"] = []any{} }), broken},
		{"genesis bytes", at(func(m map[string]any) { flip("statement", "authority", 0)(m) }), broken},
		{"no authority", at(func(m map[string]any) { m["authority"] = []any{} }), broken},
		{"no genesis", at(func(m map[string]any) { m["authority"] = m["authority"].([]any)[1:] }), broken},
		{"no key trails", at(func(m map[string]any) { m["keyTrails"] = []any{} }), couldNotCheck},
		{"one key trail less", at(func(m map[string]any) { m["keyTrails"] = m["keyTrails"].([]any)[1:] }), couldNotCheck},
		{"key trail twice", at(func(m map[string]any) { m["keyTrails"] = append(m["keyTrails"].([]any), obj(m, "keyTrails", 0)) }), broken},
		{"key trail proof", at(func(m map[string]any) { flip("proof", "keyTrails", 0)(m) }), broken},
		{"key trail proof cut", at(func(m map[string]any) { obj(m, "keyTrails", 0).(map[string]any)["proof"] = "" }), broken},
		{"key trail with a statement of the authority", at(func(m map[string]any) {
			obj(m, "keyTrails", 1, "entries", 0).(map[string]any)["statement"] = obj(m, "authority", 1, "statement")
		}), broken},
		{"empty note with the seal", at(func(m map[string]any) { obj(m, "seal").(map[string]any)["checkpoint"] = "" }), broken},
		{"mirror line gone", at(func(m map[string]any) { m["checkpoint"] = dropLine(m["checkpoint"].(string), "discipline") }), couldNotCheck},
		{"witness line gone", at(func(m map[string]any) { m["checkpoint"] = dropLine(m["checkpoint"].(string), "notary") }), couldNotCheck},
		{"log line gone", at(func(m map[string]any) { m["checkpoint"] = dropLine(m["checkpoint"].(string), "court") }), couldNotCheck},
		{"a line twice", at(func(m map[string]any) {
			lines := strings.SplitAfter(m["checkpoint"].(string), "\n")
			m["checkpoint"] = m["checkpoint"].(string) + lines[4]
		}), broken},
		{"cosignature time", at(func(m map[string]any) {
			m["checkpoint"] = strings.Replace(m["checkpoint"].(string), "trWfPQAAAABfRcLp", "trWfPQAAAABfRcLq", 1)
		}), broken},
		{"checkpoint size", at(func(m map[string]any) {
			m["checkpoint"] = strings.Replace(m["checkpoint"].(string), "\n9\n", "\n8\n", 1)
		}), broken},
		{"checkpoint root", at(func(m map[string]any) {
			m["checkpoint"] = strings.Replace(m["checkpoint"].(string), "3s60F0", "3s60F1", 1)
		}), broken},
		{"extension line", at(func(m map[string]any) {
			m["checkpoint"] = strings.Replace(m["checkpoint"].(string), "=\n\n", "=\nmore\n\n", 1)
		}), broken},
		{"another origin", at(func(m map[string]any) { m["origin"] = "court.example/other" }), broken},
		{"unknown member", at(func(m map[string]any) { m["extra"] = 1 }), broken},
		{"member missing", at(func(m map[string]any) { delete(m, "keyTrails") }), broken},
	}
}

func TestReceiptMutations(t *testing.T) {
	pol, file := vectorPolicy(t), vectors(t, "ledger/evidence.receipt.json")
	same := func(change func(map[string]any)) func(map[string]any) { return change }
	changes := append(shared(same), []mutation{
		{"statement bytes", flip("statement"), broken},
		{"disclosure", func(m map[string]any) { m["disclosures"].([]any)[0] = first(m["disclosures"].([]any)[0].(string), 5) }, broken},
		{"disclosure twice", func(m map[string]any) {
			m["disclosures"] = append(m["disclosures"].([]any), obj(m, "disclosures", 0))
		}, broken},
		{"index", func(m map[string]any) { m["index"] = 5 }, broken},
		{"index as a float", func(m map[string]any) { m["index"] = json.Number("4.0") }, broken},
		{"index of the seal", func(m map[string]any) { m["index"] = 8 }, broken},
		{"inclusion", func(m map[string]any) { m["inclusion"].([]any)[0] = obj(m, "inclusion", 1) }, broken},
		{"inclusion longer", func(m map[string]any) { m["inclusion"] = append(m["inclusion"].([]any), obj(m, "inclusion", 1)) }, broken},
		{"no registration", func(m map[string]any) { m["authority"] = m["authority"].([]any)[:1] }, broken}, // its trail names index 1
		{"no registration, no trail", func(m map[string]any) {
			m["authority"], m["keyTrails"] = m["authority"].([]any)[:1], m["keyTrails"].([]any)[:1]
		}, couldNotCheck},
		{"authority in another order", func(m map[string]any) { slices.Reverse(m["authority"].([]any)) }, broken},
		{"key trail count", func(m map[string]any) { obj(m, "keyTrails", 1).(map[string]any)["count"] = 2 }, broken},
		{"key trail said to be empty", func(m map[string]any) {
			trail := obj(m, "keyTrails", 1).(map[string]any)
			delete(trail, "root")
			trail["count"], trail["entries"] = 0, []any{}
		}, broken},
		{"another version", func(m map[string]any) { m["format"] = "lianzheng-receipt/v2" }, couldNotCheck},
		{"padded base64", func(m map[string]any) { m["statement"] = m["statement"].(string) + "=" }, broken},
	}...)
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			expect(t, verifyReceipt(mutate(t, file, c.change), pol, nil, time.Now()), c.want)
		})
	}
	twice := bytes.Replace(file, []byte(`"index": 4,`), []byte(`"index": 4, "index": 4,`), 1)
	expect(t, verifyReceipt(twice, pol, nil, time.Now()), broken)
	expect(t, verifyReceipt(append(file, '1'), pol, nil, time.Now()), broken)
	inSummary := bytes.Replace(file, []byte(`"summary": {}`), []byte(`"summary": {"a": 1.5, "a": [null]}`), 1)
	expect(t, verifyReceipt(inSummary, pol, nil, time.Now()), verified)
	for text, want := range map[string]verdict{`\ufffd\ud83d\ude00`: verified, `\ud800`: broken, `\udc00\ud800`: broken, `\\ud800`: verified} {
		file := bytes.Replace(file, []byte(`"summary": {}`), []byte(`"summary": "`+text+`"`), 1)
		expect(t, verifyReceipt(file, pol, nil, time.Now()), want)
	}
	// Every single bit of the statement matters, and so does every one of the checkpoint's root.
	for at := 0; at < 700; at += 7 {
		expect(t, verifyReceipt(mutate(t, file, func(m map[string]any) {
			raw, _ := base64.RawURLEncoding.DecodeString(m["statement"].(string))
			raw[at%len(raw)] ^= 1 << (at % 8)
			m["statement"] = base64url(raw)
		}), pol, nil, time.Now()), broken)
	}
}

func TestCertificateMutations(t *testing.T) {
	pol, power, absent := vectorPolicy(t), vectors(t, "ledger/power.trail.json"), vectors(t, "ledger/absent.trail.json")
	changes := append(shared(inPart), []mutation{
		{"statement bytes", inPart(flip("statement", "entries", 1)), broken},
		{"an entry dropped", inPart(func(m map[string]any) { m["entries"] = m["entries"].([]any)[:2] }), broken},
		{"an entry dropped, count lowered", inPart(func(m map[string]any) { m["entries"], m["count"] = m["entries"].([]any)[:2], 2 }), broken},
		{"the same as a partial listing", inPart(func(m map[string]any) {
			m["entries"], m["count"] = m["entries"].([]any)[:2], 2
			m["from"], m["range"], m["consistency"] = 0, []any{}, []any{}
		}), broken},
		{"entries swapped", inPart(func(m map[string]any) { slices.Reverse(m["entries"].([]any)) }), broken},
		{"an entry at another index", inPart(func(m map[string]any) { obj(m, "entries", 2).(map[string]any)["index"] = 4 }), broken},
		{"said to be absent", inPart(func(m map[string]any) {
			delete(m, "root")
			m["count"], m["entries"] = 0, []any{}
		}), broken},
		{"map proof", inPart(flip("proof")), broken},
		{"trail root", inPart(flip("root")), broken},
		{"disclosure", inPart(func(m map[string]any) {
			list := obj(m, "entries", 0, "disclosures").([]any)
			list[0] = first(list[0].(string), 5)
		}), broken},
		{"another trail", func(m map[string]any) { m["trail"] = "power:粤01-R0002" }, broken},
		{"another trail of the entries", func(m map[string]any) { m["trail"] = "duty:粤01-R0201" }, broken},
		{"no part", func(m map[string]any) { m["parts"] = []any{} }, couldNotCheck},
	}...)
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			expect(t, verifyCertificate(mutate(t, power, c.change), pol, time.Now()), c.want)
		})
	}
	for _, c := range []mutation{
		{"absence of one that is there", func(m map[string]any) { m["trail"] = "case:（2020）粤01民初123号" }, broken},
		{"absence proof", inPart(flip("proof")), broken},
		{"absence proof gone", inPart(func(m map[string]any) { m["proof"] = "" }), broken},
		{"consistency of nothing", inPart(func(m map[string]any) {
			m["from"], m["range"], m["consistency"] = 0, []any{}, []any{strings.Repeat("A", 43)}
		}), broken},
		{"absent with a root", inPart(func(m map[string]any) { m["root"] = strings.Repeat("A", 43) }), broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, verifyCertificate(mutate(t, absent, c.change), pol, time.Now()), c.want)
		})
	}
}

func TestPolicies(t *testing.T) {
	text := string(vectors(t, "ledger/policy.txt"))
	receiptFile, trailFile := vectors(t, "ledger/evidence.receipt.json"), vectors(t, "ledger/power.trail.json")
	lines := strings.SplitAfter(text, "\n")
	parse := func(text string) *policy {
		p, err := parsePolicy([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	noLine := parse(strings.Join(lines[:5], ""))
	expect(t, verifyReceipt(receiptFile, noLine, nil, time.Now()), couldNotCheck)
	expect(t, verifyCertificate(trailFile, noLine, time.Now()), couldNotCheck)
	none := parse(lines[0] + "quorum none\n# lianzheng court.example/evidence internal,party 0\n")
	expect(t, verifyReceipt(receiptFile, none, nil, time.Now()), verified)
	expect(t, verifyReceipt(receiptFile, parse(strings.Replace(text, "court.example/evidence party,internal", "court.example/evidence party", 1)), nil, time.Now()), verified)
	expect(t, verifyCertificate(trailFile, parse(strings.Replace(text, "party,internal", "party", 1)), time.Now()), broken)
	otherLog := parse("log " + vkeyOf("court.example/other", 1, public(derive("x", "log", "y"))) + "\n" + lines[1] + lines[2] + lines[3] + lines[4])
	expect(t, verifyReceipt(receiptFile, otherLog, nil, time.Now()), couldNotCheck)
	early := time.Unix(1598407401-301, 0) // the cosignatures lie more than 300 s ahead
	expect(t, verifyReceipt(receiptFile, parse(text), nil, early), couldNotCheck)
	for name, bad := range map[string]string{
		"two quorums":        text + "quorum none\n",
		"no quorum":          strings.Join(lines[:4], ""),
		"unknown member":     strings.Replace(text, "discipline notary", "discipline notar", 1),
		"key twice":          text + strings.Replace(lines[1], "witness discipline", "witness again", 1),
		"wrong key id":       strings.Replace(text, "88192726", "88192727", 1),
		"zero threshold":     strings.Replace(text, "others all", "others 0", 1),
		"zero mirrors":       strings.Replace(text, " 1 discipline\n", " 0\n", 1),
		"witness, no mirror": strings.Replace(text, " 1 discipline\n", " 1 notary\n", 1),
		"signed number":      strings.Replace(text, " 1 discipline\n", " +1 discipline\n", 1),
		"unknown class":      strings.Replace(text, "party,", "parties,", 1),
		"class twice":        strings.Replace(text, "party,", "party,party,", 1),
		"other white space":  strings.Replace(text, "evidence party", "evidence\u00a0party", 1),
		"mirror twice": strings.Replace(text, " 1 discipline\n", " 2 discipline again\n", 1) + "witness again " +
			vkeyOf("discipline.example/mirror", 4, public(derive("x", "mirror", "discipline.example"))) + "\n",
	} {
		if _, err := parsePolicy([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFilesAndDigests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	os.WriteFile(path, []byte("abc"), 0o600)
	sha, sm3 := sha256Sum([]byte("abc")), sm3Sum([]byte("abc"))
	file := func(sha, sm3 hash, size int64) map[any]any {
		return map[any]any{"sha256": sha[:], "sm3": sm3[:], "size": size}
	}
	for name, c := range map[string]struct {
		body map[any]any
		want verdict
	}{
		"all agree":       {map[any]any{"files": []any{file(hash{}, hash{}, 9), file(sha, sm3, 3)}}, verified},
		"another SM3":     {map[any]any{"files": []any{file(sha, hash{}, 3)}}, broken},
		"another SHA-256": {map[any]any{"files": []any{file(hash{}, sm3, 3)}}, broken},
		"in a list":       {map[any]any{"items": []any{map[any]any{"evidence": "x", "sha256": sha[:]}}}, verified},
		"a notice":        {map[any]any{"notice": map[any]any{"sha256": sha[:]}}, verified},
		"none":            {map[any]any{}, broken},
	} {
		s := &step{}
		if checkFiles(s, &statement{body: c.body}, []string{path}); s.verdict != c.want {
			t.Errorf("%s: %v", name, s)
		}
	}
}

func TestTlogProof(t *testing.T) {
	pol := vectorPolicy(t)
	rec, err := readReceipt(vectors(t, "ledger/evidence.receipt.json"))
	if err != nil {
		t.Fatal(err)
	}
	file := "c2sp.org/tlog-proof@v1\nextra YWJj\nindex 4\n"
	for _, h := range rec.statement.inclusion {
		file += h.String() + "\n"
	}
	file += "\n" + rec.checkpoint
	expect(t, verifyTlogProof([]byte(file), rec.statement.raw, pol, time.Now()), verified)
	expect(t, verifyTlogProof([]byte(file), rec.seal.raw, pol, time.Now()), broken)
	expect(t, verifyTlogProof([]byte(strings.Replace(file, "index 4", "index 5", 1)), rec.statement.raw, pol, time.Now()), broken)
	expect(t, verifyTlogProof([]byte(strings.Replace(file, "@v1", "@v2", 1)), rec.statement.raw, pol, time.Now()), couldNotCheck)
}

func TestForeignMerkleVectors(t *testing.T) {
	var m struct{ Roots map[string]string }
	json.Unmarshal(vectors(t, "merkle.json"), &m)
	var f frontier
	for i := range 1000 {
		if want, there := m.Roots[fmt.Sprint(i)]; there && want != f.root().String() {
			t.Errorf("root of %d", i)
		}
		f.add(tlog.RecordHash(fmt.Appendf(nil, "entry-%d", i)))
	}
	// A root within an inclusion proof: of every leaf in trees of some sizes.
	var leaves []hash
	for i := range 70 {
		leaves = append(leaves, tlog.RecordHash([]byte{byte(i)}))
	}
	for size := int64(1); size <= 70; size++ {
		for i := int64(0); i < size; i++ {
			path, _ := tlog.ProveRecord(size, i, storedHashes(leaves[:size]))
			if rootEndingAt(i, size, leaves[i], path) != rootOf(leaves[:i+1]) {
				t.Fatalf("root ending at %d of %d", i, size)
			}
		}
	}
}

func TestMapVectors(t *testing.T) {
	var m struct {
		Cases []struct {
			Entries [][2]string
			Root    string
			Proofs  []struct {
				Key, Proof string
				Value      *string
			}
		}
		Bad []struct {
			Root, Key, Proof, Why string
			Value                 *string
		}
		TrailKeys   []struct{ Trail, Key string }
		TrailValues []struct {
			Count       int64
			Root, Value string
		}
	}
	if err := json.Unmarshal(vectors(t, "map.json"), &m); err != nil {
		t.Fatal(err)
	}
	h := func(s string) (out hash) { b, _ := hex.DecodeString(s); copy(out[:], b); return out }
	check := func(root, key, proof string, value *string) error {
		b, _ := hex.DecodeString(proof)
		if value == nil {
			return checkAbsence(h(root), h(key), b)
		}
		return checkPresence(h(root), h(key), h(*value), b)
	}
	for i, c := range m.Cases {
		var p *patricia
		for _, e := range c.Entries {
			p = p.set(h(e[0]), hash{})
			p.root()
		}
		for _, e := range c.Entries {
			p = p.set(h(e[0]), h(e[1]))
		}
		if p.root() != h(c.Root) {
			t.Errorf("case %d: root", i)
		}
		for j, proof := range c.Proofs {
			if err := check(c.Root, proof.Key, proof.Proof, proof.Value); err != nil {
				t.Errorf("case %d proof %d: %v", i, j, err)
			}
		}
	}
	for i, b := range m.Bad {
		if check(b.Root, b.Key, b.Proof, b.Value) == nil {
			t.Errorf("bad %d accepted: %s", i, b.Why)
		}
	}
	for _, k := range m.TrailKeys {
		if mapKey(k.Trail) != h(k.Key) || checkTrailName(k.Trail) != nil {
			t.Errorf("key of %s", k.Trail)
		}
	}
	for _, v := range m.TrailValues {
		if mapValue(v.Count, h(v.Root)) != h(v.Value) {
			t.Errorf("value of count %d", v.Count)
		}
	}
}

func TestStrictCBOR(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("81", n) + "00" }
	for _, good := range []string{"00", "1b001fffffffffffff", "3b001ffffffffffffe", "a0", "f4", "f5", "f6", "a401001901020020006161f6", deep(16)} {
		raw, _ := hex.DecodeString(good)
		if v, err := decodeCBOR(raw); err != nil {
			t.Errorf("%s: %v", good, err)
		} else if !bytes.Equal(encodeCBOR(v), raw) {
			t.Errorf("%s: does not come back", good)
		}
	}
	for _, bad := range []string{"", "1800", "1b0020000000000000", "3b001fffffffffffff", "5f4100ff", "a2010001", "a201000100", "a26161000100",
		"a2200019010200", "f7", "f90000", "f0", "f814", "c000", "d28440", "61ff", "63eda080", "0000", "42ff", "a1410000", "82", deep(17), "9b7fffffffffffffff"} {
		raw, _ := hex.DecodeString(bad)
		if _, err := decodeCBOR(raw); err == nil {
			t.Errorf("%s accepted", bad)
		}
	}
}

func TestKeys(t *testing.T) {
	// The check value of formats §2: the public key of RFC 8032, test 1.
	seed, _ := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	if id := keyID(public(ed25519.NewKeyFromSeed(seed))); hex.EncodeToString(id[:]) != "866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743" {
		t.Error("key id")
	}
	if admissibleKey(public(ed25519.NewKeyFromSeed(seed))) != nil {
		t.Error("an honest key is refused")
	}
	for _, bad := range []string{ // identity; order 2; order 4; order 8; not canonical; short
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"00",
	} {
		raw, _ := hex.DecodeString(bad)
		if admissibleKey(raw) == nil {
			t.Errorf("%s admitted", bad)
		}
	}
	sum := sm3Sum([]byte("abc"))
	if hex.EncodeToString(sum[:]) != "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0" {
		t.Error("SM3")
	}
	sum = sm3Sum(bytes.Repeat([]byte("abcd"), 16))
	if hex.EncodeToString(sum[:]) != "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732" {
		t.Error("SM3 of two blocks")
	}
}

func TestForms(t *testing.T) {
	for _, good := range []string{"case:（2020）粤01民初123号", "case:（2020）最高法民申1号", "case:（1999）穗中法民初字第12号", "power:粤01-R0001", "disclosure:最高法",
		"disclosure:粤", "evidence:粤01-20200826-abcdefghijkm", "ledger:court.example/evidence", "court:粤0101"} {
		if err := checkTrailName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "power", "power:", "power:粤01-R001", "power:粤1-R0001", "case:(2020)粤01民初123号", "case:（2020）粤01民初123号之1", "Power:粤01-R0001",
		"evidence:粤01-20200826-abcdefghijk1", "file:sha256-00", "disclosure:粤1", "ledger:Court", "power:粤０１-R0001"} {
		if checkTrailName(bad) == nil {
			t.Errorf("%s accepted", bad)
		}
	}
	for s, want := range map[string]bool{"2020-02-29T23:59:59+08:00": true, "2020-02-29T23:59:59.5-00:30": true, "2021-02-29T00:00:00+08:00": false,
		"2020-02-29T23:59:60+08:00": false, "2020-02-29T23:59:59Z": false, "2020-02-29T24:00:00+08:00": false, "2020-02-29T23:59:59.1234+08:00": false,
		"2020-02-29T23:59:59,5+08:00": false} {
		if isTime(s) != want {
			t.Errorf("%s: %v", s, !want)
		}
	}
}

func TestNoteVectors(t *testing.T) {
	var v struct {
		Keys  []struct{ Name, Vkey string }
		Notes []struct {
			Note, Text string
			Signers    int
		}
	}
	json.Unmarshal(vectors(t, "note.json"), &v)
	court, err := parseVkey(v.Keys[0].Vkey)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range v.Notes {
		opened, err := note.Open([]byte(n.Note), note.VerifierList(court))
		if err != nil || opened.Text != n.Text {
			t.Errorf("%q: %v", n.Note, err)
		}
	}
}

// The log of another implementation, served as files are.
func TestForeignLog(t *testing.T) {
	signed := vectors(t, "tessera-log/checkpoint")
	bundle := vectors(t, "tessera-log/tile/entries/000.p/15")
	var entries [][]byte
	for len(bundle) > 0 {
		n := 2 + int(bundle[0])<<8 + int(bundle[1])
		entries = append(entries, bundle[2:n])
		bundle = bundle[n:]
	}
	url := serve(t, entries, string(signed), "secret")
	rep, err := verifyLive(url, "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx", "secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"checkpoint signature", "root from entries", "tiles", "proofs over the tiles"} {
		if s := stepOf(rep, name); s.verdict != verified {
			t.Errorf("%s: %v %v", name, s.verdict, s.notes)
		}
	}
	if stepOf(rep, "statements").verdict != broken {
		t.Error("foreign entries taken for statements")
	}
}

func TestLiveVectors(t *testing.T) {
	v, entries := readEntries(t)
	rec, err := readReceipt(vectors(t, "ledger/evidence.receipt.json"))
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, entries, rec.checkpoint, "secret")
	rep, err := verifyLive(url, v.Vkeys["log"], "secret")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, rep, verified)
	if _, err := verifyLive(url, v.Vkeys["log"], ""); err == nil {
		t.Error("entries without a token")
	}
	// One entry changed, under a head that the log itself signed: everything that should notice does.
	changed := slices.Clone(entries)
	changed[5] = bytes.Clone(changed[5])
	changed[5][len(changed[5])-1] ^= 1
	rep, _ = verifyLive(serve(t, changed, rec.checkpoint, "secret"), v.Vkeys["log"], "secret")
	expect(t, rep, broken)
	for _, name := range []string{"root from entries", "admission and signatures", "trails and map under every seal", "proofs over the tiles"} {
		if stepOf(rep, name).verdict != broken {
			t.Errorf("%s did not notice", name)
		}
	}
}

// No byte of a file is idle: with any bit of it turned, the file no longer verifies. (The name of an absent trail may
// change: the same proof shows others to be absent too.)
func TestEveryByteMatters(t *testing.T) {
	pol := vectorPolicy(t)
	for name, verify := range map[string]func([]byte) *report{
		"evidence.receipt.json": func(b []byte) *report { return verifyReceipt(b, pol, nil, time.Now()) },
		"power.trail.json":      func(b []byte) *report { return verifyCertificate(b, pol, time.Now()) },
		"absent.trail.json":     func(b []byte) *report { return verifyCertificate(b, pol, time.Now()) },
	} {
		file := vectors(t, "ledger/"+name)
		for at := bytes.Index(file, []byte("parts")) + 1; at < len(file); at += 5 {
			changed := bytes.Clone(file)
			changed[at] ^= 1 << (at * 5 % 8)
			if verify(changed).overall() == verified {
				t.Errorf("%s: byte %d, %q, can change", name, at, file[max(0, at-20):min(len(file), at+20)])
			}
		}
	}
}
