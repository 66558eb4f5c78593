package main

import (
	"bytes"
	"fmt"
	"slices"
)

// The registry of formats §8, replayed either over all entries of a log or over the few that a receipt shows.

type registeredKey struct {
	public           []byte
	org, staff       string
	roles, mayGive   []string
	notBefore, until int64 // seconds; 0 and maxInt53 where the record sets no bound
	bounded          bool
	genesis          bool
	index            int64 // of its registration
	inForce          int64 // the index that put it in force, -1 while approvals are missing
	revoked          int64 // the index of its revocation, -1 if there is none
}

// change is something that waits for (or has) the agreement of administrators of enough organisations.
type change struct {
	kid    []byte
	orgs   map[string]bool
	effect func(at int64)
	done   bool
}

// use remembers which key a statement rests on; key trails are checked against it.
type use struct {
	kid   hash
	index int64
}

type registry struct {
	origin, operator string
	control          int64
	began            int64 // iat of genesis
	generation       int64 // of the node's keys
	keys             map[hash]*registeredKey
	changes          map[hash]*change
	nodeKeys         map[string][]nodeKey // by purpose, oldest first
	uses             []use
	complete         bool // every entry is replayed: what is not known does not exist
	// lastSeal bounds the time (ms) of the last seal before an index; the bounds are equal where it is known exactly.
	lastSeal func(index int64) (low, high int64)
}

// nodeKey is a key of the node's own, in force above an index.
type nodeKey struct {
	after  int64
	public []byte
}

var nodePurposes = []string{"statement", "receipt", "promise"}

func newRegistry(origin string, lastSeal func(int64) (int64, int64)) *registry {
	return &registry{origin: origin, keys: map[hash]*registeredKey{}, changes: map[hash]*change{}, nodeKeys: map[string][]nodeKey{},
		lastSeal: lastSeal}
}

// missing reports something that should have been seen before: broken in a complete replay, else could not check.
func (r *registry) missing(format string, args ...any) error {
	if r.complete {
		return fmt.Errorf(format, args...)
	}
	return unsure(format, args...)
}

func (r *registry) statementKey(index int64) ([]byte, bool) {
	for _, k := range slices.Backward(r.nodeKeys["statement"]) {
		if k.after < index {
			return k.public, true
		}
	}
	return nil, false
}

// nodeKey finds a key that the node has had for a purpose, by its id.
func (r *registry) nodeKey(purpose string, kid hash) []byte {
	for _, k := range r.nodeKeys[purpose] {
		if keyID(k.public) == kid {
			return k.public
		}
	}
	return nil
}

// checkSeal verifies a seal's signature under the statement key in force at its index.
func (r *registry) checkSeal(s *seal) error {
	public, known := r.statementKey(s.index)
	switch {
	case !known:
		return r.missing("seal %d: no statement key known", s.index)
	case keyID(public) != s.kid:
		return r.missing("seal %d: signed by a key that is not the statement key in force", s.index)
	case s.iss != r.operator:
		return fmt.Errorf("seal %d: iss is not the operator", s.index)
	}
	if err := s.checkSignature(public); err != nil {
		return fmt.Errorf("seal %d: %w", s.index, err)
	}
	return nil
}

// signer checks that the statement's key is in force at the index and goes with what the statement says of its author.
// The signature is a check of its own.
func (r *registry) signer(s *statement, index int64, exactTime bool) (*registeredKey, error) {
	k := r.keys[s.kid]
	if k == nil || k.index > index || k.index == index && !k.genesis {
		return nil, r.missing("entry %d: its key is not registered in what is shown", index)
	}
	r.uses = append(r.uses, use{s.kid, index})
	switch {
	case k.inForce < 0 || k.inForce >= index && !k.genesis:
		return k, r.missing("entry %d: its key lacks approvals in what is shown", index)
	case k.revoked >= 0 && k.revoked < index:
		return k, fmt.Errorf("entry %d: its key was revoked at %d", index, k.revoked)
	case s.iss != k.org:
		return k, fmt.Errorf("entry %d: iss is not the key's organisation", index)
	case s.body["actor"] != nil && k.staff == "" || s.text("actor") != k.staff:
		return k, fmt.Errorf("entry %d: actor is not the key's staff code", index)
	}
	if k.bounded {
		low, high := r.lastSeal(index)
		switch {
		case low != high && exactTime:
			return k, unsure("entry %d: its key has a validity and the seals around are not shown", index)
		case high < k.notBefore*1000 || low > k.until*1000:
			return k, fmt.Errorf("entry %d: outside its key's validity", index)
		case low < k.notBefore*1000 || high > k.until*1000:
			return k, unsure("entry %d: perhaps outside its key's validity", index)
		}
	}
	return k, mayWrite(k, s, r.operator)
}

// apply checks one statement that changes the registry and carries it out.
func (r *registry) apply(s *statement, index int64) error {
	if err := checkRecord(s); err != nil {
		return err
	}
	if s.aud != r.origin {
		return fmt.Errorf("entry %d: for another log", index)
	}
	if (s.typ == "ledger.genesis") != (index == 0) {
		return fmt.Errorf("entry %d: genesis stands at index 0 and nowhere else", index)
	}
	if index == 0 {
		if err := r.genesis(s); err != nil {
			return err
		}
	}
	k, err := r.signer(s, index, false)
	if err != nil {
		return err
	}
	if err := s.checkSignature(k.public); err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	c := &change{orgs: map[string]bool{k.org: true}, effect: func(int64) {}}
	switch s.typ {
	case "ledger.genesis":
		return nil
	case "registry.revoke":
		return r.revoke(s, k, index)
	case "registry.approve":
		return r.approve(s, k, index)
	case "registry.key":
		if err := r.register(s, k, c, index); err != nil {
			return err
		}
	case "registry.node":
		if err := r.changeNode(s, c); err != nil {
			return err
		}
	case "registry.member", "registry.policy", "registry.catalogue", "ledger.recovery":
	default:
		return fmt.Errorf("entry %d: %s does not belong to the registry", index, s.typ)
	}
	r.changes[s.leaf] = c
	r.agree(c, index)
	return nil
}

func (r *registry) genesis(s *statement) error {
	admins, _ := s.body["administrators"].([]any)
	keys, ok := s.body["keys"].(map[any]any)
	members, isList := s.body["members"].([]any)
	if s.text("origin") != r.origin || len(admins) == 0 || !ok || !isList {
		return fmt.Errorf("genesis: another origin, or keys, members or administrators malformed")
	}
	if err := checkNames(keys, "log! log-mldsa44 statement! receipt! promise!"); err != nil {
		return fmt.Errorf("genesis: keys: %w", err)
	}
	for _, item := range members {
		if !isMember(item) {
			return fmt.Errorf("genesis: a member is malformed")
		}
	}
	if public, _ := keys["statement"].([]byte); admissibleKey(public) != nil {
		return fmt.Errorf("genesis: statement key: %w", admissibleKey(public))
	}
	r.operator, r.began, r.generation = s.text("operator"), s.iat, 1
	r.control, _ = s.body["control"].(int64)
	if r.control < 1 {
		return fmt.Errorf("genesis: control is %d", r.control)
	}
	for _, purpose := range nodePurposes {
		public, _ := keys[purpose].([]byte)
		r.nodeKeys[purpose] = []nodeKey{{0, public}}
	}
	for i, item := range admins {
		m, _ := item.(map[any]any)
		public, _ := m["key"].([]byte)
		org, _ := m["org"].(string)
		mayGive, ok := texts(m["roles"])
		if len(m) != 3 || !ok || !organisation.MatchString(org) {
			return fmt.Errorf("genesis: an administrator is malformed")
		}
		if err := admissibleKey(public); err != nil {
			return fmt.Errorf("genesis: administrator: %w", err)
		}
		kid := keyID(public)
		if r.keys[kid] != nil {
			return fmt.Errorf("genesis: an administrator twice")
		}
		if i == 0 && kid != s.kid {
			return fmt.Errorf("genesis: not signed by the first administrator")
		}
		r.keys[kid] = &registeredKey{public: public, org: org, roles: []string{"administrator"}, mayGive: mayGive, genesis: true, revoked: -1}
	}
	return nil
}

// register takes a registration up; it comes into force with the change.
func (r *registry) register(s *statement, by *registeredKey, c *change, index int64) error {
	k, err := r.registration(s, by, index)
	if err != nil {
		return err
	}
	kid := keyID(k.public)
	r.keys[kid] = k
	c.kid = kid[:]
	c.effect = func(at int64) { k.inForce = at }
	return nil
}

// registration checks a registry.key and gives the key it asks for.
func (r *registry) registration(s *statement, by *registeredKey, index int64) (*registeredKey, error) {
	public := s.body["key"].([]byte)
	if err := admissibleKey(public); err != nil {
		return nil, fmt.Errorf("entry %d: %w", index, err)
	}
	roles, _ := texts(s.body["roles"])
	mayGive, _ := texts(s.body["mayGive"])
	among := func(role string) bool { return slices.Contains(by.mayGive, role) }
	switch {
	case r.keys[keyID(public)] != nil:
		return nil, fmt.Errorf("entry %d: the key is registered already", index)
	case s.text("org") != by.org:
		return nil, fmt.Errorf("entry %d: key of another organisation", index)
	case len(roles) == 0 || slices.ContainsFunc(roles, func(x string) bool { return !among(x) }) ||
		slices.ContainsFunc(mayGive, func(x string) bool { return !among(x) }):
		return nil, fmt.Errorf("entry %d: gives roles that the administrator may not give", index)
	case s.body["mayGive"] != nil && !slices.Contains(roles, "administrator"):
		return nil, fmt.Errorf("entry %d: mayGive for a key that is no administrator's", index)
	}
	k := &registeredKey{public: public, org: by.org, staff: s.text("staff"), roles: roles, mayGive: mayGive, until: maxInt53 / 1000,
		index: index, inForce: -1, revoked: -1}
	if from, there := s.body["notBefore"].(int64); there {
		k.notBefore, k.bounded = from, true
	}
	if until, there := s.body["notAfter"].(int64); there {
		k.until, k.bounded = until, true
	}
	if k.notBefore > k.until {
		return nil, fmt.Errorf("entry %d: notBefore after notAfter", index)
	}
	return k, nil
}

// check holds a change that stands outside the authority chain to the rules, as far as the chain shows what it is about.
func (r *registry) check(s *statement, by *registeredKey, index int64) error {
	switch s.typ {
	case "registry.key":
		_, err := r.registration(s, by, index)
		return err
	case "registry.revoke":
		var kid hash
		copy(kid[:], s.body["kid"].([]byte))
		if k := r.keys[kid]; k != nil && k.org != by.org {
			return fmt.Errorf("entry %d: revokes a key of another organisation", index)
		}
	case "registry.node":
		return r.changeNode(s, &change{})
	}
	return nil
}

func (r *registry) revoke(s *statement, by *registeredKey, index int64) error {
	var kid hash
	copy(kid[:], s.body["kid"].([]byte))
	k := r.keys[kid]
	switch {
	case k == nil:
		return r.missing("entry %d: revokes a key that is not registered in what is shown", index)
	case k.org != by.org:
		return fmt.Errorf("entry %d: revokes a key of another organisation", index)
	case k.revoked < 0:
		k.revoked = index
	}
	return nil
}

func (r *registry) changeNode(s *statement, c *change) error {
	keys, ok := s.body["keys"].(map[any]any)
	if !ok || len(keys) == 0 || checkNames(keys, "log log-mldsa44 statement receipt promise") != nil {
		return fmt.Errorf("registry.node: keys malformed")
	}
	generation := s.body["generation"].(int64)
	if generation != r.generation+1 {
		return fmt.Errorf("registry.node: generation %d after %d", generation, r.generation)
	}
	if keys["statement"] != nil {
		public, _ := keys["statement"].([]byte)
		if err := admissibleKey(public); err != nil {
			return fmt.Errorf("registry.node: %w", err)
		}
	}
	c.effect = func(at int64) {
		r.generation = generation
		for _, purpose := range nodePurposes {
			if public, changed := keys[purpose].([]byte); changed {
				r.nodeKeys[purpose] = append(r.nodeKeys[purpose], nodeKey{at, public})
			}
		}
	}
	return nil
}

func (r *registry) approve(s *statement, by *registeredKey, index int64) error {
	refs, _ := refsOf(s)
	kid, _ := s.body["kid"].([]byte)
	refs = slices.DeleteFunc(refs, func(r ref) bool { return r.rel != "approves" })
	if len(refs) == 0 {
		return fmt.Errorf("entry %d: approves nothing", index)
	}
	for _, ref := range refs {
		c := r.changes[ref.leaf]
		if c == nil || ref.log != r.origin {
			return r.missing("entry %d: approves something that is not shown", index)
		}
		if !bytes.Equal(c.kid, kid) {
			return fmt.Errorf("entry %d: approves a change to another key", index)
		}
		c.orgs[by.org] = true
		r.agree(c, index)
	}
	return nil
}

func (r *registry) agree(c *change, index int64) {
	if !c.done && int64(len(c.orgs)) >= r.control {
		c.done = true
		c.effect(index)
	}
}
