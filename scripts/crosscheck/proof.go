package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// What receipts and certificate parts have in common: a checkpoint, seals, the authority chain and key trails.

// shown is an entry as a file gives it. Statements are decoded by the step that judges them.
type shown struct {
	index       int64
	raw         []byte // nil where the file gives the index alone
	inclusion   []hash
	checkpoint  *string // nil where there is none
	disclosures [][]byte
}

type keyTrail struct {
	kid     hash
	count   int64
	root    *hash
	proof   []byte
	entries []shown
}

func readShown(r *jsonReader, v any, names ...string) shown {
	m := r.object(v, "entry", append([]string{"index"}, names...)...)
	out := shown{index: r.integer(m["index"])}
	if v, there := m["statement"]; there {
		out.raw = r.bytes(v)
	}
	if v, there := m["inclusion"]; there {
		out.inclusion = readList(r, v, r.hash)
	}
	if v, there := m["checkpoint"]; there {
		text := r.text(v)
		out.checkpoint = &text
	}
	if v, there := m["disclosures"]; there {
		out.disclosures = readList(r, v, r.bytes)
	}
	return out
}

func readProved(r *jsonReader, v any) shown { return readShown(r, v, "statement", "inclusion") }

func readSealShown(r *jsonReader, v any) shown {
	return readShown(r, v, "statement", "inclusion", "checkpoint?")
}

func readRoot(r *jsonReader, m map[string]any, count int64) *hash {
	v, there := m["root"]
	if there == (count == 0) {
		r.fail("root is absent exactly when count is 0")
	}
	if !there {
		return nil
	}
	root := r.hash(v)
	return &root
}

func readKeyTrail(r *jsonReader, v any) keyTrail {
	m := r.object(v, "key trail", "kid", "count", "root?", "proof", "entries")
	t := keyTrail{kid: r.hash(m["kid"]), count: r.integer(m["count"]), proof: r.bytes(m["proof"])}
	t.root = readRoot(r, m, t.count)
	t.entries = readList(r, m["entries"], func(v any) shown { return readShown(r, v, "statement?") })
	return t
}

// proof is the state of checking one receipt or one certificate part.
type proof struct {
	policy *policy
	now    time.Time
	origin string
	cp     *checkpoint // nil if it cannot even be read
	top    *seal
	seals  []*seal // all seals shown, by index, the top one included
	leaves map[int64]hash
	nonces map[string]int64 // kid and cti → index
	reg    *registry
	// indexes of authority entries, for key trails that give an index alone
	authority map[int64]*statement
	// what the key trails say, by key id; a key without an entry has no trail here
	revocations map[hash][]revocation
}

type revocation struct {
	index, since int64 // since in ms, beyond all times where the record names none
}

func newProof(p *policy, origin string, now time.Time) *proof {
	out := &proof{policy: p, origin: origin, now: now, leaves: map[int64]hash{}, nonces: map[string]int64{}, authority: map[int64]*statement{}}
	out.reg = newRegistry(origin, out.lastSeal)
	return out
}

// bind refuses two different leaves at one index of one tree.
func (p *proof) bind(index int64, leaf hash) error {
	if before, there := p.leaves[index]; there && before != leaf {
		return fmt.Errorf("two statements at index %d", index)
	}
	p.leaves[index] = leaf
	return nil
}

func (p *proof) checkPolicy(s *step) {
	if !p.policy.knowsLog(p.origin) {
		s.check(unsure("the policy does not list the log %s", p.origin))
		return
	}
	s.check(nil)
	if p.policy.quorum == "none" {
		s.note("quorum none: only the operator vouches")
	} else if n, ok := p.policy.colluding(p.origin); ok {
		s.note("the quorum survives %d colluding cosigners", n)
	}
	if line, there := p.policy.trails[p.origin]; there && line.need > 0 {
		s.note("the mirrors survive %d", line.need-1)
	}
}

func (p *proof) checkCheckpoint(signature, quorum *step, signed string) {
	cp, err := openCheckpoint(signed, p.origin, p.policy, p.now)
	signature.check(err)
	p.cp = cp
	switch {
	case err != nil:
		quorum.check(unsure("no checkpoint with a verified log signature"))
	case !p.policy.met(p.policy.quorum, cp.cosigners()):
		quorum.check(unsure("the quorum %s is not met", p.policy.quorum))
	default:
		quorum.check(nil)
		if t, ok := cp.provenTime(p.policy); ok {
			quorum.note("existed by %s", rfc3339(t))
		} else {
			quorum.note("only the operator vouches")
		}
	}
}

// checkMirrors says whether what rests on the map may count: enough mirrors have replayed the log and cosigned.
func (p *proof) checkMirrors() error {
	line, there := p.policy.trails[p.origin]
	switch {
	case !there:
		return unsure("the policy has no line for the trails of %s", p.origin)
	case p.cp == nil || !p.cp.logSigned:
		return unsure("no checkpoint with a verified log signature")
	case !line.met(p.cp.cosigners()):
		return unsure("not enough mirrors have cosigned")
	}
	return nil
}

// checkClass says whether the log holds the class of the record, where the policy names the log's classes.
func (p *proof) checkClass(s *statement, index int64) error {
	line, there := p.policy.trails[p.origin]
	row := recordTypes[s.typ]
	if !there || row.system && row.classes == "" {
		return nil
	}
	for _, name := range s.trails {
		kind, _, _ := strings.Cut(name, ":")
		if !slices.ContainsFunc(strings.Fields(trailKinds[kind].classes), func(c string) bool { return slices.Contains(line.classes, c) }) {
			return fmt.Errorf("entry %d: %s does not hold records on the trail %s", index, p.origin, name)
		}
	}
	return nil
}

func (p *proof) checkInclusion(index int64, leaf hash, path []hash) error {
	if err := p.bind(index, leaf); err != nil {
		return err
	}
	if p.cp == nil {
		return unsure("entry %d: no checkpoint to prove it under", index)
	}
	if err := tlog.CheckRecord(path, p.cp.size, p.cp.root, index, leaf); err != nil {
		return fmt.Errorf("entry %d: inclusion proof does not hold", index)
	}
	return nil
}

// readSeals checks everything of the seals but their signatures, which need the registry.
func (p *proof) readSeals(s *step, top shown, others []shown) {
	for i, item := range append([]shown{top}, others...) {
		st, err := decodeStatement(item.raw)
		if !s.check(err) {
			continue
		}
		this, err := readSeal(st, item.index, p.origin)
		if !s.check(err) || !s.check(p.checkInclusion(item.index, st.leaf, item.inclusion)) {
			continue
		}
		if i == 0 {
			p.top = this
			if item.index != p.cp.size-1 {
				s.check(fmt.Errorf("the seal is not the last leaf of the checkpoint"))
			}
		}
		if item.checkpoint != nil {
			p.checkSealNote(s, this, item)
		}
		if p.sealAt(item.index) == nil {
			p.seals = append(p.seals, this)
		}
	}
	slices.SortFunc(p.seals, func(a, b *seal) int { return int(a.index - b.index) })
	for i := 1; i < len(p.seals); i++ {
		s.check(p.seals[i].follows(p.seals[i-1]))
	}
	if p.top == nil || p.cp == nil {
		return
	}
	if t, ok := p.cp.provenTime(p.policy); ok && p.top.time/1000 > t+300 {
		s.note("the seal's time is more than 300 s later than the proven time")
	}
}

func (p *proof) sealAt(index int64) *seal {
	for _, s := range p.seals {
		if s.index == index {
			return s
		}
	}
	return nil
}

// checkSealNote checks the note that a seal may carry: a cosigned checkpoint whose last leaf the seal is.
func (p *proof) checkSealNote(s *step, its *seal, item shown) {
	cp, err := openCheckpoint(*item.checkpoint, p.origin, p.policy, p.now)
	if !s.check(err) {
		return
	}
	if cp.size != its.index+1 || cp.root != rootEndingAt(its.index, p.cp.size, its.leaf, item.inclusion) {
		s.check(fmt.Errorf("seal %d: it is not the last leaf of its own checkpoint", its.index))
		return
	}
	t, ok := cp.provenTime(p.policy)
	if ok && its.time/1000 <= t+300 && its.time/1000 >= t-300 {
		s.note("time of seal %d is proven", its.index)
	} else {
		s.note("time of seal %d is claimed", its.index)
	}
}

// replayAuthority replays the chain of registrations into the registry. What stands above the last statement shown
// counts for seals: changes of the node's keys, and what these rest on.
func (p *proof) replayAuthority(s *step, chain []shown, last int64) {
	if len(chain) == 0 || chain[0].index != 0 {
		s.check(unsure("the authority chain does not begin with genesis"))
		return
	}
	for i, item := range chain {
		if i > 0 && item.index <= chain[i-1].index {
			s.check(fmt.Errorf("authority: indexes do not increase"))
		}
		st, err := decodeStatement(item.raw)
		if !s.check(err) || !s.check(p.checkInclusion(item.index, st.leaf, item.inclusion)) {
			continue
		}
		p.authority[item.index] = st
		if item.index > last && !slices.Contains([]string{"registry.node", "registry.approve", "registry.key"}, st.typ) {
			s.check(fmt.Errorf("authority: entry %d stands after what is shown", item.index))
		}
		s.check(p.checkAdmission(st, item.index))
		s.check(p.reg.apply(st, item.index))
		if p.top != nil && item.index >= p.top.index {
			s.check(fmt.Errorf("authority: entry %d is not under the seal", item.index))
		}
	}
}

func (p *proof) checkSealSignatures(s *step) {
	for _, one := range p.seals {
		s.check(p.reg.checkSeal(one))
	}
}

// lastSeal bounds the time of the last seal before an index by the seals shown. It is exact where the seals around the
// index are linked by prev, or where the first seal of all comes after it.
func (p *proof) lastSeal(index int64) (low, high int64) {
	low, high = p.reg.began*1000, maxInt53
	var before *seal
	for _, s := range p.seals {
		if s.index < index {
			before, low = s, s.time
			continue
		}
		if s.height == 0 || before != nil && s.prev == before.leaf {
			return low, low
		}
		high = s.time - 1
		break
	}
	if before == nil {
		low -= 300_000 // genesis may have been signed by a clock ahead of the seals'
	}
	return low, high
}

// enteredBy gives the time of the first seal shown above an index.
func (p *proof) enteredBy(index int64) int64 {
	for _, s := range p.seals {
		if s.index > index {
			return s.time
		}
	}
	return maxInt53
}

// checkAdmission holds iat to the first seal shown above an index, and cti to the other statements shown.
func (p *proof) checkAdmission(s *statement, index int64) error {
	if s.iat > p.enteredBy(index)/1000+300 {
		return fmt.Errorf("entry %d: issued more than 300 s after it entered", index)
	}
	nonce := string(s.kid[:]) + string(s.cti[:])
	if other, there := p.nonces[nonce]; there && other != index {
		return fmt.Errorf("entry %d: its cti is that of entry %d", index, other)
	}
	p.nonces[nonce] = index
	return nil
}

// checkTrailProof checks a trail's count and root under the seal's map.
func (p *proof) checkTrailProof(trail string, count int64, root *hash, proof []byte) error {
	if p.top == nil {
		return unsure("no seal to prove the trail %s under", trail)
	}
	var err error
	if root == nil {
		err = checkAbsence(p.top.mapRoot, mapKey(trail), proof)
	} else {
		err = checkPresence(p.top.mapRoot, mapKey(trail), mapValue(count, *root), proof)
	}
	if err != nil {
		return fmt.Errorf("trail %s: %w", trail, err)
	}
	return nil
}

// checkKeyTrails checks the whole trail of every key that something rests on, and applies the revocations there.
func (p *proof) checkKeyTrails(s *step, trails []keyTrail) {
	s.check(p.checkMirrors())
	p.revocations = map[hash][]revocation{}
	for _, t := range trails {
		name := "key:" + base64url(t.kid[:])
		if _, twice := p.revocations[t.kid]; twice {
			s.check(fmt.Errorf("trail %s twice", name))
		}
		p.revocations[t.kid] = nil
		var f frontier
		registered := int64(-1)
		for i, item := range t.entries {
			st := p.authority[item.index]
			if (st == nil) == (item.raw == nil) {
				s.check(fmt.Errorf("trail %s: entry %d needs its statement here or in the authority chain, and in one of them", name, item.index))
				return
			}
			if item.raw != nil {
				var err error
				if st, err = decodeStatement(item.raw); !s.check(err) {
					return
				}
			}
			s.check(p.bind(item.index, st.leaf))
			if st.aud != p.origin || !slices.Contains(st.trails, name) {
				s.check(fmt.Errorf("trail %s: entry %d does not name it", name, item.index))
			}
			if i > 0 && item.index <= t.entries[i-1].index || p.top != nil && item.index >= p.top.index {
				s.check(fmt.Errorf("trail %s: indexes do not increase, or reach the seal", name))
			}
			f.add(trailLeaf(item.index, st.leaf))
			if st.typ == "registry.key" && registered < 0 {
				registered = item.index
			}
			if st.typ == "registry.revoke" && sameBytes(t.kid, st.body["kid"]) {
				since := int64(math.MaxInt64)
				if seconds, dated := st.body["compromisedSince"].(int64); dated {
					since = seconds * 1000
				}
				p.revocations[t.kid] = append(p.revocations[t.kid], revocation{item.index, since})
			}
		}
		if f.n != t.count || t.root != nil && f.root() != *t.root {
			s.check(fmt.Errorf("trail %s: entries do not give its count and root", name))
			continue
		}
		for at, st := range p.authority {
			if slices.Contains(st.trails, name) && !slices.ContainsFunc(t.entries, func(e shown) bool { return e.index == at }) {
				s.check(fmt.Errorf("trail %s: entry %d of the authority chain is not in it", name, at))
			}
		}
		s.check(p.checkTrailProof(name, t.count, t.root, t.proof))
		k := p.reg.keys[t.kid]
		switch {
		case k == nil:
			s.check(fmt.Errorf("trail %s of a key that nothing rests on", name))
		case k.genesis && registered >= 0:
			s.check(fmt.Errorf("trail %s: a genesis key is registered again", name))
		case !k.genesis && registered != k.index:
			s.check(fmt.Errorf("trail %s: its first registration is not the one in the authority chain", name))
		}
	}
	for _, u := range p.reg.uses {
		s.check(p.checkUse(u, p.enteredBy(u.index)))
	}
}

// checkUse holds one use of a key, which entered at a time in ms, to what is known of its revocation.
func (p *proof) checkUse(u use, entered int64) error {
	revocations, there := p.revocations[u.kid]
	if !there {
		return unsure("no trail of the key %s", base64url(u.kid[:]))
	}
	for _, r := range revocations {
		if r.index < u.index {
			return fmt.Errorf("entry %d: its key was revoked at %d", u.index, r.index)
		}
	}
	for _, r := range revocations {
		if entered >= r.since {
			return unsure("entry %d: its key was compromised since %s", u.index, rfc3339(r.since/1000))
		}
	}
	return nil
}

// checkDisclosures holds disclosures to the sealed digests of a statement and says which fields are open now.
func checkDisclosures(s *statement, disclosures [][]byte) (map[string]bool, error) {
	sealed, _ := s.body["sealed"].(map[any]any)
	open := map[string]bool{}
	for _, raw := range disclosures {
		v, err := decodeCBOR(raw)
		if err != nil {
			return open, fmt.Errorf("disclosure: %w", err)
		}
		list, _ := v.([]any)
		if len(list) != 3 || !isBytes(16)(list[0]) {
			return open, fmt.Errorf("disclosure malformed")
		}
		name, ok := list[1].(string)
		_, isText := list[2].(string)
		if _, isList := texts(list[2]); !ok || !isText && !(isList && (name == "names" || name == "agents")) || open[name] {
			return open, fmt.Errorf("disclosure malformed, or %q disclosed twice", name)
		}
		if digest := sha256Sum(raw); !sameBytes(digest, sealed[name]) {
			return open, fmt.Errorf("disclosure of %q does not match its digest", name)
		}
		open[name] = true
	}
	return open, nil
}
