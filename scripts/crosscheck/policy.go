package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// policy is a C2SP tlog-policy with the "# lianzheng" lines of formats §5.
type policy struct {
	logs      []*verifierKey
	witnesses map[string]*verifierKey
	groups    map[string]group
	quorum    string // "none", or the name of a witness or group
	trails    map[string]trailLine
	keys      note.Verifiers
}

type group struct {
	need    int
	members []string
}

// The classes of confidentiality of records.md.
var classes = strings.Fields("party internal personnel public lead commutation")

// trailLine says which classes a log holds and which mirrors its trails rest on.
type trailLine struct {
	classes []string
	need    int
	mirrors []string
}

func parsePolicy(data []byte) (*policy, error) {
	p := &policy{witnesses: map[string]*verifierKey{}, groups: map[string]group{}, trails: map[string]trailLine{}}
	var verifiers []note.Verifier
	var comments [][]string
	used := map[string]bool{} // witnesses and groups already in a group
	seenKeys := map[string]bool{}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("policy is not UTF-8")
	}
	fail := func(line int, format string, args ...any) (*policy, error) {
		return nil, fmt.Errorf("policy line %d: %s", line+1, fmt.Sprintf(format, args...))
	}
	defined := func(name string) bool { return p.witnesses[name] != nil || p.groups[name].need > 0 }
	for i, line := range strings.Split(string(data), "\n") {
		if strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }) {
			return fail(i, "control character")
		}
		f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		if len(f) == 0 {
			continue
		}
		if f[0][0] == '#' {
			comments = append(comments, f)
			continue
		}
		addKey := func(vkey string) (*verifierKey, error) {
			k, err := parseVkey(vkey)
			if err != nil {
				return nil, err
			}
			if seenKeys[string(k.public)] {
				return nil, fmt.Errorf("key of %s twice", k.name)
			}
			seenKeys[string(k.public)] = true
			verifiers = append(verifiers, k)
			return k, nil
		}
		switch {
		case f[0] == "log" && (len(f) == 2 || len(f) == 3):
			k, err := addKey(f[1])
			if err != nil {
				return fail(i, "%v", err)
			}
			if k.kind == cosignatureEd25519 {
				return fail(i, "key of type 04 for a log")
			}
			p.logs = append(p.logs, k)
		case f[0] == "witness" && (len(f) == 3 || len(f) == 4):
			k, err := addKey(f[2])
			if err != nil {
				return fail(i, "%v", err)
			}
			if k.kind == logEd25519 {
				return fail(i, "key of type 01 for a witness")
			}
			if defined(f[1]) || f[1] == "none" {
				return fail(i, "name %s twice, or reserved", f[1])
			}
			p.witnesses[f[1]] = k
		case f[0] == "group" && len(f) >= 4:
			g := group{members: f[3:]}
			switch f[2] {
			case "any":
				g.need = 1
			case "all":
				g.need = len(g.members)
			default:
				n, err := strconv.Atoi(f[2])
				if err != nil || n < 1 || n > len(g.members) || strconv.Itoa(n) != f[2] {
					return fail(i, "threshold %q", f[2])
				}
				g.need = n
			}
			if defined(f[1]) || f[1] == "none" {
				return fail(i, "name %s twice, or reserved", f[1])
			}
			for _, m := range g.members {
				if !defined(m) || used[m] {
					return fail(i, "member %s unknown or used twice", m)
				}
				used[m] = true
			}
			p.groups[f[1]] = g
		case f[0] == "quorum" && len(f) == 2:
			if p.quorum != "" || f[1] != "none" && !defined(f[1]) {
				return fail(i, "second quorum, or unknown name")
			}
			p.quorum = f[1]
		default:
			return fail(i, "not understood")
		}
	}
	if len(p.logs) == 0 || p.quorum == "" {
		return nil, fmt.Errorf("policy has no log or no quorum")
	}
	for _, f := range comments {
		if err := p.readTrailLine(f); err != nil {
			return nil, fmt.Errorf("policy: %w in %q", err, strings.Join(f, " "))
		}
	}
	p.keys = note.VerifierList(verifiers...)
	return p, nil
}

// readTrailLine reads "# lianzheng <origin> <class>[,<class>…] <k> <witness name>…"; other comments say nothing.
func (p *policy) readTrailLine(f []string) error {
	if len(f) < 2 || f[0] != "#" || f[1] != "lianzheng" {
		return nil
	}
	if len(f) < 5 {
		return fmt.Errorf("too few fields")
	}
	origin, t := f[2], trailLine{classes: strings.Split(f[3], ","), mirrors: f[5:]}
	if !slices.ContainsFunc(p.logs, func(k *verifierKey) bool { return k.name == origin }) {
		return fmt.Errorf("unknown origin")
	}
	if _, twice := p.trails[origin]; twice {
		return fmt.Errorf("origin twice")
	}
	for i, class := range t.classes {
		if !slices.Contains(classes, class) || slices.Contains(t.classes[:i], class) {
			return fmt.Errorf("class %q unknown, or twice", class)
		}
	}
	seen := map[string]bool{} // key names: two keys of one mirror are one mirror
	for _, name := range t.mirrors {
		k := p.witnesses[name]
		if k == nil || !strings.HasSuffix(k.name, "/mirror") || seen[k.name] {
			return fmt.Errorf("%s is not a mirror, or twice", name)
		}
		seen[k.name] = true
	}
	var err error
	t.need, err = strconv.Atoi(f[4])
	if err != nil || !plainInteger.MatchString(f[4]) || t.need > len(t.mirrors) || t.need == 0 && p.quorum != "none" {
		return fmt.Errorf("number of mirrors")
	}
	p.trails[origin] = t
	return nil
}

func (p *policy) knowsLog(origin string) bool {
	return slices.ContainsFunc(p.logs, func(k *verifierKey) bool { return k.name == origin })
}

// met says whether a set of witness names meets the quorum.
func (p *policy) met(name string, have map[string]bool) bool {
	if name == "none" || have[name] {
		return true
	}
	n := 0
	for _, m := range p.groups[name].members {
		if p.met(m, have) {
			n++
		}
	}
	return n > 0 && n >= p.groups[name].need
}

func (t trailLine) met(have map[string]bool) bool {
	n := 0
	for _, m := range t.mirrors {
		if have[m] {
			n++
		}
	}
	return n >= t.need
}

// colluding gives 2k−n−1 for a flat group, whose members are witnesses or "any" groups of one node's keys; n leaves
// out the operator's own node.
func (p *policy) colluding(origin string) (int, bool) {
	g, ok := p.groups[p.quorum]
	if !ok {
		return 0, p.quorum != "none" && p.quorum != ""
	}
	n := 0
	for _, m := range g.members {
		keys := []string{m}
		if sub, ok := p.groups[m]; ok {
			if keys = sub.members; sub.need != 1 {
				return 0, false
			}
		}
		node := ""
		for _, name := range keys {
			k := p.witnesses[name]
			if k == nil || node != "" && nodeOf(k.name) != node {
				return 0, false
			}
			node = nodeOf(k.name)
		}
		if node != nodeOf(origin) {
			n++
		}
	}
	return 2*g.need - n - 1, true
}
