// Reading MessagePack in the frame path: the few forms that SPEC.md §2.4 allows, from a slice.
// Every count is checked against the bytes left before anything is allocated for it. Opaque values go to
// vmihailenco/msgpack, but only after skip has walked them (see value.go).

package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// decoder reads from b. Its first error sticks; reads after it return zero values.
type decoder struct {
	b   []byte
	pos int
	err error // a *mismatch
}

func (d *decoder) left() int { return len(d.b) - d.pos }

// take returns the next n bytes, aliasing b.
func (d *decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > d.left() {
		d.short(uint64(n))
		return nil
	}
	p := d.b[d.pos : d.pos+n]
	d.pos += n
	return p
}

// takeLong is take for a length from the wire, which need not fit an int.
func (d *decoder) takeLong(n uint64) []byte {
	if d.err == nil && n > uint64(d.left()) {
		d.short(n)
	}
	if d.err != nil {
		return nil
	}
	return d.take(int(n))
}

func (d *decoder) code() byte {
	if d.err != nil {
		return neverUsed
	}
	if d.pos >= len(d.b) {
		d.short(1)
		return neverUsed
	}
	c := d.b[d.pos]
	d.pos++
	return c
}

// big reads an n-byte big-endian number.
func (d *decoder) big(n int) uint64 {
	p := d.take(n)
	if p == nil {
		return 0
	}
	switch n {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(p))
	case 4:
		return uint64(binary.BigEndian.Uint32(p))
	default:
		return binary.BigEndian.Uint64(p)
	}
}

func (d *decoder) int() int64 {
	c := d.code()
	if d.err != nil {
		return 0
	}
	switch {
	case c <= 0x7f:
		return int64(c)
	case c >= 0xe0:
		return int64(int8(c))
	}
	start := d.pos - 1
	switch c {
	case 0xcc:
		return int64(d.big(1))
	case 0xcd:
		return int64(d.big(2))
	case 0xce:
		return int64(d.big(4))
	case 0xcf:
		v := d.big(8)
		if v > math.MaxInt64 {
			d.fail(start, "an integer below 2^63", strconv.FormatUint(v, 10))
			return 0
		}
		return int64(v)
	case 0xd0:
		return int64(int8(d.big(1)))
	case 0xd1:
		return int64(int16(d.big(2)))
	case 0xd2:
		return int64(int32(d.big(4)))
	case 0xd3:
		return int64(d.big(8))
	}
	d.wrong("an integer", c)
	return 0
}

// number reads an integer from min to max.
func (d *decoder) number(min, max int64) int64 {
	start := d.pos
	var v int64
	if d.err == nil && start < len(d.b) && d.b[start] <= 0x7f { // nearly all are small
		v = int64(d.b[start])
		d.pos++
	} else if v = d.int(); d.err != nil {
		return 0
	}
	if v < min || v > max {
		d.fail(start, fmt.Sprintf("an integer from %d to %d", min, max), strconv.FormatInt(v, 10))
		return 0
	}
	return v
}

// What SPEC.md §2.4 calls uint and long.
const (
	maxUint = 1<<31 - 1
	maxLong = math.MaxInt64
)

func (d *decoder) uint() int { return int(d.number(0, maxUint)) }

func (d *decoder) long() int64 { return d.number(0, maxLong) }

func (d *decoder) bool() bool {
	c := d.code()
	if d.err == nil && c != 0xc2 && c != 0xc3 {
		d.wrong("true or false", c)
	}
	return c == 0xc3
}

// null consumes a nil if one is next.
func (d *decoder) null() bool {
	if d.err == nil && d.pos < len(d.b) && d.b[d.pos] == 0xc0 {
		d.pos++
		return true
	}
	return false
}

// bytes reads a str or bin, aliasing b.
func (d *decoder) bytes() []byte {
	c := d.code()
	if d.err != nil {
		return nil
	}
	if c >= 0xa0 && c <= 0xbf {
		return d.take(int(c & 0x1f))
	}
	switch c {
	case 0xd9, 0xc4:
		return d.takeLong(d.big(1))
	case 0xda, 0xc5:
		return d.takeLong(d.big(2))
	case 0xdb, 0xc6:
		return d.takeLong(d.big(4))
	}
	d.wrong("text or bytes", c)
	return nil
}

func (d *decoder) str() string { return string(d.bytes()) }

// array reads an array's count, which is never more than the bytes left.
func (d *decoder) array() int {
	c := d.code()
	if d.err != nil {
		return 0
	}
	var n uint64
	switch {
	case c >= 0x90 && c <= 0x9f:
		n = uint64(c & 0x0f)
	case c == 0xdc:
		n = d.big(2)
	case c == 0xdd:
		n = d.big(4)
	default:
		d.wrong("an array", c)
	}
	if d.err == nil && n > uint64(d.left()) {
		d.few(n)
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// pairs reads a flat list of names and values into dst[:0].
func (d *decoder) pairs(dst []string) []string {
	start := d.pos
	dst = d.strings(dst)
	if len(dst)%2 != 0 {
		d.fail(start, "a list of names and values", fmt.Sprintf("an odd number of elements, %d,", len(dst)))
		return dst[:0]
	}
	return dst
}

// strings reads a list of str into dst[:0]. One string backs them all: one allocation for a whole header. Nothing is
// allocated before all of the list has been walked.
func (d *decoder) strings(dst []string) []string {
	dst = dst[:0]
	n := d.array()
	start := d.pos
	for i := 0; i < n && d.err == nil; i++ {
		d.bytes()
	}
	if d.err != nil || n == 0 {
		return dst
	}
	all := string(d.b[start:d.pos])
	if cap(dst) < n {
		dst = make([]string, 0, n)
	}
	again := decoder{b: d.b[:d.pos], pos: start}
	for range n {
		p := again.bytes()
		end := again.pos - start
		dst = append(dst, all[end-len(p):end])
	}
	return dst
}

const maxDepth = 16

// skip walks over any one value. depth is how many arrays and maps it lies in.
func (d *decoder) skip(depth int) {
	c := d.code()
	if d.err != nil {
		return
	}
	switch {
	case c <= 0x7f, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
	case c >= 0xa0 && c <= 0xbf:
		d.take(int(c & 0x1f))
	case c >= 0x90 && c <= 0x9f:
		d.skipMany(uint64(c&0x0f), depth)
	case c >= 0x80 && c <= 0x8f:
		d.skipMany(2*uint64(c&0x0f), depth)
	default:
		d.skipLong(c, depth)
	}
}

func (d *decoder) skipMany(n uint64, depth int) {
	switch {
	case d.err != nil:
		return
	case depth >= maxDepth:
		d.fail(d.pos-1, fmt.Sprintf("at most %d arrays and maps within one another", maxDepth), "one more")
	case n > uint64(d.left()):
		d.few(n)
	}
	for ; n > 0 && d.err == nil; n-- {
		d.skip(depth + 1)
	}
}

func (d *decoder) skipLong(c byte, depth int) {
	switch c {
	case 0xcc, 0xd0:
		d.take(1)
	case 0xcd, 0xd1:
		d.take(2)
	case 0xce, 0xd2, 0xca:
		d.take(4)
	case 0xcf, 0xd3, 0xcb:
		d.take(8)
	case 0xc4, 0xd9:
		d.takeLong(d.big(1))
	case 0xc5, 0xda:
		d.takeLong(d.big(2))
	case 0xc6, 0xdb:
		d.takeLong(d.big(4))
	case 0xc7:
		d.takeLong(d.big(1) + 1)
	case 0xc8:
		d.takeLong(d.big(2) + 1)
	case 0xc9:
		d.takeLong(d.big(4) + 1)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		d.take(1 + 1<<(c-0xd4))
	case 0xdc:
		d.skipMany(d.big(2), depth)
	case 0xdd:
		d.skipMany(d.big(4), depth)
	case 0xde:
		d.skipMany(2*d.big(2), depth)
	case 0xdf:
		d.skipMany(2*d.big(4), depth)
	default:
		d.wrong("a value", c)
	}
}
