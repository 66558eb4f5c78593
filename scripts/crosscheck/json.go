package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// I-JSON as formats §9 wants it: no duplicate or unknown members (outside summary), plain integers in [0, 2^53),
// canonical base64url.

func parseJSON(data []byte) (any, error) {
	if !utf8.Valid(data) || halfSurrogate(data) {
		return nil, fmt.Errorf("JSON is not UTF-8, or holds half a surrogate pair")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := jsonValue(d, "", false)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("JSON: something after the document")
	}
	return v, nil
}

func jsonValue(d *json.Decoder, where string, lenient bool) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("JSON: %w", err)
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := jsonValue(d, where+"[]", lenient)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	case json.Delim('{'):
		object := map[string]any{}
		for d.More() {
			nameToken, err := d.Token()
			if err != nil {
				return nil, fmt.Errorf("JSON: %w", err)
			}
			name := nameToken.(string)
			if _, twice := object[name]; twice && !lenient {
				return nil, fmt.Errorf("JSON: member %s.%s twice", where, name)
			}
			v, err := jsonValue(d, where+"."+name, lenient || where+"."+name == ".summary")
			if err != nil {
				return nil, err
			}
			object[name] = v
		}
		_, err := d.Token()
		return object, err
	}
	return token, nil
}

// halfSurrogate finds an escape of one half of a surrogate pair without the other; encoding/json would replace it.
func halfSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		switch escapedUnit(data[i:]) &^ 0x3ff {
		case 0xdc00:
			return true
		case 0xd800:
			if i += 6; escapedUnit(data[i:])&^0x3ff != 0xdc00 {
				return true
			}
			i += 5
		default:
			i++
		}
	}
	return false
}

// escapedUnit gives the UTF-16 unit that a \uXXXX escape stands for, 0 for anything else.
func escapedUnit(b []byte) uint64 {
	if len(b) < 6 || b[1] != 'u' {
		return 0
	}
	unit, _ := strconv.ParseUint(string(b[2:6]), 16, 16)
	return unit
}

// jsonReader takes values out of a parsed document and remembers the first thing that was wrong.
type jsonReader struct{ err error }

func (r *jsonReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// object wants exactly the members named; a name ending in ? may be absent.
func (r *jsonReader) object(v any, what string, names ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		r.fail("%s is not an object", what)
		return nil
	}
	for _, name := range names {
		if _, there := m[name]; !there && !strings.HasSuffix(name, "?") {
			r.fail("%s has no member %q", what, name)
		}
	}
	for name := range m {
		if !slices.Contains(names, name) && !slices.Contains(names, name+"?") {
			r.fail("%s has an unknown member %q", what, name)
		}
	}
	return m
}

func (r *jsonReader) text(v any) string {
	s, ok := v.(string)
	if !ok {
		r.fail("text expected, found %v", v)
	}
	return s
}

var plainInteger = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

func (r *jsonReader) integer(v any) int64 {
	n, _ := v.(json.Number)
	i, err := strconv.ParseInt(string(n), 10, 64)
	if err != nil || !plainInteger.MatchString(string(n)) || i > maxInt53 {
		r.fail("integer in [0, 2^53) expected, found %v", v)
	}
	return i
}

func (r *jsonReader) bytes(v any) []byte {
	s := r.text(v)
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || base64url(b) != s {
		r.fail("not canonical base64url: %.40q", s)
	}
	return b
}

func (r *jsonReader) hash(v any) (h hash) {
	b := r.bytes(v)
	if len(b) != len(h) {
		r.fail("32 bytes expected, found %d", len(b))
	}
	copy(h[:], b)
	return h
}

func (r *jsonReader) list(v any) []any {
	l, ok := v.([]any)
	if !ok {
		r.fail("array expected, found %v", v)
	}
	return l
}

func readList[T any](r *jsonReader, v any, read func(any) T) []T {
	var out []T
	for _, item := range r.list(v) {
		out = append(out, read(item))
	}
	return out
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
