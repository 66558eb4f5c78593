package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"filippo.io/mldsa"
	"golang.org/x/mod/sumdb/note"
)

// Key types of signed notes.
const (
	logEd25519         = 0x01
	cosignatureEd25519 = 0x04
	cosignatureMLDSA44 = 0x06
)

// verifierKey is a note.Verifier for the three key types that a policy may name.
type verifierKey struct {
	name   string
	id     uint32
	kind   byte
	public []byte
	plain  note.Verifier // of type 01
	mldsa  *mldsa.PublicKey
}

// decodeBase64 accepts one spelling only; the decoder of the library skips line ends.
func decodeBase64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err == nil && base64.StdEncoding.EncodeToString(b) != s {
		err = fmt.Errorf("base64 not canonical")
	}
	return b, err
}

func parseVkey(vkey string) (*verifierKey, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	idText, keyText, _ := strings.Cut(rest, "+")
	id, err1 := strconv.ParseUint(idText, 16, 32)
	material, err2 := decodeBase64(keyText)
	if err1 != nil || err2 != nil || len(idText) != 8 || strings.ToLower(idText) != idText || len(material) < 2 || name == "" ||
		strings.ContainsFunc(name, unicode.IsSpace) {
		return nil, fmt.Errorf("malformed key %.60q", vkey)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), material...))
	if uint32(id) != binary.BigEndian.Uint32(sum[:]) {
		return nil, fmt.Errorf("key id of %s is wrong", name)
	}
	k := &verifierKey{name: name, id: uint32(id), kind: material[0], public: material[1:]}
	switch k.kind {
	case logEd25519, cosignatureEd25519:
		if err := admissibleKey(k.public); err != nil {
			return nil, fmt.Errorf("key of %s: %w", name, err)
		}
		if k.kind == logEd25519 {
			var err error
			if k.plain, err = note.NewVerifier(vkey); err != nil {
				return nil, fmt.Errorf("key of %s: %w", name, err)
			}
		}
	case cosignatureMLDSA44:
		var err error
		if k.mldsa, err = mldsa.NewPublicKey(mldsa.MLDSA44(), k.public); err != nil {
			return nil, fmt.Errorf("key of %s: %w", name, err)
		}
	default:
		return nil, fmt.Errorf("key of %s has the unknown type %02x", name, k.kind)
	}
	return k, nil
}

func (k *verifierKey) Name() string    { return k.name }
func (k *verifierKey) KeyHash() uint32 { return k.id }

func (k *verifierKey) Verify(text, sig []byte) bool {
	if k.kind == logEd25519 {
		return k.plain.Verify(text, sig)
	}
	if len(sig) < 8 || sig[0] > 0x7f {
		return false
	}
	stamp, sig := sig[:8], sig[8:]
	if k.kind == cosignatureEd25519 {
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(stamp), text)
		return ed25519.Verify(k.public, []byte(message), sig)
	}
	c, err := parseCheckpoint(string(text))
	if err != nil {
		return false
	}
	m := append([]byte("subtree/v1\n\x00"), byte(len(k.name)))
	m = append(append(m, k.name...), stamp...)
	m = append(append(m, byte(len(c.origin))), c.origin...)
	m = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(m, 0), uint64(c.size))
	m = append(m, c.root[:]...)
	return mldsa.Verify(k.mldsa, m, sig, nil) == nil
}

// checkpoint is the text of a signed note and who was found to have signed it.
type checkpoint struct {
	origin    string
	size      int64
	root      hash
	logSigned bool
	stamps    map[string]int64 // witness name in the policy → time of a cosignature that counts
}

func parseCheckpoint(text string) (*checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return nil, fmt.Errorf("checkpoint: not exactly three lines")
	}
	c := &checkpoint{origin: lines[0]}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || !plainInteger.MatchString(lines[1]) || size > maxInt53 {
		return nil, fmt.Errorf("checkpoint: tree size %q", lines[1])
	}
	root, err := decodeBase64(lines[2])
	if err != nil || len(root) != 32 {
		return nil, fmt.Errorf("checkpoint: root hash %q", lines[2])
	}
	if !isOrigin(c.origin) {
		return nil, fmt.Errorf("checkpoint: origin %q", c.origin)
	}
	c.size = size
	copy(c.root[:], root)
	return c, nil
}

// openCheckpoint reads a signed checkpoint and verifies every line whose key the policy lists. The checkpoint comes
// back even when the signatures are bad, as long as it can be read.
func openCheckpoint(signed, origin string, p *policy, now time.Time) (*checkpoint, error) {
	cut := strings.LastIndex(signed, "\n\n")
	if cut < 0 {
		return nil, fmt.Errorf("checkpoint: no signature")
	}
	c, err := parseCheckpoint(signed[:cut+1])
	if err != nil {
		return nil, err
	}
	c.stamps = map[string]int64{}
	if origin != "" && c.origin != origin {
		return c, fmt.Errorf("checkpoint: of another log, %s", c.origin)
	}
	if err := checkSignatureLines(signed[cut+2:]); err != nil {
		return c, err
	}
	n, err := note.Open([]byte(signed), p.keys)
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return c, unsure("no signature by a key of the policy")
	} else if err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	signedBy := func(k *verifierKey) *note.Signature {
		i := slices.IndexFunc(n.Sigs, func(s note.Signature) bool { return s.Name == k.name && s.Hash == k.id })
		if i < 0 {
			return nil
		}
		return &n.Sigs[i]
	}
	for _, k := range p.logs {
		c.logSigned = c.logSigned || k.name == c.origin && signedBy(k) != nil
	}
	for name, k := range p.witnesses {
		if s := signedBy(k); s != nil && nodeOf(k.name) != nodeOf(c.origin) {
			blob, _ := base64.StdEncoding.DecodeString(s.Base64)
			stamp := int64(binary.BigEndian.Uint64(blob[4:]))
			if stamp > 0 && stamp <= now.Unix()+300 {
				c.stamps[name] = stamp
			}
		}
	}
	if !c.logSigned {
		return c, unsure("no signature by a listed key of %s", c.origin)
	}
	return c, nil
}

// checkSignatureLines holds what note.Open lets pass: one line per key, and one spelling of its base64.
func checkSignatureLines(block string) error {
	seen := map[string]bool{}
	for line := range strings.Lines(block) {
		name, b64, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "— "), " ")
		blob, err := decodeBase64(b64)
		if err != nil || len(blob) < 5 {
			return fmt.Errorf("checkpoint: malformed signature line")
		}
		key := name + string(blob[:4])
		if seen[key] {
			return fmt.Errorf("checkpoint: two lines by one key of %s", name)
		}
		seen[key] = true
	}
	return nil
}

func (c *checkpoint) since(keep func(int64) bool) map[string]bool {
	have := map[string]bool{}
	for name, stamp := range c.stamps {
		if keep(stamp) {
			have[name] = true
		}
	}
	return have
}

func (c *checkpoint) cosigners() map[string]bool { return c.since(func(int64) bool { return true }) }

// provenTime is the smallest t such that the cosignatures up to t meet the quorum: "existed by".
func (c *checkpoint) provenTime(p *policy) (int64, bool) {
	if p.quorum == "none" || !p.met(p.quorum, c.cosigners()) {
		return 0, false
	}
	best, found := int64(0), false
	for _, t := range c.stamps {
		if p.met(p.quorum, c.since(func(s int64) bool { return s <= t })) && (!found || t < best) {
			best, found = t, true
		}
	}
	return best, found
}

// freshness is the largest t such that the cosignatures from t on meet the mirrors: "complete as of".
func (c *checkpoint) freshness(line trailLine) (int64, bool) {
	best, found := int64(0), false
	for _, t := range c.stamps {
		if line.need > 0 && line.met(c.since(func(s int64) bool { return s >= t })) && (!found || t > best) {
			best, found = t, true
		}
	}
	return best, found
}

func rfc3339(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

// The C2SP tlog-proof file: index, inclusion path, checkpoint.
func parseTlogProof(data []byte) (index int64, path []hash, signed string, err error) {
	head, signed, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return 0, nil, "", unsure("not a tlog-proof of version 1")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if _, err := decodeBase64(lines[0][6:]); err != nil {
			return 0, nil, "", fmt.Errorf("tlog-proof: extra line malformed")
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") || !plainInteger.MatchString(lines[0][6:]) {
		return 0, nil, "", fmt.Errorf("tlog-proof: no index line")
	}
	if index, err = strconv.ParseInt(lines[0][6:], 10, 64); err != nil {
		return 0, nil, "", err
	}
	for _, line := range lines[1:] {
		b, err := decodeBase64(line)
		if err != nil || len(b) != 32 || len(path) == 63 {
			return 0, nil, "", fmt.Errorf("tlog-proof: malformed path")
		}
		path = append(path, hash(b))
	}
	return index, path, signed, nil
}
