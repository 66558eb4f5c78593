package main

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"
)

var (
	admin     = newPerson("admin", "gz-court", "")
	other     = newPerson("other", "gz-discipline", "")
	president = newPerson("president", "gz-court", "粤01-R0001")
	second    = newPerson("second", "gz-court", "粤01-R0002")
)

var later = time.Unix(testStart+100_000, 0)

func (l *testLedger) expectReceipt(r object, want verdict) *report {
	l.t.Helper()
	rep := verifyReceipt(toJSON(r), l.policy(), nil, later)
	expect(l.t, rep, want)
	return rep
}

func (l *testLedger) expectLive(want verdict) *report {
	l.t.Helper()
	url := serve(l.t, l.entries, l.checkpoint(int64(len(l.entries))), "secret")
	rep, err := verifyLive(url, vkeyOf(testOrigin, 1, public(l.logKey)), "secret")
	if err != nil {
		l.t.Fatal(err)
	}
	expect(l.t, rep, want)
	return rep
}

func (l *testLedger) size() int64 { return int64(len(l.entries)) }

// start makes genesis and the president's registration, both under a first seal.
func start(t *testing.T, more map[any]any) (l *testLedger, registration int64) {
	l = newLedger(t)
	l.genesis(1, admin)
	registration = l.register(admin, president, "leader", more)
	l.seal(nil)
	return l, registration
}

func TestBeforeAndEntered(t *testing.T) {
	l, reg := start(t, nil)
	index := l.opinion(president)
	l.seal(nil)
	l.opinion(president)
	l.seal(nil)
	l.opinion(president)
	l.seal(nil)
	r := l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key)
	l.expectReceipt(r, verified)
	r["before"], r["entered"] = l.shown(l.sealAt[0], l.size()), l.shown(l.sealAt[1], l.size())
	l.expectReceipt(r, verified)
	entered := r["entered"].(object)
	l.stamp = l.now + 1000
	entered["checkpoint"] = l.checkpoint(l.sealAt[1] + 1)
	rep := l.expectReceipt(r, verified)
	if !strings.Contains(strings.Join(stepOf(rep, "seal").notes, " "), "time of seal 4 is claimed") { // cosigned long after
		t.Error(stepOf(rep, "seal").notes)
	}
	l.stamp = l.decoded[l.sealAt[1]].body["time"].(int64)/1000 + 5
	entered["checkpoint"] = l.checkpoint(l.sealAt[1] + 1)
	l.stamp = 0
	rep = l.expectReceipt(r, verified)
	if !strings.Contains(strings.Join(stepOf(rep, "seal").notes, " "), "time of seal 4 is proven") {
		t.Error(stepOf(rep, "seal").notes)
	}
	entered["checkpoint"] = l.checkpoint(l.sealAt[2] + 1)
	l.expectReceipt(r, broken)
	r["entered"] = l.shown(l.sealAt[2], l.size()) // not the first one above
	l.expectReceipt(r, broken)
	r["before"], r["entered"] = l.shown(l.sealAt[1], l.size()), l.shown(l.sealAt[2], l.size()) // not around the statement
	l.expectReceipt(r, broken)
	l.expectLive(verified)
}

func TestGenesisAndRegistrationReceipts(t *testing.T) {
	l, reg := start(t, nil)
	l.expectReceipt(l.receipt(0, l.size(), []int64{0}, admin.key), verified)
	l.expectReceipt(l.receipt(reg, l.size(), []int64{0}, admin.key), verified)
	next := derive("court", "statement", testOrigin+"#2")
	node := l.add(admin, "registry.node", map[any]any{"keys": map[any]any{"statement": public(next)}, "generation": 2})
	l.sealKey = next
	revoke := l.add(admin, "registry.revoke", map[any]any{"kid": keyID(public(president.key)), "reason": "left"})
	l.seal(nil)
	l.expectReceipt(l.receipt(0, l.size(), []int64{0, node}, admin.key), verified)
	l.expectReceipt(l.receipt(0, l.size(), []int64{0, reg, node, revoke}, admin.key, president.key), broken)
}

func TestRevocation(t *testing.T) {
	l, reg := start(t, nil)
	index := l.opinion(president)
	l.seal(nil)
	kid := keyID(public(president.key))
	l.add(admin, "registry.revoke", map[any]any{"kid": kid, "reason": "left"})
	late := l.opinion(president)
	l.seal(nil)
	chain := []int64{0, reg}
	l.expectReceipt(l.receipt(index, l.size(), chain, admin.key, president.key), verified)
	l.expectReceipt(l.receipt(late, l.size(), chain, admin.key, president.key), broken)
	l.expectReceipt(l.receipt(index, l.size(), chain, admin.key), couldNotCheck) // a missing key trail
	l.expectLive(broken)

	l.seal(nil)
	revoked := l.add(admin, "registry.revoke", map[any]any{"kid": kid, "reason": "left"})
	l.seal(nil)
	part := l.part("duty:粤01-R0201", l.size(), 0, 1, append(chain, revoked), admin.key, president.key) // above all that is shown
	expect(t, verifyCertificate(toJSON(certificateOf("duty:粤01-R0201", part)), l.policy(), later), broken)

	for since, want := range map[int64]verdict{testStart: couldNotCheck, testStart + 10_000: verified} {
		l, reg = start(t, nil)
		index = l.opinion(president)
		l.seal(nil)
		l.add(admin, "registry.revoke", map[any]any{"kid": kid, "reason": "stolen", "compromisedSince": since})
		l.seal(nil)
		r := l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key)
		l.expectReceipt(r, want)
		r["before"], r["entered"] = l.shown(l.sealAt[0], l.size()), l.shown(l.sealAt[1], l.size())
		l.expectReceipt(r, want)
		l.expectLive(verified)
	}
}

func TestValidity(t *testing.T) {
	for until, want := range map[int64]verdict{testStart + 10: broken, testStart + 10_000: verified} {
		l, reg := start(t, map[any]any{"notAfter": until})
		index := l.opinion(president)
		l.seal(nil)
		r := l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key)
		l.expectReceipt(r, couldNotCheck)
		r["before"], r["entered"] = l.shown(l.sealAt[0], l.size()), l.shown(l.sealAt[1], l.size())
		l.expectReceipt(r, want)
		l.expectLive(want)
	}
}

func TestIssuedAhead(t *testing.T) {
	for ahead, want := range map[int64]verdict{200: verified, 400: broken} {
		l, reg := start(t, nil)
		l.now += ahead
		index := l.opinion(president)
		l.now -= ahead
		l.seal(nil)
		l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key), want)
		l.expectLive(want)
	}
}

func TestApprovals(t *testing.T) {
	l := newLedger(t)
	l.genesis(2, admin, other)
	reg := l.register(admin, president, "leader", nil)
	early := l.opinion(president)
	kid := keyID(public(president.key))
	agreed := l.approve(other, reg, kid[:])
	index := l.opinion(president)
	l.seal(nil)
	keys := []ed25519.PrivateKey{admin.key, other.key, president.key}
	l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg, agreed}, keys...), verified)
	l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key), couldNotCheck)
	l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg, agreed}, admin.key, president.key), couldNotCheck) // other's trail
	l.expectReceipt(l.receipt(early, l.size(), []int64{0, reg}, admin.key, president.key), couldNotCheck)
	l.expectLive(broken) // the early one was admitted although its key was pending
}

func TestRotation(t *testing.T) {
	l, reg := start(t, nil)
	index := l.opinion(president)
	next := derive("court", "statement", testOrigin+"#2")
	node := l.add(admin, "registry.node", map[any]any{"keys": map[any]any{"statement": public(next)}, "generation": 2})
	l.sealKey = next
	l.seal(nil)
	l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg, node}, admin.key, president.key), verified)
	l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key), couldNotCheck)
	l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg, index}, admin.key, president.key), broken) // no registry type
	l.expectLive(verified)
}

func TestRights(t *testing.T) {
	clerk := newPerson("clerk", "gz-court", "粤01-R0101")
	stranger := newPerson("stranger", "gz-discipline", "粤01-R0001")
	for name, make := range map[string]func(l *testLedger) (int64, []int64, []ed25519.PrivateKey){
		"role": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			reg := l.register(admin, clerk, "clerk", nil)
			return l.opinion(clerk), []int64{0, reg}, []ed25519.PrivateKey{admin.key, clerk.key}
		},
		"actor": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			return l.opinion(person{president.key, "gz-court", "粤01-R0009"}), []int64{0, 1}, []ed25519.PrivateKey{admin.key, president.key}
		},
		"organisation": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			return l.opinion(person{president.key, "gz-other", president.staff}), []int64{0, 1}, []ed25519.PrivateKey{admin.key, president.key}
		},
		"key of another organisation": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			reg := l.register(admin, stranger, "leader", nil)
			return l.opinion(stranger), []int64{0, reg}, []ed25519.PrivateKey{admin.key, stranger.key}
		},
		"role not given": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			reg := l.register(admin, second, "auditor", nil)
			return l.opinion(second), []int64{0, reg}, []ed25519.PrivateKey{admin.key, second.key}
		},
		"no staff code": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			nobody := person{second.key, "gz-court", ""}
			reg := l.register(admin, nobody, "leader", nil)
			return l.opinion(nobody), []int64{0, reg}, []ed25519.PrivateKey{admin.key, nobody.key}
		},
		"leader on behalf of another": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			index := l.add(president, "supervision.access", map[any]any{"case": "（2023）粤01民初1号", "mode": "file",
				"from": "2023-11-14T10:00:00+08:00", "onBehalfOf": "粤01-R0009"})
			return index, []int64{0, 1}, []ed25519.PrivateKey{admin.key, president.key}
		},
		"registered twice": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			reg := l.register(admin, president, "leader", nil)
			return l.opinion(president), []int64{0, 1, reg}, []ed25519.PrivateKey{admin.key, president.key}
		},
		"registered by no administrator": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			reg := l.register(president, second, "leader", nil)
			return l.opinion(second), []int64{0, 1, reg}, []ed25519.PrivateKey{admin.key, president.key, second.key}
		},
		"first registration hidden": func(l *testLedger) (int64, []int64, []ed25519.PrivateKey) {
			reg := l.register(admin, president, "leader", nil)
			return l.opinion(president), []int64{0, reg}, []ed25519.PrivateKey{admin.key, president.key}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := start(t, nil)
			index, chain, keys := make(l)
			l.seal(nil)
			l.expectReceipt(l.receipt(index, l.size(), chain, keys...), broken)
			l.expectLive(broken)
		})
	}
}

func TestPartialListings(t *testing.T) {
	l, reg := start(t, nil)
	for range 5 {
		l.opinion(president)
	}
	l.seal(nil)
	old := l.size()
	for range 8 {
		l.opinion(president)
	}
	l.seal(nil)
	name := "power:粤01-R0001"
	chain := []int64{0, reg}
	part := func(size, from, to int64) object {
		return l.part(name, size, from, to, chain, admin.key, president.key)
	}
	check := func(want verdict, parts ...object) {
		t.Helper()
		expect(t, verifyCertificate(toJSON(certificateOf(name, parts...)), l.policy(), later), want)
	}
	size := l.size()
	check(verified, l.part(name, size, 0, -1, chain, admin.key, president.key))
	check(verified, part(size, 0, 13))
	check(couldNotCheck, part(size, 0, 6))
	check(couldNotCheck, part(size, 6, 13))
	check(verified, part(size, 0, 6), part(size, 6, 13))
	check(verified, part(size, 6, 13), part(size, 0, 6))
	check(verified, part(size, 0, 3), part(size, 3, 4), part(size, 4, 13))
	check(couldNotCheck, part(size, 0, 5), part(size, 6, 13))
	check(verified, part(size, 0, 8), part(size, 6, 13)) // overlapping
	check(verified, part(old, 0, 5), part(size, 5, 13))  // the first under an older head
	check(verified, l.part(name, old, 0, -1, chain, admin.key, president.key), part(size, 3, 13))
	check(couldNotCheck, part(old, 0, 5), part(size, 5, 9))
	check(verified, part(size, 0, 3), part(old, 3, 5), part(size, 5, 13))
	wrong := part(size, 6, 13)
	wrong["range"] = []any{wrong["range"].([]string)[1], wrong["range"].([]string)[0]}
	check(broken, part(size, 0, 6), wrong)
	wrong = part(size, 0, 6)
	wrong["consistency"] = []string{}
	check(broken, wrong, part(size, 6, 13))
	wrong = part(size, 0, 13)
	delete(wrong, "range")
	check(broken, wrong)

	// Another trail's first records cannot stand in for those that are left out.
	fork, _ := start(t, nil)
	for range 6 {
		fork.now += 1000
		fork.opinion(president)
	}
	fork.seal(nil)
	check(broken, fork.part(name, fork.size(), 0, 6, chain, admin.key, president.key), part(size, 6, 13))
}

func TestSealLies(t *testing.T) {
	for name, change := range map[string]func(map[any]any){
		"map":    func(b map[any]any) { b["map"] = hash{1} },
		"trails": func(b map[any]any) { b["trails"] = 99 },
		"height": func(b map[any]any) { b["height"] = 2 },
		"size":   func(b map[any]any) { b["size"] = 2 },
		"time":   func(b map[any]any) { b["time"] = 5 },
		"extra":  func(b map[any]any) { b["extra"] = 5 },
	} {
		t.Run(name, func(t *testing.T) {
			l, reg := start(t, nil)
			index := l.opinion(president)
			l.seal(change)
			l.expectLive(broken)
			r := l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key)
			r["before"], r["entered"] = l.shown(l.sealAt[0], l.size()), l.shown(l.sealAt[1], l.size())
			if name != "trails" { // nobody but a mirror counts them
				l.expectReceipt(r, broken)
			}
		})
	}
	l, _ := start(t, nil)
	l.opinion(president)
	l.expectLive(broken) // the last leaf is not a seal
}

func TestTrailsAreAFunctionOfTheRecord(t *testing.T) {
	l, _ := start(t, nil)
	index := l.opinion(president)
	s := l.decoded[index]
	header, _ := decodeCBOR(s.protected)
	m := header.(map[any]any)
	for name, trails := range map[string][]string{"one less": s.trails[1:], "one more": append([]string{"case-internal:（2023）粤01民初9号"}, s.trails...)} {
		m["trails"] = trails
		wrong, err := decodeStatement(sign(president.key, m, s.payload))
		if err != nil && strings.Contains(err.Error(), "not sorted") {
			m["trails"] = []string{s.trails[0], "case-internal:（2023）粤01民初9号", s.trails[1], s.trails[2]}
			wrong, err = decodeStatement(sign(president.key, m, s.payload))
		}
		if err != nil {
			t.Fatal(name, err)
		}
		if checkRecord(wrong) == nil {
			t.Errorf("%s accepted", name)
		}
	}
}

func TestUnknownTypes(t *testing.T) {
	recordTypes["evidence.novel"] = recordType{by: "leader", open: "case!", trails: "case"}
	l, reg := start(t, nil)
	index := l.add(president, "evidence.novel", map[any]any{"case": "（2023）粤01民初1号"})
	delete(recordTypes, "evidence.novel")
	l.seal(nil)
	l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key), couldNotCheck)
	l.expectLive(couldNotCheck)
}

func TestPostQuantumPolicy(t *testing.T) {
	l, reg := start(t, nil)
	index := l.opinion(president)
	l.seal(nil)
	vkey := func(name string, k *mldsa.PrivateKey) string { return vkeyOf(name, 6, k.PublicKey().Bytes()) }
	text := "log " + vkey(testOrigin, l.logPQ) + "\nwitness notary " + vkey("notary.example/witness", l.pq) + "\nquorum notary\n"
	pol, err := parsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r := l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key)
	rep := verifyReceipt(toJSON(r), pol, nil, later)
	for _, name := range []string{"checkpoint signature", "quorum"} {
		if stepOf(rep, name).verdict != verified {
			t.Error(name, stepOf(rep, name).notes)
		}
	}
	expect(t, rep, couldNotCheck) // no mirror of this kind here
	lines := strings.SplitAfter(r["checkpoint"].(string), "\n")
	last := lines[len(lines)-2]
	r["checkpoint"] = strings.Replace(r["checkpoint"].(string), last, first(last, len(last)/2), 1)
	expect(t, verifyReceipt(toJSON(r), pol, nil, later), broken)
}

func TestOwnNodeNeverCounts(t *testing.T) {
	for name, want := range map[string]verdict{"court.example/witness": couldNotCheck, "notary.example/witness": verified} {
		l, reg := start(t, nil)
		l.witnessName = name
		index := l.opinion(president)
		l.seal(nil)
		l.expectReceipt(l.receipt(index, l.size(), []int64{0, reg}, admin.key, president.key), want)
	}
}

func TestManyEntries(t *testing.T) {
	l, _ := start(t, nil)
	for i := range 600 {
		l.opinion(president)
		if i%60 == 59 {
			l.seal(nil)
		}
	}
	l.expectLive(verified)
}
