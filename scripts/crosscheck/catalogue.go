package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The tables of records.go, which follow records.md, held against the catalogue that nodes publish.

type published struct {
	Format string
	Kinds  []struct {
		Kind    string
		Classes any
	}
	Types []struct {
		Type            string
		V               int
		Class           any
		Writers, Trails []string
		OperatorOnly    bool
		Open, Sealed    map[string]any
	}
}

func checkCatalogue(data []byte) *report {
	rep := &report{}
	file, kinds, types := rep.step("file"), rep.step("trail kinds"), rep.step("types")
	var c published
	err := json.Unmarshal(data, &c)
	if err == nil && c.Format != "lianzheng-catalogue/v1" {
		err = unsure("format %q", c.Format)
	}
	if !file.check(err) {
		return rep
	}
	same := func(s *step, what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			s.check(fmt.Errorf("%s: published %v, by the tables %v", what, got, want))
		} else {
			s.check(nil)
		}
	}
	var names []string
	for _, k := range c.Kinds {
		names = append(names, k.Kind)
		same(kinds, k.Kind, words(k.Classes), strings.Fields(trailKinds[k.Kind].classes))
	}
	same(kinds, "kinds", sorted(names), slices.Sorted(maps.Keys(trailKinds)))
	names = nil
	for _, t := range c.Types {
		names = append(names, t.Type)
		row := recordTypes[t.Type]
		same(types, t.Type+": v", t.V, 1)
		same(types, t.Type+": writers", sorted(t.Writers), sorted(strings.Fields(row.by)))
		same(types, t.Type+": operatorOnly", t.OperatorOnly, row.operatorOnly)
		same(types, t.Type+": trails", t.Trails, publishedTrails(t.Type, row))
		open := "at! actor onBehalfOf secrecy court " + row.open
		if !row.system {
			open = strings.Replace(open, "court", "court!", 1)
		}
		if !slices.Contains(strings.Fields(row.open), "refs!") {
			open += " refs"
		}
		if strings.Contains(row.sealed, "!") {
			open += " sealed!"
		} else if row.sealed != "" {
			open += " sealed"
		}
		same(types, t.Type+": open", marked(t.Open), sorted(strings.Fields(open)))
		same(types, t.Type+": sealed", marked(t.Sealed), sorted(strings.Fields(row.sealed)))
		for _, class := range words(t.Class) {
			same(types, t.Type+": class "+class, holdsAll(class, t.Trails, row), true)
		}
	}
	same(types, "types", sorted(names), slices.Sorted(maps.Keys(recordTypes)))
	types.note("%d types, %d trail kinds", len(c.Types), len(c.Kinds))
	return rep
}

// holdsAll: may every trail of the type stand in a log of the class?
func holdsAll(class string, trails []string, row recordType) bool {
	if row.system && row.classes == "" {
		return class == "any"
	}
	for _, trail := range trails {
		kind, _, _ := strings.Cut(trail, ":")
		if !slices.Contains(strings.Fields(trailKinds[kind].classes), class) {
			return false
		}
	}
	return true
}

// publishedTrails writes the trails of a row as the published catalogue does.
func publishedTrails(typ string, row recordType) (out []string) {
	for _, word := range strings.Fields(row.trails) {
		kind, field, given := strings.Cut(word, "=")
		forms := map[string]string{
			"power": "power:<onBehalfOf|actor>", "case-internal": "case-internal:<case>", "ledger": "ledger:<origin>",
			"key": "key:<kid>", "file": "file:sha256-<files[].sha256>\nfile:sm3-<files[].sm3>", "of": "<of[]>",
			"flag": "duty:<judge> when class ≠ 4\npower:<actor> when source = leader",
		}
		form := forms[word]
		switch {
		case given:
			form = kind + ":<" + field + ">"
		case word == "key" && typ == "registry.key":
			form = "key:<kid(key)>"
		case form == "":
			form = word + ":<" + word + ">"
		}
		out = append(out, strings.Split(form, "\n")...)
	}
	return out
}

// marked turns the published names, where "?" means optional, into those of the tables, where "!" means required.
func marked(members map[string]any) (out []string) {
	for name := range members {
		base, optional := strings.CutSuffix(name, "?")
		if !optional {
			base += "!"
		}
		out = append(out, base)
	}
	return sorted(out)
}

func words(v any) (out []string) {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	list, _ := v.([]any)
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
