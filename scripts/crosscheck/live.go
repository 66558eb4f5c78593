package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A walk over the C2SP tlog-tiles surface of a running log, and a replay of everything in it.

const tileWidth = 256

var errNotFound = errors.New("not found")

type site struct {
	prefix, token string
	client        *http.Client
	tiles         map[string][]byte
}

func (s *site) get(path, token string) ([]byte, error) {
	request, err := http.NewRequest("GET", s.prefix+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", path, errNotFound)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

// tile fetches a tile, or the full one where a partial one has gone.
func (s *site) tile(t tlog.Tile) ([]byte, error) {
	path := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
	data, cached := s.tiles[path]
	if !cached {
		var err error
		data, err = s.get(path, "")
		if full, _, partial := strings.Cut(path, ".p/"); partial && errors.Is(err, errNotFound) {
			data, err = s.get(full, "")
		}
		if err != nil {
			return nil, err
		}
		if len(data) > t.W*tlog.HashSize {
			data = data[:t.W*tlog.HashSize]
		}
		s.tiles[path] = data
	}
	if len(data) != t.W*tlog.HashSize {
		return nil, fmt.Errorf("%s: %d bytes", path, len(data))
	}
	return data, nil
}

// site is a tlog.TileReader.
func (s *site) Height() int                     { return 8 }
func (s *site) SaveTiles([]tlog.Tile, [][]byte) {}
func (s *site) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		data, err := s.tile(t)
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

// entries fetches all entries below size, bundle by bundle.
func (s *site) entries(size int64) ([][]byte, error) {
	var out [][]byte
	for n := int64(0); n*tileWidth < size; n++ {
		t := tlog.Tile{H: 8, L: 0, N: n, W: int(min(tileWidth, size-n*tileWidth))}
		path := strings.Replace(t.Path(), "tile/8/0/", "tile/entries/", 1)
		data, err := s.get(path, s.token)
		if full, _, partial := strings.Cut(path, ".p/"); partial && errors.Is(err, errNotFound) {
			data, err = s.get(full, s.token)
		}
		if err != nil {
			return nil, err
		}
		for range t.W {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("%s: ends early", path)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			out = append(out, data[2:end])
			data = data[end:]
		}
	}
	return out, nil
}

func verifyLive(prefix, vkey, token string) (*report, error) {
	rep := &report{}
	s := &site{prefix: prefix, token: token, client: &http.Client{Timeout: time.Minute}, tiles: map[string][]byte{}}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("-vkey: %w", err)
	}
	signed, err := s.get("checkpoint", "")
	if err != nil {
		return nil, err
	}
	checkpointStep := rep.step("checkpoint signature")
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if !checkpointStep.check(err) {
		return rep, nil
	}
	cp, err := parseCheckpoint(opened.Text)
	if !checkpointStep.check(err) {
		return rep, nil
	}
	if cp.origin != verifier.Name() {
		checkpointStep.check(fmt.Errorf("the origin %s is not the key's name", cp.origin))
	}
	checkpointStep.note("%s, size %d", cp.origin, cp.size)

	entries, err := s.entries(cp.size)
	if err != nil {
		return nil, err
	}
	leaves := make([]hash, len(entries))
	for i, entry := range entries {
		leaves[i] = tlog.RecordHash(entry)
	}
	rootStep := rep.step("root from entries")
	rootStep.check(nil)
	if rootOf(leaves) != cp.root {
		rootStep.check(fmt.Errorf("the entries do not give the checkpoint's root"))
	}
	if err := s.checkTiles(rep.step("tiles"), leaves); err != nil {
		return nil, err
	}
	replay := newReplay(cp.origin)
	replay.run(rep, entries)
	s.checkProofs(rep.step("proofs over the tiles"), cp, leaves, replay.sizes)
	return rep, nil
}

// checkTiles compares every tile that the size implies with the hashes computed from the entries.
func (s *site) checkTiles(st *step, leaves []hash) error {
	st.check(nil)
	count := 0
	row := leaves
	for level := 0; len(row) > 0; level++ {
		var above []hash
		for n := 0; n*tileWidth < len(row); n++ {
			part := row[n*tileWidth : min(len(row), (n+1)*tileWidth)]
			data, err := s.tile(tlog.Tile{H: 8, L: level, N: int64(n), W: len(part)})
			if errors.Is(err, errNotFound) {
				st.check(err)
				continue
			} else if err != nil {
				return err
			}
			count++
			var want []byte
			for _, h := range part {
				want = append(want, h[:]...)
			}
			if !bytes.Equal(data, want) {
				st.check(fmt.Errorf("tile %d/%d does not follow from the entries", level, n))
			}
			if len(part) == tileWidth {
				above = append(above, rootOf(part))
			}
		}
		row = above
	}
	st.note("%d tiles", count)
	return nil
}

// checkProofs makes proofs with x/mod from the served tiles, which TileHashReader checks against the root, and checks
// them: inclusion of a sample of records, consistency between published sizes and some others.
func (s *site) checkProofs(st *step, cp *checkpoint, leaves []hash, sizes []int64) {
	reader := tlog.TileHashReader(tlog.Tree{N: cp.size, Hash: cp.root}, s)
	stride := max(1, cp.size/100)
	records, trees := 0, 0
	for n := int64(0); n < cp.size; n += stride {
		path, err := tlog.ProveRecord(cp.size, n, reader)
		if err == nil {
			err = tlog.CheckRecord(path, cp.size, cp.root, n, leaves[n])
		}
		if !st.check(err) {
			return
		}
		records++
	}
	wanted := map[int64]bool{1: true, cp.size: true, cp.size / 2: true, cp.size * 2 / 3: true}
	for i := 0; i < len(sizes); i += max(1, len(sizes)/20) {
		wanted[sizes[i]] = true
	}
	var f frontier
	for i, leaf := range leaves {
		f.add(leaf)
		size := int64(i) + 1
		if !wanted[size] {
			continue
		}
		path, err := tlog.ProveTree(cp.size, size, reader)
		if err == nil {
			err = tlog.CheckTree(path, cp.size, cp.root, size, f.root())
		}
		if !st.check(err) {
			return
		}
		trees++
	}
	st.note("%d records, %d earlier sizes", records, trees)
}

// replay holds what follows from the entries of one log so far.
type replay struct {
	origin  string
	reg     *registry
	trails  map[string]*frontier
	changed map[string]bool
	theMap  *patricia
	last    *seal
	sizes   []int64 // published, that is, after each seal
	leaves  map[hash]*statement
	nonces  map[string]bool
	waiting map[int64]int64 // index → iat of records since the last seal
}

func newReplay(origin string) *replay {
	r := &replay{origin: origin, trails: map[string]*frontier{}, changed: map[string]bool{}, leaves: map[hash]*statement{},
		nonces: map[string]bool{}, waiting: map[int64]int64{}}
	r.reg = newRegistry(origin, func(int64) (int64, int64) {
		t := r.reg.began * 1000
		if r.last != nil {
			t = r.last.time
		}
		return t, t
	})
	r.reg.complete = true
	return r
}

// few keeps a step readable when thousands of entries fail in the same way.
type few struct {
	*step
	more int
}

func (f *few) check(err error) {
	if err != nil && len(f.notes) >= 10 {
		f.verdict = max(f.verdict, verdictOf(err))
		f.more++
		return
	}
	f.step.check(err)
}

func (r *replay) run(rep *report, entries [][]byte) {
	form, admission, schema := &few{step: rep.step("statements")}, &few{step: rep.step("admission and signatures")}, &few{step: rep.step("schema and trails")}
	seals, maps := &few{step: rep.step("seals")}, &few{step: rep.step("trails and map under every seal")}
	for i, raw := range entries {
		index := int64(i)
		s, err := decodeStatement(raw)
		if err != nil {
			form.check(fmt.Errorf("entry %d: %w", index, err))
			continue
		}
		form.check(nil)
		if s.isSeal {
			r.seal(s, index, seals, maps)
			continue
		}
		if err := checkRecord(s); verdictOf(err) == couldNotCheck {
			schema.check(unsure("entry %d: %w", index, err))
		} else if err != nil {
			schema.check(fmt.Errorf("entry %d: %w", index, err))
		} else {
			schema.check(nil)
		}
		admission.check(r.admit(s, index))
		r.waiting[index] = s.iat
		for _, name := range s.trails {
			if r.trails[name] == nil {
				r.trails[name] = &frontier{}
			}
			r.trails[name].add(trailLeaf(index, s.leaf))
			r.changed[name] = true
		}
	}
	if r.last == nil || r.last.index != int64(len(entries))-1 {
		seals.check(fmt.Errorf("the last leaf is not a seal"))
	}
	seals.note("%d seals", len(r.sizes))
	maps.note("%d trails", len(r.trails))
	for _, f := range []*few{form, admission, schema, seals, maps} {
		if f.more > 0 {
			f.note("and %d more", f.more)
		}
	}
}

func (r *replay) admit(s *statement, index int64) error {
	nonce := string(s.kid[:]) + string(s.cti[:])
	switch {
	case s.aud != r.origin:
		return fmt.Errorf("entry %d: for another log", index)
	case r.leaves[s.leaf] != nil || r.nonces[nonce]:
		return fmt.Errorf("entry %d: the statement, or its cti, is there already", index)
	}
	r.leaves[s.leaf], r.nonces[nonce] = s, true
	if strings.HasPrefix(s.typ, "registry.") || strings.HasPrefix(s.typ, "ledger.") {
		return r.reg.apply(s, index)
	}
	k, err := r.reg.signer(s, index, true)
	if k == nil {
		return err
	}
	if s.typ == "body.erased" || s.typ == "record.corrected" {
		var about *statement
		if spoken := spokenOf(s); spoken != nil && spoken.leaf != s.leaf {
			about = r.leaves[spoken.leaf]
		}
		if err := checkSpokenOf(s, k, about, r.origin); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
	}
	if bad := s.checkSignature(k.public); bad != nil {
		return fmt.Errorf("entry %d: %w", index, bad)
	}
	return err
}

func (r *replay) seal(s *statement, index int64, seals, maps *few) {
	this, err := readSeal(s, index, r.origin)
	if err != nil {
		seals.check(err)
		return
	}
	seals.check(r.reg.checkSeal(this))
	if r.last == nil && this.height != 0 {
		seals.check(fmt.Errorf("seal %d: the first one has height %d", index, this.height))
	}
	if r.last != nil {
		seals.check(this.follows(r.last))
		if this.height != r.last.height+1 {
			seals.check(fmt.Errorf("seal %d: height %d after %d", index, this.height, r.last.height))
		}
	}
	for at, iat := range r.waiting {
		if iat > this.time/1000+300 {
			seals.check(fmt.Errorf("entry %d: iat is more than 300 s ahead of the seal after it", at))
		}
	}
	clear(r.waiting)
	for name := range r.changed {
		f := r.trails[name]
		r.theMap = r.theMap.set(mapKey(name), mapValue(f.n, f.root()))
	}
	clear(r.changed)
	switch {
	case this.trailCount != int64(len(r.trails)):
		maps.check(fmt.Errorf("seal %d: says %d trails, there are %d", index, this.trailCount, len(r.trails)))
	case this.mapRoot != r.theMap.root():
		maps.check(fmt.Errorf("seal %d: another map root", index))
	default:
		maps.check(nil)
	}
	r.last = this
	r.sizes = append(r.sizes, index+1)
}
