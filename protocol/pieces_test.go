package protocol

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// cut gives all pieces of v.
func cut(t testing.TB, v Value, size int) (all []Value) {
	t.Helper()
	p, ok := Cut(v)
	if !ok {
		t.Fatalf("%.20x is not to be cut", []byte(v))
	}
	for more := true; more; {
		var piece Value
		piece, more = p.Next(size)
		all = append(all, piece)
	}
	return all
}

func join(t testing.TB, pieces []Value) Value {
	t.Helper()
	var j Joined
	size := 0
	for _, p := range pieces {
		grown, err := j.Add(p)
		if err != nil {
			t.Fatal(err)
		}
		size += grown
	}
	if size != j.Size() {
		t.Errorf("it grew by %d bytes in all, and has %d", size, j.Size())
	}
	return j.Value()
}

func TestAValueIsWholeAgainFromItsPieces(t *testing.T) {
	long := make([]any, 70000)
	for i := range long {
		long[i] = fmt.Sprint("id", i)
	}
	for _, c := range []struct {
		of     any
		size   int
		pieces int
	}{
		{[]any{}, 10, 1},
		{[]any{1, 2, 3}, 1, 3},
		{[]any{1, 2, 3}, 2, 2},
		{[]any{1, 2, 3}, 3, 1},
		{[]any{"longer than ten", 2, "longer than ten"}, 10, 3},
		{[]any{[]any{1, []any{2}}, map[string]any{"a": nil}}, 1, 2},
		{long, 100000, 6},
		{"", 10, 1},
		{strings.Repeat("ä", 100), 7, 29},
		{bytes.Repeat([]byte{0}, 70000), 65536, 2},
	} {
		v, err := NewValue(c.of)
		if err != nil {
			t.Fatal(err)
		}
		pieces := cut(t, v, c.size)
		if len(pieces) != c.pieces {
			t.Errorf("%.30v in pieces of %d: %d of them, not %d", c.of, c.size, len(pieces), c.pieces)
		}
		for _, p := range pieces {
			if d := (decoder{b: p}); len(p) > 0 {
				if d.skip(0); d.err != nil || d.left() > 0 {
					t.Errorf("%.30v has a piece that is no value: %x", c.of, []byte(p))
				}
			}
		}
		if got := join(t, pieces); !bytes.Equal(got, v) {
			t.Errorf("%.30v in pieces of %d came out as %.60x", c.of, c.size, []byte(got))
		}
	}
}

func TestOnlyListsAndBytesComeInPieces(t *testing.T) {
	for _, of := range []any{nil, 7, true, map[string]any{"a": 1}, 1.5} {
		v, err := NewValue(of)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := Cut(v); ok {
			t.Errorf("%v is cut", of)
		}
		if _, err := new(Joined).Add(v); err == nil {
			t.Errorf("%v is joined", of)
		}
	}
	list, text, bin := Value{0x91, 1}, Value{0xa1, 'a'}, Value{0xc4, 1, 'b'}
	for _, c := range [][]Value{{list, text}, {text, list}, {list, nil}, {text, {7}}} {
		var j Joined
		if _, err := j.Add(c[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Add(c[1]); err == nil {
			t.Errorf("%x is joined with %x", []byte(c[0]), []byte(c[1]))
		}
	}
	if got := join(t, []Value{text, bin}); string(got) != "\xa2ab" {
		t.Errorf("a str and a bin are %x", []byte(got))
	}
}

// FuzzPieces: whatever value came from the wire, cut and joined it is the same.
func FuzzPieces(f *testing.F) {
	for _, s := range []string{"\x93\x01\x02\x03", "\xa3abc", "\xc4\x02ab", "\xdc\x00\x02\xc0\x91\x90",
		"\xdd\x00\x00\x00\x01\xa1a", "\xd9\x01a", "\x81\x01\x02"} {
		f.Add([]byte(s), 2)
	}
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		d := decoder{b: b}
		v := d.value()
		if _, ok := Cut(v); d.err != nil || !ok {
			return
		}
		// The content is the same to the byte, and so is the count; the head may have come in a longer form.
		got := join(t, cut(t, v, max(1, size)))
		k, elements, at := opened(v)
		again, n, from := opened(got)
		if again != k || n != elements || !bytes.Equal(got[from:], v[at:]) {
			t.Fatalf("%x came out as %x", []byte(v), []byte(got))
		}
	})
}
