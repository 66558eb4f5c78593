package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"filippo.io/edwards25519"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	recordContent = "application/vnd.lianzheng.record+cbor"
	sealContent   = "application/vnd.lianzheng.seal+cbor"
	maxStatement  = 65535
)

var (
	organisation = regexp.MustCompile(`^[a-z0-9-]{2,64}$`)
	originName   = regexp.MustCompile(`^[a-z0-9.-]+(/[a-z0-9._-]+)*$`)
)

// statement is one log entry, formats §3.
type statement struct {
	raw, protected, payload, signature []byte
	leaf                               hash
	alg, iat                           int64
	content                            string
	isSeal                             bool
	kid                                hash
	cti                                [16]byte
	iss, sub, aud                      string
	trails                             []string
	body                               map[any]any
	typ                                string
	version                            int64
}

func decodeStatement(raw []byte) (*statement, error) {
	s, err := decodeSigned(raw, recordContent, sealContent)
	if err != nil {
		return nil, err
	}
	var typ, version bool
	s.typ, typ = s.body["type"].(string)
	s.version, version = s.body["v"].(int64)
	if !typ || !version || s.version < 1 {
		return nil, fmt.Errorf("payload: type or v missing or malformed")
	}
	if s.isSeal != (s.typ == "ledger.seal") {
		return nil, fmt.Errorf("payload: type %q does not go with the content type", s.typ)
	}
	return s, nil
}

// decodeSigned reads the envelope that statements, promises and refusals share; only records have trails.
func decodeSigned(raw []byte, contents ...string) (*statement, error) {
	if len(raw) > maxStatement {
		return nil, fmt.Errorf("statement has %d bytes", len(raw))
	}
	v, err := decodeTag18(raw)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	parts, _ := v.([]any)
	if len(parts) != 4 {
		return nil, fmt.Errorf("statement is not a COSE_Sign1 array of four")
	}
	s := &statement{raw: raw, leaf: tlog.RecordHash(raw)}
	unprotected, ok := parts[1].(map[any]any)
	if !ok || len(unprotected) != 0 {
		return nil, fmt.Errorf("unprotected header is not an empty map")
	}
	var ok1, ok2, ok3 bool
	s.protected, ok1 = parts[0].([]byte)
	s.payload, ok2 = parts[2].([]byte)
	s.signature, ok3 = parts[3].([]byte)
	if !ok1 || !ok2 || !ok3 || len(s.signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("protected, payload or signature is not the byte string it should be")
	}
	if err := s.readHeader(contents); err != nil {
		return nil, fmt.Errorf("protected header: %w", err)
	}
	if err := s.readBody(); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return s, nil
}

func (s *statement) readHeader(contents []string) error {
	v, err := decodeCBOR(s.protected)
	if err != nil {
		return err
	}
	header, ok := v.(map[any]any)
	if !ok {
		return fmt.Errorf("not a map")
	}
	s.content, _ = header[int64(3)].(string)
	s.isSeal = s.content == sealContent
	if !slices.Contains(contents, s.content) {
		return fmt.Errorf("content type %q", s.content)
	}
	var alg, kid, claims bool
	s.alg, alg = header[int64(1)].(int64)
	kid = fill(s.kid[:], header[int64(4)])
	claims = s.readClaims(header[int64(15)])
	if !alg || !kid || !claims {
		return fmt.Errorf("alg, kid or claims missing or malformed")
	}
	if s.content != recordContent {
		if len(header) != 4 {
			return fmt.Errorf("what is no record has exactly the labels 1, 3, 4 and 15")
		}
		return nil
	}
	list, ok := header["trails"].([]any)
	if !ok || len(header) != 5 {
		return fmt.Errorf("a record has exactly the labels 1, 3, 4, 15 and trails")
	}
	for _, item := range list {
		name, _ := item.(string)
		if err := checkTrailName(name); err != nil {
			return err
		}
		if n := len(s.trails); n > 0 && s.trails[n-1] >= name {
			return fmt.Errorf("trails not sorted, or one twice")
		}
		s.trails = append(s.trails, name)
	}
	if len(s.trails) < 1 || len(s.trails) > 64 {
		return fmt.Errorf("%d trails", len(s.trails))
	}
	if !slices.Contains(s.trails, s.sub) {
		return fmt.Errorf("sub is none of the trails")
	}
	return nil
}

func (s *statement) readClaims(v any) bool {
	claims, _ := v.(map[any]any)
	var iss, sub, aud, iat bool
	s.iss, iss = claims[int64(1)].(string)
	s.sub, sub = claims[int64(2)].(string)
	s.aud, aud = claims[int64(3)].(string)
	s.iat, iat = claims[int64(6)].(int64)
	return len(claims) == 5 && iss && sub && aud && iat && s.iat >= 0 && fill(s.cti[:], claims[int64(7)]) &&
		organisation.MatchString(s.iss) && isOrigin(s.aud)
}

func (s *statement) readBody() error {
	v, err := decodeCBOR(s.payload)
	if err != nil {
		return err
	}
	body, ok := v.(map[any]any)
	if !ok {
		return fmt.Errorf("not a map")
	}
	for key := range body {
		if _, ok := key.(string); !ok {
			return fmt.Errorf("key %v is not text", key)
		}
	}
	s.body = body
	return nil
}

func (s *statement) text(field string) string {
	t, _ := s.body[field].(string)
	return t
}

func isOrigin(s string) bool { return len(s) <= 200 && originName.MatchString(s) }

// nodeOf gives the node name of an origin or of a cosigner's key name: all but the last segment.
func nodeOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return name
}

// fill copies a byte string of exactly the right length.
func fill(into []byte, v any) bool {
	b, ok := v.([]byte)
	return ok && copy(into, b) == len(into) && len(b) == len(into)
}

// checkSignature verifies over ["Signature1", protected, empty, payload]. The key must have been found admissible.
func (s *statement) checkSignature(public []byte) error {
	if s.alg != -8 && s.alg != -19 {
		return unsure("unknown algorithm %d", s.alg)
	}
	if !ed25519.Verify(public, toBeSigned(s.protected, s.payload), s.signature) {
		return fmt.Errorf("signature does not verify")
	}
	return nil
}

func toBeSigned(protected, payload []byte) []byte {
	tbs := append([]byte{0x84, 0x6a}, "Signature1"...)
	tbs = append(tbs, byteString(protected)...)
	tbs = append(tbs, 0x40)
	return append(tbs, byteString(payload)...)
}

func byteString(b []byte) []byte { return append(cborHead(2, len(b)), b...) }

// admissibleKey refuses Ed25519 keys that are not canonical, of small order or with torsion. (With such keys out of
// the way, crypto/ed25519 verifies as formats §2 asks: canonical R, S < L, no cofactor.)
func admissibleKey(public []byte) error {
	p, err := new(edwards25519.Point).SetBytes(public)
	if err != nil || !bytes.Equal(p.Bytes(), public) {
		return fmt.Errorf("Ed25519 key is not the canonical encoding of a point")
	}
	minusOne := edwards25519.NewScalar().Negate(one)
	times := new(edwards25519.Point).ScalarMult(minusOne, p) // (L−1)·P, which is −P without torsion
	if times.Equal(new(edwards25519.Point).Negate(p)) != 1 || p.Equal(edwards25519.NewIdentityPoint()) == 1 {
		return fmt.Errorf("Ed25519 key has small order or torsion")
	}
	return nil
}

var one, _ = edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))

// keyID is the RFC 9679 thumbprint of {1: 1, -1: 6, -2: x}.
func keyID(public []byte) hash {
	return sha256.Sum256(append([]byte{0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, 0x20}, public...))
}

// seal is a decoded seal with its index, formats §6.
type seal struct {
	*statement
	index, height, time, trailCount int64
	prev, mapRoot                   hash
}

func readSeal(s *statement, index int64, origin string) (*seal, error) {
	if !s.isSeal {
		return nil, fmt.Errorf("entry %d is not a seal", index)
	}
	if s.version != 1 {
		return nil, unsure("seal of version %d", s.version)
	}
	out := &seal{statement: s, index: index}
	size, ok1 := s.body["size"].(int64)
	var ok2, ok3, ok4 bool
	out.height, ok2 = s.body["height"].(int64)
	out.time, ok3 = s.body["time"].(int64)
	out.trailCount, ok4 = s.body["trails"].(int64)
	ok5 := fill(out.prev[:], s.body["prev"]) && fill(out.mapRoot[:], s.body["map"])
	first := out.prev == hash{}
	switch {
	case !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || len(s.body) != 8:
		return nil, fmt.Errorf("seal %d: payload malformed", index)
	case size != index:
		return nil, fmt.Errorf("seal %d: size is %d", index, size)
	case s.sub != "ledger:"+origin || s.aud != origin:
		return nil, fmt.Errorf("seal %d: of another ledger", index)
	case out.time < 0 || s.iat != out.time/1000:
		return nil, fmt.Errorf("seal %d: iat does not go with time", index)
	case !bytes.Equal(s.cti[:], out.prev[:16]):
		return nil, fmt.Errorf("seal %d: cti does not go with prev", index)
	case out.height < 0 || first != (out.height == 0):
		return nil, fmt.Errorf("seal %d: height does not go with prev", index)
	case index < 2*out.height+1 || out.trailCount < 1:
		return nil, fmt.Errorf("seal %d: height %d and %d trails cannot be", index, out.height, out.trailCount)
	}
	return out, nil
}

// follows checks what must hold between two seals of one log, whether or not others lie between them.
func (s *seal) follows(before *seal) error {
	steps := s.height - before.height
	switch {
	case steps < 1 || s.index-before.index < 2*steps:
		return fmt.Errorf("seals %d and %d: heights do not go with indexes", before.index, s.index)
	case s.time <= before.time || s.trailCount < before.trailCount:
		return fmt.Errorf("seals %d and %d: time or number of trails goes back", before.index, s.index)
	case (steps == 1) != (s.prev == before.leaf):
		return fmt.Errorf("seals %d and %d: prev does not go with heights", before.index, s.index)
	}
	return nil
}
