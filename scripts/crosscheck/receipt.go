package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Receipts, formats §9.

type receipt struct {
	origin, checkpoint    string
	statement             shown
	seal                  shown
	around                []shown // before and entered, where given
	hasBefore, hasEntered bool
	authority             []shown
	keyTrails             []keyTrail
	timestamps            int
}

// checkFormat tells a version that is not known (could not check) from a file that is none of ours.
func checkFormat(v any, want string) error {
	m, _ := v.(map[string]any)
	got, _ := m["format"].(string)
	kind, _, _ := strings.Cut(want, "/")
	switch {
	case got == want:
		return nil
	case strings.HasPrefix(got, kind+"/"):
		return unsure("unknown format %s", got)
	}
	return fmt.Errorf("not a %s file", kind)
}

func readReceipt(data []byte) (*receipt, error) {
	v, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	if err := checkFormat(v, "lianzheng-receipt/v1"); err != nil {
		return nil, err
	}
	r := &jsonReader{}
	m := r.object(v, "receipt", "format", "origin", "statement", "disclosures", "index", "inclusion", "seal", "before?", "entered?",
		"authority", "keyTrails", "checkpoint", "timestamps?", "summary?")
	out := &receipt{origin: r.text(m["origin"]), checkpoint: r.text(m["checkpoint"])}
	out.statement = shown{index: r.integer(m["index"]), raw: r.bytes(m["statement"]), inclusion: readList(r, m["inclusion"], r.hash),
		disclosures: readList(r, m["disclosures"], r.bytes)}
	out.seal = readSealShown(r, m["seal"])
	if v, there := m["before"]; there {
		out.hasBefore = true
		out.around = append(out.around, readSealShown(r, v))
	}
	if v, there := m["entered"]; there {
		out.hasEntered = true
		out.around = append(out.around, readSealShown(r, v))
	}
	out.authority = readList(r, m["authority"], func(v any) shown { return readProved(r, v) })
	out.keyTrails = readList(r, m["keyTrails"], func(v any) keyTrail { return readKeyTrail(r, v) })
	if v, there := m["timestamps"]; there {
		for _, t := range r.list(v) {
			stamp := r.object(t, "timestamp", "type", "token")
			r.text(stamp["type"])
			r.bytes(stamp["token"])
			out.timestamps++
		}
	}
	return out, r.err
}

func verifyReceipt(data []byte, pol *policy, evidence []string, now time.Time) *report {
	rep := &report{}
	rec, err := readReceipt(data)
	if err != nil {
		rep.step("file").check(err)
		return rep
	}
	policyStep, checkpointStep, quorumStep := rep.step("policy"), rep.step("checkpoint signature"), rep.step("quorum")
	sealStep, inclusionStep, authorityStep := rep.step("seal"), rep.step("inclusion"), rep.step("authority")
	keyStep, statementStep, schemaStep := rep.step("key trails (mirrors)"), rep.step("statement"), rep.step("schema and trails")
	disclosureStep, fileStep, timeStep := rep.step("disclosures"), rep.step("file digests"), rep.step("timestamps")

	p := newProof(pol, rec.origin, now)
	p.checkPolicy(policyStep)
	p.checkCheckpoint(checkpointStep, quorumStep, rec.checkpoint)
	index := rec.statement.index
	p.readSeals(sealStep, rec.seal, rec.around)
	p.checkAround(sealStep, rec)
	p.replayAuthority(authorityStep, rec.authority, index)
	p.checkSealSignatures(sealStep)

	st, err := decodeStatement(rec.statement.raw)
	if !statementStep.check(err) {
		for _, s := range []*step{inclusionStep, authorityStep, schemaStep, disclosureStep, fileStep} {
			s.check(unsure("no statement to check"))
		}
		p.checkKeyTrails(keyStep, rec.keyTrails)
		return rep
	}
	inclusionStep.check(p.checkInclusion(index, st.leaf, rec.statement.inclusion))
	if index >= rec.seal.index {
		inclusionStep.check(fmt.Errorf("the statement does not stand before the seal"))
	}
	p.checkAuthor(authorityStep, statementStep, st, index)
	p.checkKeyTrails(keyStep, rec.keyTrails)
	schemaStep.check(checkRecord(st))
	schemaStep.check(p.checkClass(st, index))
	checkSealedFields(disclosureStep, st, rec.statement.disclosures, func(field string, open bool) {
		if !open {
			disclosureStep.note("not disclosed: %s", field)
		}
	})
	checkFiles(fileStep, st, evidence)
	if rec.timestamps > 0 {
		timeStep.note("%d shown, not counted: no timestamp authority was given", rec.timestamps)
	} else {
		timeStep.note("none")
	}
	return rep
}

// checkAround: before is the last seal below the statement, entered the first above it.
func (p *proof) checkAround(s *step, rec *receipt) {
	var before, entered *seal
	at := rec.statement.index
	if rec.hasBefore {
		if before = p.sealAt(rec.around[0].index); before != nil && before.index >= at {
			s.check(fmt.Errorf("before does not stand before the statement"))
		}
	}
	if rec.hasEntered {
		if entered = p.sealAt(rec.around[len(rec.around)-1].index); entered != nil && entered.index <= at {
			s.check(fmt.Errorf("entered does not stand after the statement"))
		}
	}
	switch {
	case before != nil && entered != nil && entered.prev != before.leaf:
		s.check(fmt.Errorf("before and entered are not neighbours"))
	case before != nil && entered != nil:
		s.note("entered between seals %d and %d", before.index, entered.index)
	case entered != nil && entered.height == 0:
		s.note("entered before the first seal")
	case entered != nil:
		s.note("entered by seal %d", entered.index)
	}
}

// checkAuthor checks the right of the signer and the signature, each in its own step. The key, where both hold.
func (p *proof) checkAuthor(authority, statement *step, st *statement, index int64) *registeredKey {
	if st.aud != p.origin {
		statement.check(fmt.Errorf("entry %d: for another log, %s", index, st.aud))
	}
	statement.check(p.checkAdmission(st, index))
	if st.isSeal {
		statement.check(fmt.Errorf("entry %d: a seal where a record should be", index))
		return nil
	}
	k, err := p.reg.signer(st, index, true)
	authority.check(err)
	if k == nil {
		statement.check(unsure("entry %d: signed by an unknown key", index))
		return nil
	}
	if bad := st.checkSignature(k.public); bad != nil {
		statement.check(fmt.Errorf("entry %d: %w", index, bad))
		err = bad
	}
	if p.authority[index] == nil && checkRecord(st) == nil {
		authority.check(p.reg.check(st, k, index))
	}
	if who := st.text("onBehalfOf"); who != "" {
		statement.note("on behalf of %s", who)
	}
	if err != nil {
		return nil
	}
	return k
}

// checkSealedFields checks the disclosures of one statement and says of each sealed field whether it is open.
func checkSealedFields(s *step, st *statement, disclosures [][]byte, say func(field string, open bool)) {
	open, err := checkDisclosures(st, disclosures)
	if len(disclosures) > 0 {
		s.check(err)
	}
	sealed, _ := st.body["sealed"].(map[any]any)
	for _, field := range sortedNames(sealed) {
		say(field, open[field])
	}
}

func sortedNames(m map[any]any) []string {
	var names []string
	for name := range m {
		names = append(names, name.(string))
	}
	slices.Sort(names)
	return names
}

func checkFiles(s *step, st *statement, evidence []string) {
	if len(evidence) == 0 {
		s.note("no file given")
		return
	}
	named := namedFiles(st.body)
	for _, path := range evidence {
		data, err := os.ReadFile(path)
		if err != nil {
			s.check(unsure("%v", err))
			continue
		}
		sums := map[string]hash{"sha256": sha256.Sum256(data), "sm3": sm3Sum(data)}
		verdict := fmt.Errorf("%s matches no named digest: the file differs, not the ledger", path)
		for _, file := range named {
			agree, differ := 0, 0
			for name, sum := range sums {
				if sameBytes(sum, file[name]) {
					agree++
				} else if file[name] != nil {
					differ++
				}
			}
			if agree > 0 && differ == 0 {
				verdict = nil
				break
			} else if agree > 0 {
				verdict = fmt.Errorf("%s matches one digest of the record and not the one beside it", path)
			}
		}
		s.check(verdict)
	}
}

// namedFiles collects what names a file by a digest, wherever in the record it stands.
func namedFiles(v any) []map[any]any {
	var out []map[any]any
	switch t := v.(type) {
	case []any:
		for _, item := range t {
			out = append(out, namedFiles(item)...)
		}
	case map[any]any:
		if t["sha256"] != nil || t["sm3"] != nil {
			out = append(out, t)
		}
		for _, item := range t {
			out = append(out, namedFiles(item)...)
		}
	}
	return out
}

func sha256Sum(data []byte) hash { return sha256.Sum256(data) }
