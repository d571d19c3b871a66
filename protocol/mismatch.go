// What a decoder says when it meets something else than SPEC.md has.

package protocol

import "fmt"

// mismatch is a decoder's error: what belongs at byte at, and what is there.
type mismatch struct {
	want, got string
	at        int
}

// Error says both.
func (m *mismatch) Error() string {
	return fmt.Sprintf("expected %s, got %s at byte %d", m.want, m.got, m.at)
}

// fail records the first mismatch.
func (d *decoder) fail(at int, want, got string) {
	if d.err == nil {
		d.err = &mismatch{want: want, got: got, at: at}
	}
}

// wrong says that c, just read, begins something else than want.
func (d *decoder) wrong(want string, c byte) { d.fail(d.pos-1, want, kind(c)) }

// short says that n more bytes are needed here.
func (d *decoder) short(n uint64) {
	d.fail(d.pos, fmt.Sprintf("%d more bytes", n), fmt.Sprintf("only %d", d.left()))
}

// few says that a count of n elements is more than the bytes left can hold.
func (d *decoder) few(n uint64) {
	d.fail(d.pos, fmt.Sprintf("%d more elements", n), fmt.Sprintf("only %d bytes", d.left()))
}

// neverUsed is the one code that MessagePack gives no meaning.
const neverUsed = 0xc1

// kind names what a MessagePack code begins.
func kind(c byte) string {
	switch {
	case c <= 0x7f, c >= 0xe0, c >= 0xcc && c <= 0xd3:
		return "an integer"
	case c <= 0x8f, c == 0xde, c == 0xdf:
		return "a map"
	case c <= 0x9f, c == 0xdc, c == 0xdd:
		return "an array"
	case c <= 0xbf, c >= 0xd9 && c <= 0xdb:
		return "a str"
	case c == 0xc0:
		return "nil"
	case c == 0xc2, c == 0xc3:
		return "a bool"
	case c >= 0xc4 && c <= 0xc6:
		return "a bin"
	case c == 0xca, c == 0xcb:
		return "a float"
	case c == neverUsed:
		return "the unused code c1"
	}
	return "an extension"
}
