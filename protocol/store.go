// What has the host keep values for workers: the CALLs of SPEC.md §17.2.

package protocol

import (
	"fmt"
)

// The methods of stores (SPEC.md §17.2).
const (
	CallStoreGet       = "store.get"
	CallStoreSet       = "store.set"
	CallStoreAdd       = "store.add"
	CallStoreCAS       = "store.cas"
	CallStoreIncrement = "store.increment"
	CallStoreDelete    = "store.delete"
	CallStoreGetMany   = "store.get_many"
	CallStoreSetMany   = "store.set_many"
	CallStoreScan      = "store.scan"
	CallStoreClear     = "store.clear"
)

// Bounds of stores and locks (SPEC.md §17.1).
const (
	MaxStoreName  = 64      // bytes of a store's name
	MaxStoreKey   = 1024    // bytes of a key, and of a lock's name
	MaxStoreValue = 1 << 20 // bytes of a value, encoded
	MaxStoreKeys  = 1000    // of a call, and of an answer of store.scan
)

// OwnTTL is the TTL of a [StoreCall] that leaves it to the store.
const OwnTTL = -1

// StoreCall is what a CALL asks of a store. Which of the fields have a meaning goes by the method.
type StoreCall struct {
	Method string
	Store  string
	Key    string
	Keys   []string // of store.delete, store.get_many and store.set_many
	Value  Value
	Values []Value // of store.set_many, as many as Keys
	// Version is the one that store.cas replaces; 0: there is no value.
	Version int64
	By      int64 // of store.increment
	TTL     int64 // milliseconds, 0: for ever; or OwnTTL
	Prefix  string
	After   string
	Limit   int
	Local   bool // of store.get and store.get_many: by the copy at hand, which may be behind
}

// storeShape is what a method takes behind the store: how many arguments it needs, and what reads them.
type storeShape struct {
	least int
	takes string
	read  func(c *StoreCall, a *arguments)
	write func(c *StoreCall, a *written)
}

var storeShapes = map[string]storeShape{
	CallStoreGet: {1, "a key, and perhaps whether the copy at hand will do", func(c *StoreCall, a *arguments) {
		c.Key, c.Local = a.key(), a.more() && a.bool()
	}, func(c *StoreCall, a *written) {
		a.str(c.Key)
		a.local(c.Local)
	}},
	CallStoreSet: {2, "a key, a value and perhaps a time to live", readSet, writeSet},
	CallStoreAdd: {2, "a key, a value and perhaps a time to live", readSet, writeSet},
	CallStoreCAS: {3, "a key, a version, a value and perhaps a time to live", func(c *StoreCall, a *arguments) {
		c.Key, c.Version, c.Value, c.TTL = a.key(), a.number(0, maxLong), a.value(), a.ttl()
	}, func(c *StoreCall, a *written) {
		a.str(c.Key)
		a.number(c.Version)
		a.value(c.Value)
		a.ttl(c.TTL)
	}},
	CallStoreIncrement: {1, "a key, perhaps a number, and perhaps a time to live", func(c *StoreCall, a *arguments) {
		c.Key, c.By, c.TTL = a.key(), 1, OwnTTL
		if a.more() {
			c.By = a.number(-maxLong-1, maxLong)
		}
		c.TTL = a.ttl()
	}, func(c *StoreCall, a *written) {
		a.str(c.Key)
		a.number(c.By)
		a.ttl(c.TTL)
	}},
	CallStoreDelete: {1, "a list of keys", readKeys, writeKeys},
	CallStoreGetMany: {1, "a list of keys, and perhaps whether the copy at hand will do",
		func(c *StoreCall, a *arguments) {
			c.Keys, c.Local = a.keys(), a.more() && a.bool()
		}, func(c *StoreCall, a *written) {
			writeKeys(c, a)
			a.local(c.Local)
		}},
	CallStoreSetMany: {1, "a list of keys and values by turns, and perhaps a time to live",
		func(c *StoreCall, a *arguments) {
			c.Keys, c.Values = a.keysAndValues()
			c.TTL = a.ttl()
		}, func(c *StoreCall, a *written) {
			b := appendArray(nil, 2*len(c.Keys))
			for i, key := range c.Keys {
				b = appendValue(appendStr(b, key), c.Values[i])
			}
			a.all = append(a.all, b)
			a.ttl(c.TTL)
		}},
	CallStoreScan: {0, "perhaps a prefix, a key to begin behind, and a limit", func(c *StoreCall, a *arguments) {
		c.Limit = MaxStoreKeys
		if a.more() {
			c.Prefix = a.str(0, MaxStoreKey)
		}
		if a.more() {
			c.After = a.str(0, MaxStoreKey)
		}
		if a.more() {
			c.Limit = int(a.number(1, MaxStoreKeys))
		}
	}, func(c *StoreCall, a *written) {
		a.str(c.Prefix)
		a.str(c.After)
		a.number(int64(c.Limit))
	}},
	CallStoreClear: {0, "nothing more", func(*StoreCall, *arguments) {}, func(*StoreCall, *written) {}},
}

func readSet(c *StoreCall, a *arguments)  { c.Key, c.Value, c.TTL = a.key(), a.value(), a.ttl() }
func readKeys(c *StoreCall, a *arguments) { c.Keys = a.keys() }
func writeKeys(c *StoreCall, a *written)  { a.all = append(a.all, appendPairs(nil, c.Keys)) }

func writeSet(c *StoreCall, a *written) {
	a.str(c.Key)
	a.value(c.Value)
	a.ttl(c.TTL)
}

// IsStoreMethod says whether the method is one of a store's.
func IsStoreMethod(method string) bool { return storeShapes[method].takes != "" }

// ParseStore reads the arguments of a store's method. An error says what is wrong with them, for whoever asked; it
// wraps [ErrTooLarge] if it is the size of a value.
func ParseStore(method string, given []Value) (StoreCall, error) {
	shape := storeShapes[method]
	c := StoreCall{Method: method, TTL: OwnTTL}
	a := arguments{method: method, left: given}
	if len(given) < shape.least+1 {
		return c, fmt.Errorf("%s takes the name of a store and %s; got %d arguments", method, shape.takes, len(given))
	}
	if c.Store = a.str(1, MaxStoreName); a.err == nil && !IsStoreName(c.Store) {
		return c, fmt.Errorf("the name of the store %q is none of 1 to %d letters, digits, \"-\", \"_\" and \".\"",
			shortened(c.Store), MaxStoreName)
	}
	shape.read(&c, &a)
	if a.err == nil && len(a.left) > 0 {
		a.err = fmt.Errorf("%s takes the name of a store and %s; got %d arguments", method, shape.takes, len(given))
	}
	return c, a.err
}

// Arguments are those of the CALL that asks for c.
func (c *StoreCall) Arguments() []Value {
	a := written{all: []Value{appendStr(nil, c.Store)}}
	storeShapes[c.Method].write(c, &a)
	return a.all
}

// IsStoreName says whether a store may have the name.
func IsStoreName(name string) bool {
	for i := 0; i < len(name); i++ {
		switch b := name[i]; {
		case b >= '0' && b <= '9', b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return name != "" && len(name) <= MaxStoreName
}

// AppendStored writes what a store has under a key, as store.get answers it.
func AppendStored(b []byte, v Value, version int64) []byte {
	return appendInt(appendValue(appendArray(b, 2), v), version)
}

// ParseStored reads that; there is false if the store has nothing.
func ParseStored(v Value) (value Value, version int64, there bool, err error) {
	f := argument(v)
	if f.null() {
		return nil, 0, false, nil
	}
	if n := f.array(); n < 2 {
		return nil, 0, false, fmt.Errorf("the host's answer is no value with its version")
	}
	value, version = f.value(), f.long()
	return value, version, true, f.end()
}

// ParseStoredList reads the answer of store.get_many: each of its elements is for [ParseStored].
func ParseStoredList(v Value) (all []Value, err error) {
	f := argument(v)
	for range f.array() {
		start := f.pos
		if f.skip(1); f.err == nil {
			all = append(all, Value(f.b[start:f.pos]))
		}
	}
	return all, f.end()
}

// AppendList begins a list of n values, which follow.
func AppendList(b []byte, n int) []byte { return appendArray(b, n) }

// AppendNames writes a list of str.
func AppendNames(b []byte, names []string) []byte { return appendPairs(b, names) }

// Int is the value as a whole number; ok is false if it is none that an int64 holds.
func (v Value) Int() (n int64, ok bool) {
	d := decoder{b: v}
	n = d.int()
	return n, d.err == nil && d.left() == 0
}

// IntValue is a whole number as a value.
func IntValue(n int64) Value { return appendInt(nil, n) }

// Changes says whether it asks for a change.
func (c *StoreCall) Changes() bool {
	return c.Method != CallStoreGet && c.Method != CallStoreGetMany && c.Method != CallStoreScan
}
