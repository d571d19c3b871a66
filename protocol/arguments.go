// The arguments of a CALL, one after the other.

package protocol

import (
	"errors"
	"fmt"
)

// ErrTooLarge says that a value is beyond a limit (TOO_LARGE, SPEC.md §10.4).
var ErrTooLarge = errors.New("it is too large")

// mostTTL is the longest time in milliseconds that is one: a hundred years.
const mostTTL = 100 * 366 * 24 * 3600 * 1000

// arguments reads those of a method. The first error sticks, and what is read after it is the zero value.
type arguments struct {
	method string
	left   []Value
	err    error
}

// more says whether there is another one. An argument that is nil is as one that is not there.
func (a *arguments) more() bool {
	if a.err != nil || len(a.left) == 0 {
		return false
	}
	if next := a.left[0]; len(next) == 0 || next[0] == 0xc0 {
		a.left = a.left[1:]
		return false
	}
	return true
}

// next reads one.
func (a *arguments) next(want string, read func(f *fields)) {
	if a.err != nil {
		return
	}
	if len(a.left) == 0 {
		a.err = fmt.Errorf("%s needs %s", a.method, want)
		return
	}
	f := argument(a.left[0])
	a.left = a.left[1:]
	if read(f); a.err == nil && f.end() != nil {
		a.err = fmt.Errorf("%s needs %s", a.method, want)
	}
}

func (a *arguments) str(least, most int) (s string) {
	a.next("text", func(f *fields) { s = f.str() })
	if a.err == nil && (len(s) < least || len(s) > most) {
		a.err = fmt.Errorf("%s takes text of %d to %d bytes here; this has %d", a.method, least, most, len(s))
	}
	return s
}

func (a *arguments) key() (s string) {
	a.next("a key or a name, which is text", func(f *fields) { s = f.str() })
	a.isKey(s)
	return s
}

func (a *arguments) isKey(s string) {
	if a.err == nil && (s == "" || len(s) > MaxStoreKey) {
		a.err = fmt.Errorf("a key, or a lock's name, has 1 to %d bytes; this one has %d: %q", MaxStoreKey, len(s),
			shortened(s))
	}
}

func (a *arguments) number(least, most int64) (n int64) {
	a.next(fmt.Sprintf("a whole number from %d to %d", least, most), func(f *fields) { n = f.number(least, most) })
	return n
}

func (a *arguments) bool() (b bool) {
	a.next("true or false", func(f *fields) { b = f.bool() })
	return b
}

// ttl reads a time to live that may be left out.
func (a *arguments) ttl() int64 {
	if a.more() {
		return a.number(0, mostTTL)
	}
	return OwnTTL
}

func (a *arguments) value() Value {
	if a.err != nil || len(a.left) == 0 {
		return nil
	}
	v := a.left[0]
	a.left = a.left[1:]
	a.isValue("", v)
	return v
}

func (a *arguments) isValue(key string, v Value) {
	if a.err == nil && len(v) > MaxStoreValue {
		of := ""
		if key != "" {
			of = fmt.Sprintf(" of %q", shortened(key))
		}
		a.err = fmt.Errorf("%w: the value%s has %d bytes, encoded, and a store takes %d", ErrTooLarge, of, len(v),
			MaxStoreValue)
	}
}

func (a *arguments) keys() (all []string) {
	a.next("a list of keys, which are text", func(f *fields) { all = f.strings(nil) })
	a.isMany(len(all))
	for _, key := range all {
		a.isKey(key)
	}
	return all
}

func (a *arguments) isMany(n int) {
	if a.err == nil && n > MaxStoreKeys {
		a.err = fmt.Errorf("%s takes %d keys at once; these are %d", a.method, MaxStoreKeys, n)
	}
}

func (a *arguments) keysAndValues() (keys []string, values []Value) {
	odd := false
	a.next("a list of keys and values by turns", func(f *fields) {
		n := f.array()
		odd = n%2 != 0
		for i := 0; i+1 < n && f.err == nil; i += 2 {
			keys = append(keys, f.str())
			start := f.pos
			if f.skip(1); f.err == nil {
				values = append(values, Value(f.b[start:f.pos]))
			}
		}
		if odd {
			f.skip(1)
		}
	})
	if a.err == nil && odd {
		a.err = fmt.Errorf("%s needs a list of keys and values by turns", a.method)
	}
	a.isMany(len(keys))
	for i, key := range keys {
		if a.isKey(key); a.err == nil {
			a.isValue(key, values[i])
		}
	}
	return keys, values
}

// written are arguments as a worker gives them.
type written struct{ all []Value }

func (a *written) str(s string)   { a.all = append(a.all, appendStr(nil, s)) }
func (a *written) number(n int64) { a.all = append(a.all, appendInt(nil, n)) }
func (a *written) value(v Value)  { a.all = append(a.all, appendValue(nil, v)) }

// local is left out unless it is true.
func (a *written) local(yes bool) {
	if yes {
		a.all = append(a.all, appendBool(nil, true))
	}
}

func (a *written) ttl(ms int64) {
	if ms != OwnTTL {
		a.number(ms)
	}
}
