// desk.go: what workers ask (SPEC.md §17).

package store

import (
	"context"
	"errors"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// What stands before the dot of the methods.
const (
	Prefix     = "store"
	LockPrefix = "lock"
)

// Call implements [protocol.Answerer], for both prefixes. It never waits.
func (r *Room) Call(m *protocol.Call, to protocol.Caller) {
	switch {
	case protocol.IsStoreMethod(m.Method):
		asked, err := protocol.ParseStore(m.Method, m.Arguments)
		if err != nil {
			mistaken(to, err)
			return
		}
		b := r.bucket(asked.Store)
		go func() { // ends with the call's context at the latest, or with the engine's patience
			value, err := b.do(to.Context(), &asked)
			r.reply(to, b.label(asked.Store), asked.Method, value, err, asked.Changes())
		}()
	case protocol.IsLockMethod(m.Method):
		asked, err := protocol.ParseLock(m.Method, m.Arguments)
		if err != nil {
			mistaken(to, err)
			return
		}
		l := r.locksOf(asked.Kind)
		go func() { // the same
			value, err := l.do(to, &asked)
			r.reply(to, "", asked.Method, value, err, true)
		}()
	default:
		protocol.UnknownMethod(m, to)
	}
}

// mistaken answers a call whose arguments are none.
func mistaken(to protocol.Caller, err error) {
	code := protocol.CallInvalidArgument
	if errors.Is(err, protocol.ErrTooLarge) {
		code = protocol.CallTooLarge
	}
	to.Fail(code, "%v", err)
}

func (r *Room) reply(to protocol.Caller, store, method string, v protocol.Value, err error, changes bool) {
	outcome := "done"
	if err != nil {
		no := asRefusal(err, changes)
		outcome = no.code.String()
		to.Fail(no.code, "%s", no.why)
	} else {
		to.Reply(&protocol.Result{Value: v})
	}
	r.counts.add(Call{Store: store, Method: method, Outcome: outcome})
}

// label is the store's name among those that are counted: workers can't make up more of them.
func (b *bucket) label(name string) string {
	if b.declared {
		return name
	}
	return "undeclared"
}

// do does what was asked of a store, and gives what is the answer.
func (b *bucket) do(ctx context.Context, c *protocol.StoreCall) (protocol.Value, error) {
	switch c.Method {
	case protocol.CallStoreGet:
		r, err := b.read(ctx, c.Key, c.Local)
		return stored(nil, r), err
	case protocol.CallStoreSet:
		return version(b.set(ctx, c.Key, c.Value, b.span(c.TTL)))
	case protocol.CallStoreAdd:
		return version(b.cas(ctx, c.Key, 0, c.Value, b.span(c.TTL)))
	case protocol.CallStoreCAS:
		return version(b.cas(ctx, c.Key, c.Version, c.Value, b.span(c.TTL)))
	case protocol.CallStoreIncrement:
		n, err := b.increment(ctx, c.Key, c.By, b.span(c.TTL))
		return protocol.IntValue(n), err
	case protocol.CallStoreDelete:
		n, err := b.delete(ctx, c.Keys)
		return protocol.IntValue(int64(n)), err
	case protocol.CallStoreGetMany:
		all, err := b.readMany(ctx, c.Keys, c.Local)
		v := protocol.AppendList(nil, len(all))
		for _, r := range all {
			v = stored(v, r)
		}
		return v, err
	case protocol.CallStoreSetMany:
		return yes, b.setMany(ctx, c.Keys, c.Values, b.span(c.TTL))
	case protocol.CallStoreScan:
		keys, err := b.scan(ctx, c.Prefix, c.After, c.Limit)
		return protocol.AppendNames(nil, keys), err
	default: // CallStoreClear
		n, err := b.clear(ctx)
		return protocol.IntValue(int64(n)), err
	}
}

var (
	null = protocol.Value{0xc0}
	no   = protocol.Value{0xc2}
	yes  = protocol.Value{0xc3}
)

func truth(b bool, err error) (protocol.Value, error) {
	if b {
		return yes, err
	}
	return no, err
}

// stored is what a key has, for a worker.
func stored(b protocol.Value, r *record) protocol.Value {
	if r == nil {
		return append(b, null...)
	}
	return protocol.AppendStored(b, r.value, int64(r.seq))
}

// version is that of what was written; nil if nothing was.
func version(seq uint64, err error) (protocol.Value, error) {
	if seq == 0 {
		return null, err
	}
	return protocol.IntValue(int64(seq)), err
}

// do does what was asked of a lock.
func (l *locks) do(to protocol.Caller, c *protocol.LockCall) (protocol.Value, error) {
	ctx, ttl := to.Context(), time.Duration(c.TTL)*time.Millisecond
	had := bond{l, c.Name, uint64(c.Token)}
	switch c.Method {
	case protocol.CallLockRenew:
		ok, err := l.renew(ctx, c.Name, had.token, ttl)
		if ok && err == nil {
			l.room.renewed(had, ttl)
		}
		return truth(ok, err)
	case protocol.CallLockRelease:
		ok, err := l.release(ctx, c.Name, had.token)
		if err == nil {
			l.room.forget(had)
		}
		return truth(ok, err)
	}
	h, err := l.acquire(ctx, c.Name, ttl, time.Duration(c.Wait)*time.Millisecond)
	if err != nil || h == nil {
		return null, err
	}
	had.token = h.token
	if ctx.Err() != nil { // nobody will know that it has it
		had.release()
		return null, context.Canceled
	}
	if !c.Keep {
		if err := l.room.bind(had, to.Worker(), ttl); err != nil {
			had.release()
			return null, err
		}
	}
	return protocol.IntValue(int64(h.token)), nil
}
