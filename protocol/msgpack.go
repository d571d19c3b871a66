// Bounded MessagePack for the frame path: the few forms that SPEC.md §2.4 allows, read from a slice and appended to one.
// Every count is checked against the bytes left before anything is allocated for it. Opaque values go to
// vmihailenco/msgpack, but only after skip has walked them (see value.go).

package protocol

import (
	"encoding/binary"
	"errors"
	"math"
)

var (
	errShort = errors.New("too few bytes")
	errForm  = errors.New("another form")
)

// decoder reads from b. Its first error sticks; reads after it return zero values.
type decoder struct {
	b   []byte
	pos int
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) left() int { return len(d.b) - d.pos }

// take returns the next n bytes, aliasing b.
func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > d.left() {
		d.fail(errShort)
		return nil
	}
	p := d.b[d.pos : d.pos+n]
	d.pos += n
	return p
}

func (d *decoder) code() byte {
	if d.err != nil || d.pos >= len(d.b) {
		d.fail(errShort)
		return 0xc1
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
	switch {
	case d.err != nil:
		return 0
	case c <= 0x7f:
		return int64(c)
	case c >= 0xe0:
		return int64(int8(c))
	}
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
			d.fail(errForm)
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
	d.fail(errForm)
	return 0
}

// uint reads an integer between 0 and max.
func (d *decoder) uint(max int64) int64 {
	v := d.int()
	if v < 0 || v > max {
		d.fail(errForm)
		return 0
	}
	return v
}

func (d *decoder) bool() bool {
	switch d.code() {
	case 0xc3:
		return true
	case 0xc2:
		return false
	}
	d.fail(errForm)
	return false
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
	var n uint64
	switch c {
	case 0xd9, 0xc4:
		n = d.big(1)
	case 0xda, 0xc5:
		n = d.big(2)
	case 0xdb, 0xc6:
		n = d.big(4)
	default:
		d.fail(errForm)
		return nil
	}
	if n > uint64(d.left()) {
		d.fail(errShort)
		return nil
	}
	return d.take(int(n))
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
		d.fail(errForm)
		return 0
	}
	if n > uint64(d.left()) {
		d.fail(errShort)
		return 0
	}
	return int(n)
}

// pairs reads a flat list of names and values into dst[:0]. One string backs them all: one allocation for a whole header.
func (d *decoder) pairs(dst []string) []string {
	dst = dst[:0]
	n := d.array()
	if d.err != nil || n == 0 {
		return dst
	}
	if n%2 != 0 {
		d.fail(errForm)
		return dst
	}
	start := d.pos
	for range n {
		d.bytes()
	}
	if d.err != nil {
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

// skip walks over any one value, to a bounded depth.
func (d *decoder) skip(depth int) {
	if depth > maxDepth {
		d.fail(errForm)
		return
	}
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
	if n > uint64(d.left()) {
		d.fail(errShort)
		return
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
		d.skipBytes(d.big(1))
	case 0xc5, 0xda:
		d.skipBytes(d.big(2))
	case 0xc6, 0xdb:
		d.skipBytes(d.big(4))
	case 0xc7:
		d.skipBytes(d.big(1) + 1)
	case 0xc8:
		d.skipBytes(d.big(2) + 1)
	case 0xc9:
		d.skipBytes(d.big(4) + 1)
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
	default: // 0xc1 is never used
		d.fail(errForm)
	}
}

func (d *decoder) skipBytes(n uint64) {
	if n > uint64(d.left()) {
		d.fail(errShort)
		return
	}
	d.take(int(n))
}

func appendNil(b []byte) []byte { return append(b, 0xc0) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0xc3)
	}
	return append(b, 0xc2)
}

func appendInt(b []byte, v int64) []byte {
	switch {
	case v >= 0:
		return appendUint(b, uint64(v))
	case v >= -32:
		return append(b, byte(v))
	case v >= math.MinInt8:
		return append(b, 0xd0, byte(v))
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(b, 0xd1), uint16(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(v))
	}
}

func appendUint(b []byte, v uint64) []byte {
	switch {
	case v <= 0x7f:
		return append(b, byte(v))
	case v <= math.MaxUint8:
		return append(b, 0xcc, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(b, 0xcf), v)
	}
}

func appendStr(b []byte, s string) []byte {
	n := len(s)
	switch {
	case n <= 31:
		b = append(b, 0xa0|byte(n))
	case n <= math.MaxUint8:
		b = append(b, 0xd9, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(n))
	}
	return append(b, s...)
}

func appendBin(b, p []byte) []byte {
	n := len(p)
	switch {
	case n <= math.MaxUint8:
		b = append(b, 0xc4, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 0xc5), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xc6), uint32(n))
	}
	return append(b, p...)
}

func appendArray(b []byte, n int) []byte {
	switch {
	case n <= 15:
		return append(b, 0x90|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, 0xdc), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(b, 0xdd), uint32(n))
	}
}

func appendPairs(b []byte, pairs []string) []byte {
	b = appendArray(b, len(pairs))
	for _, s := range pairs {
		b = appendStr(b, s)
	}
	return b
}
