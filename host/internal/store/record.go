// record.go: what a message of a store's stream, or of one of locks, holds.

package store

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// record is the value of a key, as it lies in the stream.
type record struct {
	until int64 // in milliseconds since 1970; 0: for ever
	// changes are the last ones of processes that have changed it by what was there, the latest first: by these one
	// whose confirmation was lost finds out whether its change was made, whoever has changed it since
	changes []madeBy
	value   protocol.Value

	seq uint64 // where it is in the stream; 0: nowhere
}

// madeBy is a change, and whose: a process has one of a key under way at most.
type madeBy struct {
	life, id uint64
}

const (
	recordVersion = 2
	recordHead    = 10 // version, until, how many changes
	madeSize      = 16
	mostMade      = 8 // changes that a record tells of
)

var errRecord = errors.New("what the engine has under the key was not written by a host of this kind")

// newRecord is one that is gone after ttl, unless that is 0.
func newRecord(v protocol.Value, ttl time.Duration, now time.Time) *record {
	r := &record{value: v}
	if ttl > 0 {
		r.until = now.Add(ttl).UnixMilli()
	}
	return r
}

func (r *record) encode() []byte {
	b := make([]byte, 0, recordHead+madeSize*len(r.changes)+max(1, len(r.value)))
	b = append(b, recordVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(r.until))
	b = append(b, byte(len(r.changes)))
	for _, c := range r.changes {
		b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, c.life), c.id)
	}
	if len(r.value) == 0 {
		return append(b, 0xc0) // nil
	}
	return append(b, r.value...)
}

func decode(b []byte, seq uint64) (*record, error) {
	if len(b) < recordHead || b[0] != recordVersion {
		return nil, errRecord
	}
	r := &record{until: int64(binary.BigEndian.Uint64(b[1:])), seq: seq}
	n, rest := int(b[9]), b[recordHead:]
	if n > mostMade || len(rest) <= n*madeSize {
		return nil, errRecord
	}
	for ; n > 0; n, rest = n-1, rest[madeSize:] {
		r.changes = append(r.changes, madeBy{binary.BigEndian.Uint64(rest), binary.BigEndian.Uint64(rest[8:])})
	}
	r.value = rest
	return r, nil
}

// after notes a change of what is there, which may be nothing.
func (r *record) after(there *record, c madeBy) {
	r.changes = append(make([]madeBy, 0, mostMade), c)
	if there == nil {
		return
	}
	for _, before := range there.changes {
		if before.life != c.life && len(r.changes) < mostMade {
			r.changes = append(r.changes, before)
		}
	}
}

// tells says whether a change was made, by what was there later; known is false if it does not tell.
func (r *record) tells(c madeBy) (made, known bool) {
	for _, one := range r.changes {
		if one.life == c.life {
			return one.id == c.id, true
		}
	}
	return false, len(r.changes) < mostMade
}

// lives says whether there is a value still.
func (r *record) lives(now time.Time) bool {
	return r != nil && (r.until == 0 || now.UnixMilli() < r.until)
}

// seconds is a time to live as the engine takes it: whole seconds, and no less than asked for.
func seconds(ttl time.Duration) string {
	return strconv.FormatInt(int64((ttl+time.Second-1)/time.Second), 10) + "s"
}

// tenure is who has a lock, as it lies in the stream.
type tenure struct {
	token uint64 // 0: it is seq
	ttl   time.Duration
	id    uint64
	free  bool // it has been released, and will be gone in a second

	seq   uint64
	since time.Time // by the engine's clock
}

const (
	tenureVersion = 1
	tenureSize    = 26 // version, free, token, ttl, id
)

func (h *tenure) encode() []byte {
	b := make([]byte, 0, tenureSize)
	b = append(b, tenureVersion, 0)
	if h.free {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint64(b, h.token)
	b = binary.BigEndian.AppendUint64(b, uint64(h.ttl))
	return binary.BigEndian.AppendUint64(b, h.id)
}

func decodeTenure(b []byte, seq uint64, since time.Time) (*tenure, error) {
	if len(b) != tenureSize || b[0] != tenureVersion {
		return nil, errRecord
	}
	h := &tenure{free: b[1] == 1, token: binary.BigEndian.Uint64(b[2:]),
		ttl: time.Duration(binary.BigEndian.Uint64(b[10:])), id: binary.BigEndian.Uint64(b[18:]),
		seq: seq, since: since}
	if h.token == 0 {
		h.token = seq
	}
	return h, nil
}
