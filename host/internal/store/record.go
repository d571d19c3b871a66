// record.go: what a message of a store's stream, or of one of locks, holds.

package store

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// record is the value of a key, as it lies in the stream.
type record struct {
	until int64  // in milliseconds since 1970; 0: for ever
	id    uint64 // of the change that wrote it
	value protocol.Value

	seq uint64 // where it is in the stream; 0: nowhere
}

const (
	recordVersion = 1
	recordHead    = 17 // version, until, id
)

var errRecord = errors.New("what the engine has under the key was not written by a host of this kind")

// newRecord is one that is gone after ttl, unless that is 0.
func newRecord(v protocol.Value, ttl time.Duration, now time.Time) *record {
	r := &record{id: rand.Uint64(), value: v}
	if ttl > 0 {
		r.until = now.Add(ttl).UnixMilli()
	}
	return r
}

func (r *record) encode() []byte {
	b := make([]byte, 0, recordHead+max(1, len(r.value)))
	b = append(b, recordVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(r.until))
	b = binary.BigEndian.AppendUint64(b, r.id)
	if len(r.value) == 0 {
		return append(b, 0xc0) // nil
	}
	return append(b, r.value...)
}

func decode(b []byte, seq uint64) (*record, error) {
	if len(b) <= recordHead || b[0] != recordVersion {
		return nil, errRecord
	}
	return &record{until: int64(binary.BigEndian.Uint64(b[1:])), id: binary.BigEndian.Uint64(b[9:]),
		value: b[recordHead:], seq: seq}, nil
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

const tenureSize = 26 // version, free, token, ttl, id

func (h *tenure) encode() []byte {
	b := make([]byte, 0, tenureSize)
	b = append(b, recordVersion, 0)
	if h.free {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint64(b, h.token)
	b = binary.BigEndian.AppendUint64(b, uint64(h.ttl))
	return binary.BigEndian.AppendUint64(b, h.id)
}

func decodeTenure(b []byte, seq uint64, since time.Time) (*tenure, error) {
	if len(b) != tenureSize || b[0] != recordVersion {
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
