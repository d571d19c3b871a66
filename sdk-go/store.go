// Stores: values that the host keeps for all workers of the realm (SPEC.md §17).

package sdk

import (
	"context"
	"fmt"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// StoreTTL leaves the time to live of a value to its store: ttl of [store.NAME] in host.toml, without which it is
// for ever.
const StoreTTL time.Duration = -1

// Values is a store; [Store] gives it. Its methods are safe for concurrent use.
//
// Whatever is asked for is done at once, also if the handler fails later, and whoever reads next finds it. A key
// has 1 to 1024 bytes; a value is what MessagePack can have, of at most 1 MiB. A time to live is rounded up to
// milliseconds; 0 is for ever, and so is none for the store: [StoreTTL].
//
// Errors are [*CallError]: TOO_LARGE for a value, RESOURCE_EXHAUSTED where there is no room, UNAVAILABLE if the
// engine is away and nothing was done, PERMISSION_DENIED for a change by code that is only tried. Each call waits
// five seconds at most, or until the context ends.
type Values struct {
	ctx   context.Context
	name  string
	local bool
}

// Store gives the store of that name, 1 to 64 letters, digits, "-", "_" and "."; nobody has to declare it. ctx is
// that of a request, an event or a tick, or any other of a program that serves.
func Store(ctx context.Context, name string) Values { return Values{ctx: ctx, name: name} }

// Local is the store whose Get and GetMany read the copy at hand: where several hosts keep copies that is faster, asks
// no other host, and may find what was there some milliseconds before, or before this host was cut off from the
// others. All else is as ever.
func (s Values) Local() Values {
	s.local = true
	return s
}

// Get decodes what is under a key into what into points to, and gives its version; 0 is that there is nothing, and
// into is left alone.
func (s Values) Get(key string, into any) (version int64, err error) {
	v, err := s.call(&protocol.StoreCall{Method: protocol.CallStoreGet, Key: key, Local: s.local})
	if err != nil {
		return 0, err
	}
	return stored(v, into)
}

func stored(v protocol.Value, into any) (version int64, err error) {
	value, version, there, err := protocol.ParseStored(v)
	if err == nil && there {
		err = value.DecodeInto(into)
	}
	if err != nil {
		return 0, fmt.Errorf("sdk: %w", err)
	}
	return version, nil
}

// Set puts a value under a key, whatever was there, and gives its version.
func (s Values) Set(key string, value any, ttl time.Duration) (version int64, err error) {
	return s.put(protocol.CallStoreSet, key, 0, value, ttl)
}

// Add puts a value under a key if nothing is there. It gives its version; 0 is that there is something.
func (s Values) Add(key string, value any, ttl time.Duration) (version int64, err error) {
	return s.put(protocol.CallStoreAdd, key, 0, value, ttl)
}

// CompareAndSet puts a value under a key if what is there has this version still, 0 for nothing. It gives the new
// version; 0 is that another one has changed it.
func (s Values) CompareAndSet(key string, version int64, value any, ttl time.Duration) (int64, error) {
	return s.put(protocol.CallStoreCAS, key, version, value, ttl)
}

func (s Values) put(method, key string, before int64, value any, ttl time.Duration) (version int64, err error) {
	encoded, err := protocol.NewValue(value)
	if err != nil {
		return 0, fmt.Errorf("sdk: %w", err)
	}
	v, err := s.call(&protocol.StoreCall{Method: method, Key: key, Version: before, Value: encoded,
		TTL: lifetime(ttl)})
	if err != nil {
		return 0, err
	}
	version, _ = v.Int() // nil is that nothing was done
	return version, nil
}

// Increment adds to the whole number under a key, at once with no other in between, and gives the sum. Without
// one it begins at 0, with this time to live; one that is there keeps its own.
func (s Values) Increment(key string, by int64, ttl time.Duration) (int64, error) {
	return s.count(&protocol.StoreCall{Method: protocol.CallStoreIncrement, Key: key, By: by, TTL: lifetime(ttl)})
}

// Delete removes keys, at most 1000, and says how many were there.
func (s Values) Delete(keys ...string) (int64, error) {
	return s.count(&protocol.StoreCall{Method: protocol.CallStoreDelete, Keys: keys})
}

// Clear removes all keys, and says how many they were.
func (s Values) Clear() (int64, error) {
	return s.count(&protocol.StoreCall{Method: protocol.CallStoreClear})
}

// GetMany calls each for those of at most 1000 keys that have something, in their order, with a function that
// decodes it.
func (s Values) GetMany(keys []string, each func(key string, decode func(into any) error) error) error {
	v, err := s.call(&protocol.StoreCall{Method: protocol.CallStoreGetMany, Keys: keys, Local: s.local})
	if err != nil {
		return err
	}
	all, err := protocol.ParseStoredList(v)
	if err != nil || len(all) != len(keys) {
		return fmt.Errorf("sdk: the host answered %d of %d keys: %v", len(all), len(keys), err)
	}
	for i, one := range all {
		value, _, there, err := protocol.ParseStored(one)
		if err != nil {
			return fmt.Errorf("sdk: %w", err)
		}
		if !there {
			continue
		}
		if err := each(keys[i], value.DecodeInto); err != nil {
			return err
		}
	}
	return nil
}

// Scan gives up to limit keys, 1 to 1000, that begin with a prefix and come behind after, in the order of their
// bytes. The host looks at all names that the store has, so it is not for each request.
func (s Values) Scan(prefix, after string, limit int) (keys []string, err error) {
	v, err := s.call(&protocol.StoreCall{Method: protocol.CallStoreScan, Prefix: prefix, After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	if err := v.DecodeInto(&keys); err != nil {
		return nil, fmt.Errorf("sdk: %w", err)
	}
	return keys, nil
}

func (s Values) count(c *protocol.StoreCall) (int64, error) {
	v, err := s.call(c)
	if err != nil {
		return 0, err
	}
	n, ok := v.Int()
	if !ok {
		return 0, fmt.Errorf("sdk: the host's answer to %s is no number", c.Method)
	}
	return n, nil
}

func (s Values) call(c *protocol.StoreCall) (protocol.Value, error) {
	c.Store = s.name
	return question(s.ctx, c.Method, c.Arguments())
}

// question sends a question to the host that the context is of.
func question(ctx context.Context, method string, arguments []protocol.Value) (protocol.Value, error) {
	l := Connections(ctx).l
	if l == nil {
		return nil, ErrNoHost
	}
	return l.call(ctx, func(stream uint32) protocol.Message {
		return &protocol.Call{Stream: stream, Method: method, Arguments: arguments, Timeout: timeLeft(ctx)}
	})
}

// lifetime is what the wire says of a time to live.
func lifetime(ttl time.Duration) int64 {
	if ttl < 0 {
		return protocol.OwnTTL
	}
	return int64((ttl + time.Millisecond - 1) / time.Millisecond)
}
