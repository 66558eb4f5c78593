package main

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// A strict reader for the deterministic CBOR of formats §1. Values come back as int64, []byte, string, bool, nil,
// []any and map[any]any (keys int64 or string). Exactly one byte form of each value is accepted.

const maxInt53 = 1<<53 - 1

type cborReader struct {
	in    []byte
	at    int
	depth int
}

func decodeCBOR(in []byte) (any, error) {
	r := &cborReader{in: in}
	return r.whole()
}

// decodeTag18 reads a COSE_Sign1 object: tag 18 and one value.
func decodeTag18(in []byte) (any, error) {
	if len(in) == 0 || in[0] != 0xd2 {
		return nil, fmt.Errorf("CBOR offset 0: tag 18 expected")
	}
	r := &cborReader{in: in, at: 1}
	return r.whole()
}

func (r *cborReader) whole() (any, error) {
	v, err := r.value()
	if err == nil && r.at != len(r.in) {
		err = r.fail("bytes left over")
	}
	return v, err
}

func (r *cborReader) fail(why string) error { return fmt.Errorf("CBOR offset %d: %s", r.at, why) }

// head reads an initial byte and its argument, which must be in the shortest form.
func (r *cborReader) head() (major byte, arg uint64, err error) {
	if r.at >= len(r.in) {
		return 0, 0, r.fail("ends early")
	}
	first := r.in[r.at]
	major, info := first>>5, first&31
	if info < 24 {
		r.at++
		return major, uint64(info), nil
	}
	if info > 27 {
		return 0, 0, r.fail("reserved or indefinite length")
	}
	n := 1 << (info - 24)
	if len(r.in)-r.at-1 < n {
		return 0, 0, r.fail("ends early")
	}
	for _, b := range r.in[r.at+1 : r.at+1+n] {
		arg = arg<<8 | uint64(b)
	}
	least := [...]uint64{24, 1 << 8, 1 << 16, 1 << 32}[info-24]
	if arg < least && major != 7 {
		return 0, 0, r.fail("not the shortest form")
	}
	r.at += 1 + n
	return major, arg, nil
}

func (r *cborReader) value() (any, error) {
	start := r.at
	major, arg, err := r.head()
	if err != nil {
		return nil, err
	}
	left := uint64(len(r.in) - r.at)
	refuse := func(why string) (any, error) { r.at = start; return nil, r.fail(why) }
	switch major {
	case 0:
		if arg > maxInt53 {
			return refuse("integer beyond 2^53-1")
		}
		return int64(arg), nil
	case 1:
		if arg > maxInt53-1 {
			return refuse("integer below -(2^53-1)")
		}
		return -1 - int64(arg), nil
	case 2, 3:
		if arg > left {
			return refuse("ends early")
		}
		s := r.in[r.at : r.at+int(arg)]
		if major == 3 && !utf8.Valid(s) {
			return refuse("text is not UTF-8")
		}
		r.at += int(arg)
		if major == 3 {
			return string(s), nil
		}
		return bytes.Clone(s), nil
	case 4, 5:
		if r.depth++; r.depth > 16 {
			return refuse("more than 16 levels")
		}
		defer func() { r.depth-- }()
		if arg > left {
			return refuse("ends early")
		}
		if major == 4 {
			return r.array(int(arg))
		}
		return r.mapping(int(arg))
	case 7:
		if r.at == start+1 {
			switch arg {
			case 20, 21:
				return arg == 21, nil
			case 22:
				return nil, nil
			}
		}
	}
	return refuse("tag, float or simple value that is not allowed")
}

func (r *cborReader) array(n int) (any, error) {
	list := make([]any, 0, n)
	for range n {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (r *cborReader) mapping(n int) (any, error) {
	m := make(map[any]any, n)
	var before []byte
	for i := range n {
		start := r.at
		key, err := r.value()
		if err != nil {
			return nil, err
		}
		encoded := r.in[start:r.at]
		switch key.(type) {
		case int64, string:
		default:
			r.at = start
			return nil, r.fail("map key is neither integer nor text")
		}
		if i > 0 && bytes.Compare(before, encoded) >= 0 {
			r.at = start
			return nil, r.fail("map keys not in order, or twice")
		}
		before = encoded
		if m[key], err = r.value(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// cborHead writes the initial bytes of a byte string, text or array; that is all a verifier ever has to encode.
func cborHead(major byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return []byte{major<<5 | 25, byte(n >> 8), byte(n)}
	}
	return []byte{major<<5 | 26, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}
