// values.go: what is done with the values of a store.

package store

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// read gives what is under a key; nil if there is nothing, or it has had its time and the engine has yet to remove it.
// local: from the copy at hand, which may be behind.
func (b *bucket) read(ctx context.Context, key string, local bool) (r *record, err error) {
	r, err = b.raw(ctx, engine.Token(key), local)
	if !r.lives(time.Now()) {
		r = nil
	}
	return r, err
}

// raw is read, with what has had its time.
func (b *bucket) raw(ctx context.Context, token string, local bool) (r *record, err error) {
	err = b.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		m, seq, err := b.last(ctx, c, token, local)
		if r = nil; err == nil && m != nil {
			r, err = decode(m.Data, seq)
		}
		return err
	})
	return r, err
}

// span is how long a value is to stay of which a worker says ms.
func (b *bucket) span(ms int64) time.Duration {
	if ms == protocol.OwnTTL {
		return b.terms.TTL
	}
	return time.Duration(ms) * time.Millisecond
}

// set puts a value under a key whatever was there.
func (b *bucket) set(ctx context.Context, key string, v protocol.Value, ttl time.Duration) (seq uint64, err error) {
	data, token := newRecord(v, ttl, time.Now()).encode(), engine.Token(key)
	err = b.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		seq, err = b.publish(ctx, c, b.message(token, data, ttl))
		return err
	})
	return seq, err
}

// swap puts a record under a key if its last one is there still; nil: if there was never one, or it is gone. It says
// errMoved if it is not, and nothing was done. ttl is how long the engine is to keep it; 0 is for ever. The caller
// keeps others of this process from changing the key.
func (b *bucket) swap(ctx context.Context, token string, there *record, next *record, ttl time.Duration) (uint64,
	error) {
	expected := uint64(0)
	if there != nil {
		expected = there.seq
	}
	change := madeBy{b.room.life, rand.Uint64()}
	next.after(there, change)
	data, seq, tried := next.encode(), uint64(0), false
	err := b.again(ctx, func(ctx context.Context, c *nats.Conn) (err error) {
		m := b.message(token, data, ttl)
		expect(m, expected)
		seq, err = b.publish(ctx, c, m)
		if errors.Is(err, errMoved) && tried { // perhaps by the try before, whose answer was lost
			seq, err = b.outcome(ctx, c, token, change, expected)
		}
		tried = true
		return err
	})
	return seq, err
}

// outcome says where a change was made whose first try was not answered, and whose second one found another message
// than the expected one; errMoved: it was not. Where it was made and then somebody else has removed the value, or put
// another one there whatever there was, it may as well be made after that.
func (b *bucket) outcome(ctx context.Context, c *nats.Conn, token string, change madeBy, expected uint64) (uint64,
	error) {
	m, at, err := b.last(ctx, c, token, false)
	if err != nil {
		return 0, err
	}
	if m == nil {
		return 0, errMoved
	}
	now, err := decode(m.Data, at)
	if err != nil {
		return 0, err
	}
	switch made, known := now.tells(change); {
	case !known:
		return 0, refuse(protocol.CallInternal, "the engine was away, and others have changed the key since; whether "+
			"it was done is not known")
	case !made:
		return 0, errMoved
	case now.changes[0] == change:
		return at, nil
	}
	return expected + 1, nil // others have changed it since: this is later than what it has replaced, and not there
}

// changing keeps others of this host from changing the key until done is called.
func (b *bucket) changing(ctx context.Context, token string) (done func(), err error) {
	stripe := b.room.stripes[maphash.String(seed, b.subject+token)%uint64(len(b.room.stripes))]
	ctx, cancel := context.WithTimeout(ctx, engine.Patience)
	defer cancel()
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, refuse(protocol.CallUnavailable, "others change the key, and none was done in time")
	}
}

var seed = maphash.MakeSeed()

// swaps is how often a change is tried that other hosts are faster than.
const swaps = 100

// change has f say what is to be under a key by what is there, nil for nothing; nil leaves it as it is. It gives where
// that is then, 0 if nothing was changed.
func (b *bucket) change(ctx context.Context, key string, f func(there *record) (*record, error)) (uint64, error) {
	token := engine.Token(key)
	done, err := b.changing(ctx, token)
	if err != nil {
		return 0, err
	}
	defer done()
	for range swaps {
		now, err := b.raw(ctx, token, false)
		if err != nil {
			return 0, err
		}
		there := now
		if !there.lives(time.Now()) {
			there = nil
		}
		next, err := f(there)
		if err != nil || next == nil {
			return 0, err
		}
		ttl := time.Duration(0)
		if next.until > 0 {
			ttl = max(time.Until(time.UnixMilli(next.until)), time.Millisecond)
		}
		seq, err := b.swap(ctx, token, now, next, ttl)
		if !errors.Is(err, errMoved) {
			return seq, err
		}
		if err := rest(ctx, jitter()); err != nil {
			return 0, err
		}
	}
	return 0, refuse(protocol.CallUnavailable, "other hosts have changed the key %d times meanwhile", swaps)
}

func rest(ctx context.Context, pause time.Duration) error {
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// cas is set if what is there has the version, 0 for nothing; it says 0 otherwise.
func (b *bucket) cas(ctx context.Context, key string, version int64, v protocol.Value, ttl time.Duration) (uint64,
	error) {
	return b.change(ctx, key, func(there *record) (*record, error) {
		if there == nil && version != 0 || there != nil && there.seq != uint64(version) {
			return nil, nil
		}
		return newRecord(v, ttl, time.Now()), nil
	})
}

// increment adds to the number under a key, which is 0 if there is none. ttl is that of a number that begins.
func (b *bucket) increment(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, err error) {
	_, err = b.change(ctx, key, func(there *record) (*record, error) {
		now := time.Now()
		if there == nil {
			sum = by
			return newRecord(protocol.IntValue(by), ttl, now), nil
		}
		n, ok := there.value.Int()
		switch {
		case !ok:
			return nil, refuse(protocol.CallInvalidArgument, "what is under the key %.64q is no whole number", key)
		case by > 0 && n > math.MaxInt64-by, by < 0 && n < math.MinInt64-by:
			return nil, refuse(protocol.CallInvalidArgument, "the number under the key %.64q would not fit 64 bits: "+
				"it is %d, and %d is to be added", key, n, by)
		}
		sum = n + by
		next := newRecord(protocol.IntValue(sum), 0, now)
		next.until = there.until
		return next, nil
	})
	return sum, err
}

// delete removes keys, and says how many were there.
func (b *bucket) delete(ctx context.Context, keys []string) (n uint64, err error) {
	for _, key := range keys {
		removed, err := b.purgeAll(ctx, b.subject+engine.Token(key))
		if err != nil {
			return n, err
		}
		n += removed
	}
	return n, nil
}

// clear removes all keys, and says how many they were.
func (b *bucket) clear(ctx context.Context) (uint64, error) { return b.purgeAll(ctx, b.subject+"*") }

func (b *bucket) purgeAll(ctx context.Context, subject string) (n uint64, err error) {
	err = b.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		removed, err := b.purge(ctx, c, subject, 0)
		n += removed
		return err
	})
	return n, err
}

// mostTogether bounds the values of one answer.
const mostTogether = 64 << 20

// readMany gives what is under several keys, in their order; nil where there is nothing.
func (b *bucket) readMany(ctx context.Context, keys []string, local bool) (all []*record, err error) {
	err = b.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		questions := make([]*nats.Msg, len(keys))
		for i, key := range keys {
			questions[i] = b.question(engine.Token(key), local)
		}
		answers, err := b.many(ctx, c, questions)
		if err != nil {
			return err
		}
		now, size := time.Now(), 0
		all = make([]*record, len(keys))
		for i, answer := range answers {
			m, seq, err := found(answer)
			if err != nil {
				return err
			}
			if m == nil {
				continue
			}
			r, err := decode(m.Data, seq)
			if err != nil {
				return err
			}
			if size += len(r.value); size > mostTogether {
				return refuse(protocol.CallTooLarge, "the values of the %d keys have more than %d MiB: ask for fewer "+
					"at once", len(keys), mostTogether>>20)
			}
			if r.lives(now) {
				all[i] = r
			}
		}
		return nil
	})
	return all, err
}

// setMany is set for several keys, which are not changed all at one moment.
func (b *bucket) setMany(ctx context.Context, keys []string, values []protocol.Value, ttl time.Duration) error {
	data, now := make([][]byte, len(keys)), time.Now()
	for i, v := range values {
		data[i] = newRecord(v, ttl, now).encode()
	}
	return b.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		messages := make([]*nats.Msg, len(keys))
		for i, key := range keys {
			messages[i] = b.message(engine.Token(key), data[i], ttl)
		}
		answers, err := b.many(ctx, c, messages)
		for i := 0; err == nil && i < len(answers); i++ {
			_, err = confirmed(answers[i])
		}
		return err
	})
}

// scan gives up to limit keys with a prefix, in the order of their bytes, those behind after.
func (b *bucket) scan(ctx context.Context, prefix, after string, limit int) (keys []string, err error) {
	err = b.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		js, err := jetstream.New(c)
		if err != nil {
			return err
		}
		there, err := js.Stream(ctx, b.want.Name)
		if err != nil {
			return err
		}
		info, err := there.Info(ctx, jetstream.WithSubjectFilter(b.subject+"*"))
		if err != nil {
			return err
		}
		keys = keys[:0]
		for subject := range info.State.Subjects {
			key, ok := engine.Name(strings.TrimPrefix(subject, b.subject))
			if ok && strings.HasPrefix(key, prefix) && key > after {
				keys = append(keys, key)
			}
		}
		return nil
	})
	slices.Sort(keys)
	return keys[:min(len(keys), limit)], err
}
