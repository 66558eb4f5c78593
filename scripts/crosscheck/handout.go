package main

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Promises and refusals, formats §12, and SCITT transparent statements, §11. Both are signed by keys that only the
// log's registry names, so a receipt or certificate beside them must show it.

const (
	promiseContent = "application/vnd.lianzheng.promise+cbor"
	refusalContent = "application/vnd.lianzheng.refusal+cbor"
)

// beside is one receipt or certificate part of the log, under a head that holds by the policy.
type beside struct {
	*proof
	receipt *receipt // nil for a part
	data    []byte
}

// openBeside reads what is given beside a file; parts of other logs, and what does not hold, are left out.
func openBeside(data []byte, origin string, pol *policy, now time.Time) (out []beside) {
	open := func(from, checkpoint string, authority []shown, last int64, rec *receipt) {
		p, scratch := newProof(pol, from, now), &report{}
		p.checkCheckpoint(scratch.step("checkpoint"), scratch.step("quorum"), checkpoint)
		p.replayAuthority(scratch.step("authority"), authority, last)
		if from == origin && scratch.overall() == verified {
			out = append(out, beside{p, rec, data})
		}
	}
	if rec, err := readReceipt(data); err == nil {
		open(rec.origin, rec.checkpoint, rec.authority, rec.statement.index, rec)
	} else if _, parts, err := readCertificate(data); err == nil {
		for _, part := range parts {
			last := int64(math.MaxInt64)
			if n := len(part.entries); n > 0 {
				last = part.entries[n-1].index
			}
			open(part.origin, part.checkpoint, part.authority, last, nil)
		}
	}
	return out
}

// checkNodeKey checks a signature by one of the keys that the log's registry names for a purpose.
func checkNodeKey(authority, signature *step, given []beside, purpose string, kid hash, iss string, check func(public []byte) error) {
	if len(given) == 0 {
		authority.check(unsure("no receipt or certificate of the log beside it shows its keys under a head that holds"))
		signature.check(unsure("the %s key is not known", purpose))
		return
	}
	authority.check(nil)
	for _, one := range given {
		public := one.reg.nodeKey(purpose, kid)
		if public == nil {
			continue
		}
		if signature.check(check(public)) && iss != one.reg.operator {
			signature.check(fmt.Errorf("iss is not the operator"))
		}
		return
	}
	signature.check(unsure("the registry shown names no such %s key", purpose))
}

var codeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

func checkHandoutForm(s *statement, names string) error {
	at, ok := s.body["time"].(int64)
	by, isTime := s.body["by"].(int64)
	code, _ := s.body["code"].(string)
	switch {
	case checkNames(s.body, names) != nil:
		return checkNames(s.body, names)
	case s.sub != "ledger:"+s.aud:
		return fmt.Errorf("sub is not the ledger")
	case !ok || at < 0 || s.iat != at/1000:
		return fmt.Errorf("iat does not go with time")
	case s.content == promiseContent && (!isBytes(32)(s.body["leaf"]) || !isTime || by < at):
		return fmt.Errorf("leaf or by malformed")
	case s.content == refusalContent && (!isBytes(32)(s.body["digest"]) || !codeForm.MatchString(code) || !isCount(s.body["catalogue"])):
		return fmt.Errorf("digest, code or catalogue malformed")
	}
	return nil
}

func verifyHandout(data []byte, pol *policy, files [][]byte, now time.Time) *report {
	rep := &report{}
	s, err := decodeSigned(data, promiseContent, refusalContent)
	names := "leaf! time! by!"
	if err == nil && s.content == refusalContent {
		names = "digest! code! time! catalogue!"
	}
	if err == nil {
		err = checkHandoutForm(s, names)
	}
	if !rep.step("file").check(err) {
		return rep
	}
	newProof(pol, s.aud, now).checkPolicy(rep.step("policy"))
	var given []beside
	var others [][]byte
	for _, file := range files {
		if bytes.HasPrefix(bytes.TrimSpace(file), []byte("{")) {
			given = append(given, openBeside(file, s.aud, pol, now)...)
		} else {
			others = append(others, file)
		}
	}
	checkNodeKey(rep.step("authority"), rep.step("signature"), given, "promise", s.kid, s.iss, s.checkSignature)
	if s.content == promiseContent {
		checkKept(rep.step("kept"), s, given, pol, now)
		return rep
	}
	fileStep := rep.step("files")
	fileStep.note("refused: %s", s.text("code"))
	for _, file := range others {
		if !sameBytes(sha256Sum(file), s.body["digest"]) {
			fileStep.check(fmt.Errorf("what was refused is another file"))
		} else {
			fileStep.check(nil)
		}
	}
	return rep
}

// checkKept asks whether the receipt of what was promised is there, and in time.
func checkKept(s *step, promise *statement, given []beside, pol *policy, now time.Time) {
	by := promise.body["by"].(int64)
	i := slices.IndexFunc(given, func(b beside) bool {
		return b.receipt != nil && sameBytes(tlog.RecordHash(b.receipt.statement.raw), promise.body["leaf"])
	})
	if i < 0 {
		if now.UnixMilli() > by {
			s.check(unsure("its time is over, and no receipt was given"))
		}
		s.note("due by %s", rfc3339(by/1000))
		return
	}
	if verifyReceipt(given[i].data, pol, nil, now).overall() != verified {
		s.check(unsure("its receipt does not verify"))
		return
	}
	rec := given[i].receipt
	first := rec.seal
	if rec.hasEntered {
		first = rec.around[len(rec.around)-1]
	}
	st, _ := decodeStatement(first.raw)
	entered, _ := readSeal(st, first.index, promise.aud)
	switch {
	case entered.time <= by:
		s.check(nil)
		s.note("entered by %s", rfc3339(entered.time/1000))
	case rec.hasEntered && rec.hasBefore:
		s.check(fmt.Errorf("entered at %s, promised by %s", rfc3339(entered.time/1000), rfc3339(by/1000)))
	default:
		s.check(unsure("the receipt does not show when it entered"))
	}
}

// verifyTransparent checks a SCITT transparent statement (RFC 9942, RFC 9943): the statement with its receipt under 394.
func verifyTransparent(data, receiptFile []byte, pol *policy, now time.Time) *report {
	rep := &report{}
	st, inner, err := readTransparent(data)
	if !rep.step("file").check(err) {
		return rep
	}
	policyStep, authority, signature := rep.step("policy"), rep.step("authority"), rep.step("signature")
	newProof(pol, st.aud, now).checkPolicy(policyStep)
	given := openBeside(receiptFile, st.aud, pol, now)
	checkNodeKey(authority, signature, given, "receipt", inner.kid, inner.iss, inner.check)
	if inner.sub != st.sub {
		signature.check(fmt.Errorf("its sub is not the statement's"))
	}
	return rep
}

type scittReceipt struct {
	kid                  hash
	iss, sub             string
	protected, signature []byte
	root                 hash
}

func (r *scittReceipt) check(public []byte) error {
	s := statement{alg: -8, protected: r.protected, payload: r.root[:], signature: r.signature}
	return s.checkSignature(public)
}

func readTransparent(data []byte) (*statement, *scittReceipt, error) {
	protected, unprotected, payload, signature, err := readSign1(data)
	if err != nil {
		return nil, nil, err
	}
	receipts, _ := unprotected[int64(394)].([]any)
	raw, isBytes := payload.([]byte)
	if len(unprotected) != 1 || len(receipts) != 1 || !isBytes {
		return nil, nil, fmt.Errorf("not a statement with exactly one receipt under 394")
	}
	// The entry that is proven is the statement with an empty unprotected map.
	entry := append([]byte{0xd2, 0x84}, byteString(protected)...)
	entry = append(append(append(entry, 0xa0), byteString(raw)...), byteString(signature)...)
	st, err := decodeStatement(entry)
	if err != nil {
		return nil, nil, err
	}
	inner, _ := receipts[0].([]byte)
	out := &scittReceipt{}
	var detached any
	if out.protected, unprotected, detached, out.signature, err = readSign1(inner); err != nil {
		return nil, nil, fmt.Errorf("receipt: %w", err)
	}
	v, err := decodeCBOR(out.protected)
	header, _ := v.(map[any]any)
	claims, _ := header[int64(15)].(map[any]any)
	proofs, _ := unprotected[int64(396)].(map[any]any)
	list, _ := proofs[int64(-1)].([]any)
	out.iss, _ = claims[int64(1)].(string)
	out.sub, _ = claims[int64(2)].(string)
	if err != nil || len(header) != 4 || header[int64(1)] != int64(-8) || header[int64(395)] != int64(1) || !fill(out.kid[:], header[int64(4)]) ||
		detached != nil || len(unprotected) != 1 || len(proofs) != 1 || len(list) != 1 {
		return nil, nil, fmt.Errorf("receipt: not a COSE Receipt of inclusion with verifiable data structure 1")
	}
	bytes, _ := list[0].([]byte)
	v, err = decodeCBOR(bytes)
	parts, _ := v.([]any)
	if err != nil || len(parts) != 3 {
		return nil, nil, fmt.Errorf("receipt: proof malformed")
	}
	size, ok1 := parts[0].(int64)
	index, ok2 := parts[1].(int64)
	items, ok3 := parts[2].([]any)
	var path []hash
	for _, item := range items {
		var h hash
		ok3 = ok3 && fill(h[:], item)
		path = append(path, h)
	}
	var there bool
	if out.root, there = rootFromPath(index, size, st.leaf, path); !ok1 || !ok2 || !ok3 || !there {
		return nil, nil, fmt.Errorf("receipt: proof malformed")
	}
	return st, out, nil
}

// readSign1 reads any tagged COSE_Sign1.
func readSign1(data []byte) (protected []byte, unprotected map[any]any, payload any, signature []byte, err error) {
	v, err := decodeTag18(data)
	parts, _ := v.([]any)
	if err != nil || len(parts) != 4 {
		return nil, nil, nil, nil, fmt.Errorf("not a tagged COSE_Sign1: %v", err)
	}
	var ok1, ok2, ok3 bool
	protected, ok1 = parts[0].([]byte)
	unprotected, ok2 = parts[1].(map[any]any)
	signature, ok3 = parts[3].([]byte)
	if !ok1 || !ok2 || !ok3 || len(signature) != 64 {
		return nil, nil, nil, nil, fmt.Errorf("not a COSE_Sign1 of four members")
	}
	return protected, unprotected, parts[2], signature, nil
}

// rootFromPath is RFC 9162 §2.1.3.2 without the last comparison.
func rootFromPath(index, size int64, leaf hash, path []hash) (hash, bool) {
	root, last := leaf, size-1
	if index < 0 || index > last {
		return root, false
	}
	for _, sibling := range path {
		switch {
		case last == 0:
			return root, false
		case index&1 == 1 || index == last:
			root = tlog.NodeHash(sibling, root)
			for index&1 == 0 && index != 0 {
				index, last = index>>1, last>>1
			}
		default:
			root = tlog.NodeHash(root, sibling)
		}
		index, last = index>>1, last>>1
	}
	return root, last == 0
}
