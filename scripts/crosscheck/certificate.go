package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Trail certificates, formats §10.

type certificatePart struct {
	origin, checkpoint string
	seal               shown
	proof              []byte
	count              int64
	root               *hash
	partial            bool
	from               int64
	rangeRoots         []hash
	consistency        []hash
	entries            []shown
	seals, authority   []shown
	keyTrails          []keyTrail

	// found while checking
	p       *proof
	signers []use
	listed  []*listed
	fields  *step // what is said of sealed fields
	schema  *step
	size    int64  // of the checkpoint
	head    hash   // its root
	leaves  []hash // of the trail, from `from` on
	start   hash   // root of the first `from` leaves
	sound   bool
}

// listed is one entry with the key that signed it, nil where that is not shown.
type listed struct {
	*statement
	index       int64
	key         *registeredKey
	disclosures [][]byte
}

func readCertificate(data []byte) (trail string, parts []*certificatePart, err error) {
	v, err := parseJSON(data)
	if err != nil {
		return "", nil, err
	}
	if err := checkFormat(v, "lianzheng-trail/v1"); err != nil {
		return "", nil, err
	}
	r := &jsonReader{}
	m := r.object(v, "certificate", "format", "trail", "parts")
	parts = readList(r, m["parts"], func(v any) *certificatePart { return readPart(r, v) })
	return r.text(m["trail"]), parts, r.err
}

func readPart(r *jsonReader, v any) *certificatePart {
	m := r.object(v, "part", "origin", "checkpoint", "seal", "proof", "count", "root?", "from?", "range?", "consistency?", "entries",
		"seals", "authority", "keyTrails")
	c := &certificatePart{origin: r.text(m["origin"]), checkpoint: r.text(m["checkpoint"]), seal: readSealShown(r, m["seal"]),
		proof: r.bytes(m["proof"]), count: r.integer(m["count"])}
	c.root = readRoot(r, m, c.count)
	if _, c.partial = m["from"]; c.partial {
		c.from = r.integer(m["from"])
		c.rangeRoots = readList(r, m["range"], r.hash)
		c.consistency = readList(r, m["consistency"], r.hash)
	} else if m["range"] != nil || m["consistency"] != nil {
		r.fail("part has range or consistency without from")
	}
	c.entries = readList(r, m["entries"], func(v any) shown { return readShown(r, v, "statement", "disclosures") })
	c.seals = readList(r, m["seals"], func(v any) shown { return readSealShown(r, v) })
	c.authority = readList(r, m["authority"], func(v any) shown { return readProved(r, v) })
	c.keyTrails = readList(r, m["keyTrails"], func(v any) keyTrail { return readKeyTrail(r, v) })
	return c
}

func verifyCertificate(data []byte, pol *policy, now time.Time) *report {
	rep := &report{}
	file := rep.step("file")
	trail, parts, err := readCertificate(data)
	if err == nil {
		err = checkTrailName(trail)
	}
	if !file.check(err) {
		return rep
	}
	for i, part := range parts {
		part.verify(rep, fmt.Sprintf("part %d, %s: ", i+1, part.origin), trail, pol, now)
	}
	byOrigin := checkCoverage(rep.step("all parts"), trail, parts, pol)
	for _, parts := range byOrigin {
		checkListed(parts)
	}
	return rep
}

func (c *certificatePart) verify(rep *report, prefix, trail string, pol *policy, now time.Time) {
	step := func(name string) *step { return rep.step(prefix + name) }
	policyStep, checkpointStep, quorumStep := step("policy"), step("checkpoint signature"), step("quorum")
	sealStep, trailStep, authorityStep := step("seal"), step("trail (mirrors)"), step("authority")
	keyStep, statementStep := step("key trails (mirrors)"), step("statements")
	schemaStep, disclosureStep := step("schema and trails"), step("disclosures")

	p := newProof(pol, c.origin, now)
	c.p, c.fields, c.schema = p, disclosureStep, schemaStep
	p.checkPolicy(policyStep)
	p.checkCheckpoint(checkpointStep, quorumStep, c.checkpoint)
	p.readSeals(sealStep, c.seal, c.seals)
	last := int64(maxInt53)
	if n := len(c.entries); n > 0 {
		last = c.entries[n-1].index
	}
	p.replayAuthority(authorityStep, c.authority, last)
	p.checkSealSignatures(sealStep)
	if p.cp != nil {
		c.size, c.head = p.cp.size, p.cp.root
	}

	f, err := frontierAt(c.from, c.rangeRoots)
	if !trailStep.check(err) {
		return
	}
	c.start = f.root()
	for i, item := range c.entries {
		st, err := decodeStatement(item.raw)
		if !statementStep.check(err) {
			return
		}
		leaf := trailLeaf(item.index, st.leaf)
		c.leaves = append(c.leaves, leaf)
		f.add(leaf)
		trailStep.check(p.bind(item.index, st.leaf))
		if i > 0 && item.index <= c.entries[i-1].index || p.top != nil && item.index >= p.top.index {
			trailStep.check(fmt.Errorf("entry %d: indexes do not increase, or reach the seal", item.index))
		}
		if !slices.Contains(st.trails, trail) {
			trailStep.check(fmt.Errorf("entry %d does not name the trail", item.index))
		}
		key := p.checkAuthor(authorityStep, statementStep, st, item.index)
		c.listed = append(c.listed, &listed{st, item.index, key, item.disclosures})
		c.signers = append(c.signers, use{st.kid, item.index})
		schemaStep.check(checkRecord(st))
		schemaStep.check(p.checkClass(st, item.index))
	}
	trailStep.check(c.checkRoot(f))
	trailStep.check(p.checkTrailProof(trail, c.count, c.root, c.proof))
	trailStep.check(p.checkMirrors())
	if p.cp != nil {
		if t, ok := p.cp.freshness(pol.trails[c.origin]); ok {
			trailStep.note("complete as of %s", rfc3339(t))
		}
	}
	trailStep.note("%d of %d records shown, from %d on", len(c.entries), c.count, c.from)
	c.sound = trailStep.verdict != broken
	p.checkKeyTrails(keyStep, c.keyTrails)
}

// checkListed compares what records say of others on the trail, whichever part shows them, and tells disclosed, erased
// and withheld fields apart. `of` are all trails of the record spoken of, so a whole listing holds both.
func checkListed(parts []*certificatePart) {
	byLeaf := map[hash]*listed{}
	for _, c := range parts {
		for _, one := range c.listed {
			byLeaf[one.leaf] = one
		}
	}
	whole := joinParts(parts) == nil
	erased := map[string]map[string]bool{} // leaf and field → sides that have asked
	for _, c := range parts {
		for _, one := range c.listed {
			spoken := spokenOf(one.statement)
			if spoken == nil || one.key == nil {
				continue
			}
			about := byLeaf[spoken.leaf]
			var earlier *statement
			if about != nil && about.index < one.index {
				earlier = about.statement
			} else if about == nil && !whole {
				continue
			}
			err := checkSpokenOf(one.statement, one.key, earlier, c.origin)
			if err != nil {
				c.schema.check(fmt.Errorf("entry %d: %w", one.index, err))
				continue
			}
			fields, _ := texts(one.body["fields"])
			for _, field := range fields {
				id := string(earlier.leaf[:]) + field
				if erased[id] == nil {
					erased[id] = map[string]bool{}
				}
				erased[id][erasingSide(one.statement, one.key, earlier)] = true
			}
		}
	}
	for _, c := range parts {
		for _, one := range c.listed {
			checkSealedFields(c.fields, one.statement, one.disclosures, func(field string, open bool) {
				sides := erased[string(one.leaf[:])+field]
				state := "withheld"
				if open {
					state = "disclosed"
				} else if sides["own"] && (sides["discipline"] || !strings.HasPrefix(one.typ, "supervision.")) {
					state = "erased"
				}
				c.fields.note("entry %d %s: %s", one.index, field, state)
			})
		}
	}
}

// checkRoot holds the entries, after the range before them, to the trail's count and root.
func (c *certificatePart) checkRoot(f frontier) error {
	switch {
	case f.n > c.count || f.n < c.count && !c.partial:
		return fmt.Errorf("%d records shown, the trail has %d", len(c.entries), c.count)
	case c.root == nil && len(c.consistency) > 0:
		return fmt.Errorf("a consistency proof for an empty trail")
	case c.root == nil:
		return nil
	case f.n == 0:
		return fmt.Errorf("a part that shows nothing")
	}
	if err := tlog.CheckTree(c.consistency, c.count, *c.root, f.n, f.root()); err != nil {
		return fmt.Errorf("the entries do not give the trail's root")
	}
	return nil
}

// checkCoverage joins partial parts and asks for a part from every log that holds the trail's kind.
func checkCoverage(s *step, trail string, parts []*certificatePart, pol *policy) (byOrigin map[string][]*certificatePart) {
	s.check(nil)
	kind, id, _ := strings.Cut(trail, ":")
	byOrigin = map[string][]*certificatePart{}
	for _, part := range parts {
		byOrigin[part.origin] = append(byOrigin[part.origin], part)
	}
	wanted := 0
	for _, log := range pol.logs {
		classes := pol.trails[log.name].classes
		holds := kind == "key" || kind == "ledger" && id == log.name
		for _, class := range strings.Fields(trailKinds[kind].classes) {
			holds = holds || slices.Contains(classes, class)
		}
		switch {
		case !holds && byOrigin[log.name] != nil:
			s.check(unsure("the policy does not say that %s holds such trails", log.name))
		case holds && byOrigin[log.name] == nil:
			s.check(unsure("no part from %s", log.name))
		case holds:
			s.check(joinParts(byOrigin[log.name]))
		}
		if holds {
			wanted++
		}
	}
	if wanted == 0 {
		s.check(unsure("no log of the policy holds trails of the kind %s", kind))
	}
	return byOrigin
}

func joinParts(parts []*certificatePart) error {
	if slices.ContainsFunc(parts, func(c *certificatePart) bool { return !c.sound }) {
		return unsure("%s: a part is not sound", parts[0].origin)
	}
	bySize := slices.SortedStableFunc(slices.Values(parts), func(a, b *certificatePart) int { return int(a.size - b.size) })
	for i := 1; i < len(bySize); i++ {
		if a, b := bySize[i-1], bySize[i]; a.size == b.size && a.head != b.head || a.count > b.count {
			return fmt.Errorf("%s: the heads of sizes %d and %d contradict each other", b.origin, a.size, b.size)
		}
	}
	newest := bySize[len(bySize)-1]
	parts = slices.SortedStableFunc(slices.Values(parts), func(a, b *certificatePart) int { return int(a.from - b.from) })
	var all []hash
	for _, c := range parts {
		if c.from > int64(len(all)) {
			return unsure("%s: the parts do not cover records %d to %d", c.origin, len(all), c.from-1)
		}
		if rootOf(all[:c.from]) != c.start {
			return fmt.Errorf("%s: the parts belong to different trails at record %d", c.origin, c.from)
		}
		for i, leaf := range c.leaves {
			at := int(c.from) + i
			if at == len(all) {
				all = append(all, leaf)
			} else if all[at] != leaf {
				return fmt.Errorf("%s: the parts differ at record %d", c.origin, at)
			}
		}
	}
	if int64(len(all)) < newest.count {
		return unsure("%s: %d of %d records shown", newest.origin, len(all), newest.count)
	}
	for _, c := range parts {
		if c.root != nil && rootOf(all[:c.count]) != *c.root {
			return fmt.Errorf("%s: the parts belong to different trails", c.origin)
		}
		// A revocation may stand above an older head: all signers answer to the key trails under the newest.
		for _, u := range c.signers {
			if err := newest.p.checkUse(u, c.p.enteredBy(u.index)); c.size < newest.size && err != nil {
				return err
			}
		}
	}
	return nil
}
