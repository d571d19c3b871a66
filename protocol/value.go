// Opaque values (SPEC.md §2.4), which the wire carries without looking inside.

package protocol

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Value is one MessagePack value in its encoded form, already walked and found well-formed, with at most 16 arrays and
// maps within one another.
// The zero Value stands for nil.
type Value []byte

// NewValue encodes v, which may be anything that vmihailenco/msgpack can encode. It fails on a type that it can't, and
// on nesting deeper than 16.
func NewValue(v any) (Value, error) {
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.UseCompactInts(true) // so that what is equal looks equal, as far as that goes
	enc.SetSortMapKeys(true)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	b := buf.Bytes()
	d := decoder{b: b}
	if d.skip(0); d.err == nil && d.left() > 0 {
		d.fail(d.pos, "one value", fmt.Sprintf("%d more bytes", d.left()))
	}
	if d.err != nil {
		return nil, fmt.Errorf("encoding %T: %w", v, d.err)
	}
	return b, nil
}

// CheckValue finds that b is one MessagePack value, or says why it is none. The value is b.
func CheckValue(b []byte) (Value, error) {
	d := decoder{b: b}
	if d.skip(0); d.err == nil {
		if d.left() == 0 {
			return b, nil
		}
		d.fail(d.pos, "one value", fmt.Sprintf("%d more bytes", d.left()))
	}
	return nil, d.err
}

// ListOf is a value of values.
func ListOf(all ...Value) Value {
	b := appendArray(nil, len(all))
	for _, v := range all {
		b = appendValue(b, v)
	}
	return b
}

// Decode returns the value as Go's generic types (map[string]any, []any, string, int64 …).
// It is safe on bytes from the wire, because a Value has been walked before: no count in it exceeds its bytes.
func (v Value) Decode() (any, error) {
	if len(v) == 0 {
		return nil, nil
	}
	var out any
	err := msgpack.Unmarshal(v, &out)
	return out, err
}

// DecodeInto decodes the value into what into points to, with struct tags and all that vmihailenco/msgpack knows; nil
// leaves it as it is. Like Decode it is safe on bytes from the wire.
func (v Value) DecodeInto(into any) error {
	if len(v) == 0 {
		return nil
	}
	return msgpack.Unmarshal(v, into)
}

func appendValue(b []byte, v Value) []byte {
	if len(v) == 0 {
		return appendNil(b)
	}
	return append(b, v...)
}

// value reads one opaque value; the result is a copy.
func (d *decoder) value() Value {
	if d.null() {
		return nil
	}
	start := d.pos
	if d.skip(0); d.err != nil {
		return nil
	}
	return append(Value(nil), d.b[start:d.pos]...)
}
