package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

type hash = tlog.Hash

// frontier holds the roots of the maximal complete subtrees of n leaves, left to right: enough to go on with a tree
// and to know its root.
type frontier struct {
	n     int64
	roots []hash
}

// frontierAt takes such roots from outside; their number must fit n.
func frontierAt(n int64, roots []hash) (frontier, error) {
	if bits.OnesCount64(uint64(n)) != len(roots) {
		return frontier{}, fmt.Errorf("range has %d hashes, %d leaves need %d", len(roots), n, bits.OnesCount64(uint64(n)))
	}
	return frontier{n, append([]hash(nil), roots...)}, nil
}

func (f *frontier) add(leaf hash) {
	f.roots = append(f.roots, leaf)
	for k := f.n; k&1 == 1; k >>= 1 {
		last := len(f.roots) - 1
		f.roots[last-1] = tlog.NodeHash(f.roots[last-1], f.roots[last])
		f.roots = f.roots[:last]
	}
	f.n++
}

func (f *frontier) root() hash {
	if f.n == 0 {
		return sha256.Sum256(nil)
	}
	root := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		root = tlog.NodeHash(f.roots[i], root)
	}
	return root
}

func rootOf(leaves []hash) hash {
	var f frontier
	for _, leaf := range leaves {
		f.add(leaf)
	}
	return f.root()
}

// rootEndingAt gives the root of the tree whose last leaf is the one an inclusion proof (already checked, to a tree of
// the given size) speaks of: the siblings on the left are the frontier before that leaf.
func rootEndingAt(index, size int64, leaf hash, proof []hash) hash {
	root, last := leaf, size-1
	for _, sibling := range proof {
		if index&1 == 1 || index == last {
			root = tlog.NodeHash(sibling, root)
			for index&1 == 0 && index != 0 {
				index, last = index>>1, last>>1
			}
		}
		index, last = index>>1, last>>1
	}
	return root
}

// The trails and their map, formats §7.

func trailLeaf(index int64, leaf hash) hash {
	return tlog.RecordHash(append(binary.BigEndian.AppendUint64(nil, uint64(index)), leaf[:]...))
}

func mapKey(trail string) hash { return sha256.Sum256([]byte("lianzheng/trail/v1\n" + trail)) }

func mapValue(count int64, root hash) hash {
	return sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, uint64(count)), root[:]...))
}

func mapLeafHash(key, value hash) hash {
	b := append([]byte{0, 32}, key[:]...)
	b = append(append(b, 32), value[:]...)
	return sha256.Sum256(b)
}

func mapNodeHash(bit int, left, right hash) hash {
	b := binary.AppendUvarint([]byte{1}, uint64(bit))
	b = append(append(b, left[:]...), right[:]...)
	return sha256.Sum256(b)
}

func bitOf(key hash, bit int) byte { return key[bit/8] >> (7 - bit%8) & 1 }

// mapPath folds the path of a proof from a leaf up to the root.
func mapPath(at hash, key hash, path []byte, visit func(bit int)) (hash, error) {
	above := 256
	for len(path) > 0 {
		bit, n := binary.Uvarint(path)
		if n <= 0 || n != len(binary.AppendUvarint(nil, bit)) || len(path) < n+32 {
			return at, fmt.Errorf("map proof: malformed")
		}
		if bit >= uint64(above) {
			return at, fmt.Errorf("map proof: bits not strictly decreasing from 255")
		}
		above = int(bit)
		var sibling hash
		copy(sibling[:], path[n:])
		path = path[n+32:]
		if visit != nil {
			visit(above)
		}
		if bitOf(key, above) == 0 {
			at = mapNodeHash(above, at, sibling)
		} else {
			at = mapNodeHash(above, sibling, at)
		}
	}
	return at, nil
}

func checkPresence(root, key, value hash, proof []byte) error {
	got, err := mapPath(mapLeafHash(key, value), key, proof, nil)
	if err == nil && got != root {
		err = fmt.Errorf("map proof: another root, count or trail root")
	}
	return err
}

func checkAbsence(root, key hash, proof []byte) error {
	if root == sha256.Sum256(nil) {
		if len(proof) > 0 {
			return fmt.Errorf("map proof: bytes in the proof for an empty map")
		}
		return nil
	}
	if len(proof) < 66 || proof[0] != 32 || proof[33] != 32 {
		return fmt.Errorf("map proof: malformed absence proof")
	}
	var otherKey, otherValue hash
	copy(otherKey[:], proof[1:])
	copy(otherValue[:], proof[34:])
	if otherKey == key {
		return fmt.Errorf("map proof: the key that should be absent is there")
	}
	elsewhere := false
	got, err := mapPath(mapLeafHash(otherKey, otherValue), otherKey, proof[66:], func(bit int) {
		elsewhere = elsewhere || bitOf(key, bit) != bitOf(otherKey, bit)
	})
	switch {
	case err != nil:
		return err
	case elsewhere:
		return fmt.Errorf("map proof: the search for the key does not end in the leaf shown")
	case got != root:
		return fmt.Errorf("map proof: another root")
	}
	return nil
}

// patricia is the map itself, for replaying a whole log. Hashes are computed when the root is asked for.
type patricia struct {
	bit         int // of an inner node; 256 for a leaf
	key, value  hash
	left, right *patricia
	known       bool
	cached      hash
}

func (p *patricia) set(key, value hash) *patricia {
	leaf := &patricia{bit: 256, key: key, value: value}
	if p == nil {
		return leaf
	}
	near := p
	for near.bit < 256 {
		near = *near.child(key)
	}
	differs := 256
	for bit := range 256 {
		if bitOf(near.key, bit) != bitOf(key, bit) {
			differs = bit
			break
		}
	}
	top := p
	at := &top
	for (*at).bit < differs {
		(*at).known = false
		at = (*at).child(key)
	}
	switch {
	case differs == 256:
		*at = leaf
	case bitOf(key, differs) == 0:
		*at = &patricia{bit: differs, left: leaf, right: *at}
	default:
		*at = &patricia{bit: differs, left: *at, right: leaf}
	}
	return top
}

func (p *patricia) child(key hash) **patricia {
	if bitOf(key, p.bit) == 0 {
		return &p.left
	}
	return &p.right
}

func (p *patricia) root() hash {
	switch {
	case p == nil:
		return sha256.Sum256(nil)
	case !p.known && p.bit == 256:
		p.cached = mapLeafHash(p.key, p.value)
	case !p.known:
		p.cached = mapNodeHash(p.bit, p.left.root(), p.right.root())
	}
	p.known = true
	return p.cached
}

func sameBytes(h hash, b any) bool {
	s, ok := b.([]byte)
	return ok && bytes.Equal(h[:], s)
}
