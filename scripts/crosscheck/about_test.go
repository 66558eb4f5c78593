package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// Records about others, rules that depend on the body, promises, refusals, SCITT.

func (l *testLedger) about(by person, typ, rel string, index int64, more map[any]any) int64 {
	s := l.decoded[index]
	fields := map[any]any{"refs": []any{map[any]any{"rel": rel, "log": testOrigin, "leaf": s.leaf}}, "of": s.trails}
	for k, v := range more {
		fields[k] = v
	}
	return l.add(by, typ, fields)
}

func (l *testLedger) erase(by person, index int64, field string) int64 {
	return l.about(by, "body.erased", "erases", index, map[any]any{"fields": []string{field}, "ground": "PIPL-47"})
}

// seen is what a certificate of the president's trail says of sealed fields, and its verdict.
func (l *testLedger) seen(keys ...ed25519.PrivateKey) (verdict, string) {
	name := "power:粤01-R0001"
	part := l.part(name, l.size(), 0, -1, []int64{0, 1}, append(keys, admin.key, president.key)...)
	rep := verifyCertificate(toJSON(certificateOf(name, part)), l.policy(), later)
	return rep.overall(), strings.Join(append(stepOf(rep, "disclosures").notes, stepOf(rep, "schema and trails").notes...), "; ")
}

func startTwo(t *testing.T) *testLedger {
	l := newLedger(t)
	l.genesis(1, admin, other)
	l.register(admin, president, "leader", nil)
	l.seal(nil)
	return l
}

func TestErasure(t *testing.T) {
	l := startTwo(t)
	index := l.opinion(president)
	l.erase(admin, index, "content")
	l.opinion(president)
	l.seal(nil)
	if got, notes := l.seen(); got != verified || strings.Contains(notes, "erased") {
		t.Error("without discipline:", got, notes)
	}
	l.erase(other, index, "content")
	l.seal(nil)
	got, notes := l.seen(other.key)
	if got != verified || !strings.Contains(notes, fmt.Sprintf("entry %d content: erased", index)) || strings.Count(notes, "withheld") != 1 {
		t.Error("with discipline:", got, notes)
	}
	l.expectLive(verified)
}

func TestWrongAbout(t *testing.T) {
	clerk := newPerson("clerk", "gz-court", "粤01-R0101")
	for name, add := range map[string]func(l *testLedger, index int64){
		"of one less": func(l *testLedger, index int64) {
			l.about(admin, "body.erased", "erases", index, map[any]any{"fields": []string{"content"}, "ground": "x",
				"of": slices.DeleteFunc(slices.Clone(l.decoded[index].trails), func(s string) bool { return s == "duty:粤01-R0201" })})
		},
		"a field that is not sealed": func(l *testLedger, index int64) { l.erase(admin, index, "case") },
		"corrected by another organisation": func(l *testLedger, index int64) {
			l.about(other, "record.corrected", "corrects", index, nil)
		},
		"corrected by a role that may not write it": func(l *testLedger, index int64) {
			l.about(admin, "record.corrected", "corrects", index, nil)
		},
		"not there": func(l *testLedger, index int64) {
			l.about(admin, "body.erased", "erases", index, map[any]any{"fields": []string{"content"}, "ground": "x",
				"refs": []any{map[any]any{"rel": "erases", "log": testOrigin, "leaf": make([]byte, 32)}}})
		},
	} {
		l := startTwo(t)
		index := l.opinion(president)
		add(l, index)
		l.seal(nil)
		l.expectLive(broken)
		if got, notes := l.seen(other.key); got != broken {
			t.Error(name, got, notes)
		}
	}
	l := startTwo(t)
	l.about(president, "record.corrected", "corrects", l.opinion(president), nil)
	l.register(admin, clerk, "clerk", nil)
	l.seal(nil)
	l.expectLive(verified)
}

func TestRulesThatDependOnTheBody(t *testing.T) {
	judge := newPerson("judge", "gz-court", "粤01-R0201")
	personnel := newPerson("personnel", "gz-court", "粤01-R0301")
	system := newPerson("system", "gz-court", "")
	flag := func(class int, source string) map[any]any {
		return map[any]any{"case": "（2023）粤01民初1号", "class": class, "item": "K1-01", "source": source, "judge": judge.staff}
	}
	table := map[any]any{"table": "measure", "version": "1", "title": "t", "from": "2023-01-01", "rows": []any{map[any]any{"code": "M1", "zh": "一"}}}
	declared := map[any]any{"staff": judge.staff, "since": "2023-01-01", "withinJurisdiction": true,
		"sealed": map[any]any{"relation": make([]byte, 32), "relative": make([]byte, 32), "firm": make([]byte, 32)}}
	for i, c := range []struct {
		by     person
		typ    string
		fields map[any]any
		trails string
	}{
		{president, "keycase.flag", flag(1, "leader"), "case-internal:（2023）粤01民初1号 duty:粤01-R0201 power:粤01-R0001"},
		{president, "keycase.flag", flag(4, "leader"), "case-internal:（2023）粤01民初1号 power:粤01-R0001"},
		{judge, "keycase.flag", flag(2, "judge"), "case-internal:（2023）粤01民初1号 duty:粤01-R0201"},
		{judge, "keycase.flag", flag(2, "leader"), ""},
		{judge, "keycase.flag", flag(5, "judge"), ""},
		{admin, "codeTable.version", table, "ledger:" + testOrigin},
		{other, "codeTable.version", table, ""},
		{judge, "recusal.declared", declared, "hr:粤01-R0201"},
		{personnel, "recusal.declared", declared, "hr:粤01-R0201"},
		{president, "recusal.declared", declared, ""},
		{judge, "recusal.applied", map[any]any{"staff": judge.staff}, "hr:粤01-R0201"},
		{personnel, "recusal.applied", map[any]any{"staff": judge.staff}, ""},
		{system, "access.read", map[any]any{"reader": "粤01-R9001", "trail": "power:粤01-R0001"}, "reader:粤01-R9001"},
		{system, "access.read", map[any]any{"reader": "粤01-R9001"}, ""},
		{president, "access.read", map[any]any{"reader": "粤01-R9001", "trail": "power:粤01-R0001"}, ""},
	} {
		l := startTwo(t)
		l.register(admin, judge, "judge", nil)
		l.register(admin, personnel, "personnel", nil)
		l.register(admin, system, "system", nil)
		index := l.add(c.by, c.typ, c.fields)
		l.seal(nil)
		if c.trails == "" {
			l.expectLive(broken)
		} else if l.expectLive(verified); strings.Join(l.decoded[index].trails, " ") != c.trails {
			t.Error(i, l.decoded[index].trails)
		}
	}
}

func (l *testLedger) handout(content string, body map[any]any) []byte {
	key := derive("court", "promise", testOrigin)
	kid := keyID(public(key))
	header := map[any]any{1: -8, 3: content, 4: kid[:], 15: map[any]any{1: "gz-court", 2: "ledger:" + testOrigin, 3: testOrigin,
		6: body["time"].(int64) / 1000, 7: make([]byte, 16)}}
	return sign(key, header, encodeCBOR(body))
}

func TestHandouts(t *testing.T) {
	l, reg := start(t, nil)
	index := l.opinion(president)
	l.seal(nil)
	file := toJSON(l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key))
	entered := l.decoded[l.sealAt[1]].body["time"].(int64)
	check := func(data []byte, want verdict, beside ...[]byte) {
		t.Helper()
		expect(t, verifyHandout(data, l.policy(), beside, later), want)
	}
	promise := func(by int64) []byte {
		return l.handout(promiseContent, map[any]any{"leaf": l.decoded[index].leaf, "time": entered - 5000, "by": by})
	}
	check(promise(entered), verified, file)
	check(promise(entered-1), couldNotCheck, file) // not shown when it entered
	check(promise(entered), couldNotCheck)
	refusal := l.handout(refusalContent, map[any]any{"digest": sha256Sum([]byte("refused")), "code": "ROLE_NOT_PERMITTED", "time": entered, "catalogue": int64(2)})
	check(refusal, verified, file, []byte("refused"))
	check(refusal, broken, file, []byte("another"))
	check(refusal, couldNotCheck)
	for _, data := range [][]byte{promise(entered), refusal} {
		for at := range data {
			changed := bytes.Clone(data)
			changed[at] ^= 1
			if verifyHandout(changed, l.policy(), [][]byte{file}, later).overall() == verified {
				t.Errorf("byte %d does not matter", at)
			}
		}
	}
}

func TestTransparentStatement(t *testing.T) {
	l, reg := start(t, nil)
	index := l.opinion(president)
	l.seal(nil)
	file := toJSON(l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key))
	s := l.decoded[index]
	leaves := l.leaves(l.size())
	path, err := tlog.ProveRecord(l.size(), index, storedHashes(leaves))
	if err != nil {
		t.Fatal(err)
	}
	root := rootOf(leaves)
	var hashes []any
	for _, h := range path {
		hashes = append(hashes, h)
	}
	key := derive("court", "receipt", testOrigin)
	kid := keyID(public(key))
	protected := encodeCBOR(map[any]any{1: -8, 4: kid[:], 15: map[any]any{1: "gz-court", 2: s.sub}, 395: 1})
	tag := func(parts ...any) []byte { return append([]byte{0xd2}, encodeCBOR(parts)...) }
	proofs := map[any]any{396: map[any]any{-1: []any{encodeCBOR([]any{l.size(), index, hashes})}}}
	inner := tag(protected, proofs, nil, ed25519.Sign(key, toBeSigned(protected, root[:])))
	data := tag(s.protected, map[any]any{394: []any{inner}}, s.payload, s.signature)
	expect(t, verifyTransparent(data, file, l.policy(), later), verified)
	expect(t, verifyTransparent(l.entries[index], file, l.policy(), later), broken)
	expect(t, verifyTransparent(data, []byte("{}"), l.policy(), later), couldNotCheck)
	for at := range data {
		changed := bytes.Clone(data)
		changed[at] ^= 1
		if verifyTransparent(changed, file, l.policy(), later).overall() == verified {
			t.Errorf("byte %d does not matter", at)
		}
	}
}
