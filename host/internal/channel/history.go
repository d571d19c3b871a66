// history.go: the stream of a realm's channels, and what is known of it.

package channel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// The headers of a kept message.
const (
	ttlHeader    = "Nats-TTL"
	beforeHeader = "Before" // the number of the one before it in its group; absent: it is not known
	floorHeader  = "Floor"  // then it is at most this
	binaryHeader = "Binary" // it is BINARY
	idHeader     = "Id"     // of what was sent to several groups at once
)

// maxKnown is of how many groups the last message is remembered.
const maxKnown = 100_000

// history is the stream of a realm. All but engine, stream, prefix and clock is for one goroutine.
type history struct {
	engine *engine.Engine
	stream string // its name
	prefix string // of the subjects
	clock  func() time.Time

	ahead time.Duration     // of this host's clock is the engine's
	made  jetstream.Stream  // nil: not yet
	most  int               // messages of a group that it was made for
	seq   uint64            // the last that is known to be in it
	last  map[string]uint64 // of groups: their last messages
	floor uint64            // of groups that are not in last, all they have is at most this
}

// write is a message to be kept for a group.
type write struct {
	act    int
	group  string
	msg    *nats.Msg
	seq    uint64    // once it is kept
	at     time.Time // likewise
	err    error     // why it is not; nil, with seq 0: not yet known
	before uint64    // the last of the group before it; 0: it was not known
	future jetstream.PubAckFuture
}

// writesOf are what a SEND has to be kept of.
func writesOf(t *terms, m *protocol.Send) (all []*write) {
	id := rand.Text()
	for i, g := range m.Names {
		rule := t.of(g)
		if rule == nil || rule.History == 0 || slices.Contains(m.Names[:i], g) {
			continue
		}
		msg := &nats.Msg{Data: m.Bytes, Header: nats.Header{
			ttlHeader:             {strconv.FormatInt(int64(max(1, rule.TTL/time.Second)), 10) + "s"},
			jetstream.MsgIDHeader: {id + strconv.Itoa(len(all))},
		}}
		if m.Flags&protocol.FlagBinary != 0 {
			msg.Header[binaryHeader] = []string{"1"}
		}
		all = append(all, &write{group: g, msg: msg})
	}
	if len(all) > 1 {
		for _, w := range all {
			w.msg.Header[idHeader] = []string{id}
		}
	}
	return all
}

// prepare has the stream be there, as the terms want it.
func (h *history) prepare(ctx context.Context, t *terms) error {
	if h.made != nil && h.most == t.most || t.most == 0 {
		return nil
	}
	return h.engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		asked := h.clock()
		made, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: h.stream, Subjects: []string{h.prefix + ">"}, MaxMsgsPerSubject: int64(t.most),
			Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld, AllowDirect: true, AllowMsgTTL: true,
			Duplicates: 30 * time.Second,
		})
		if err != nil {
			return err
		}
		if state := made.CachedInfo().State; h.made == nil || state.LastSeq != h.seq {
			h.unsure(state.LastSeq)
		}
		h.made, h.most = made, t.most
		h.ahead = aheadOf(asked, made.CachedInfo().TimeStamp, h.clock(), h.engine.Status().Embedded)
		return nil
	})
}

// aheadOf is how far the engine's clock is ahead, at most, by what it was between a question and its answer. One in
// this process goes by the same clock, and no slow answer is to have it seem to be ahead.
func aheadOf(asked, said, answered time.Time, embedded bool) time.Duration {
	if embedded && !said.Before(asked) && !said.After(answered) {
		return 0
	}
	return said.Sub(asked)
}

// now is the time as positions have it: the engine's, or somewhat later. What is kept at this moment is not younger.
func (h *history) now() time.Time { return time.UnixMilli(h.clock().Add(h.ahead).UnixMilli()) }

// unsure notes that there are messages, up to seq, of which this host knows nothing.
func (h *history) unsure(seq uint64) {
	h.seq, h.floor = seq, max(h.floor, seq)
	clear(h.last)
}

// write has messages kept, in order. What the engine, which may be about to move, has not confirmed is written again;
// it is kept once all the same.
func (h *history) write(ctx context.Context, all []*write) {
	if len(all) == 0 {
		return
	}
	h.foretell(all)
	left := all
	err := h.engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) (away error) {
		for _, w := range left {
			w.err = nil
			if w.future, w.err = js.PublishMsgAsync(w.msg, jetstream.WithExpectStream(h.stream)); w.err != nil {
				w.future = nil
			}
		}
		for _, w := range left {
			h.await(ctx, w)
			if engine.Away(w.err) && away == nil {
				away = w.err
			}
		}
		left = slices.DeleteFunc(slices.Clone(left), func(w *write) bool { return !engine.Away(w.err) })
		return away
	})
	for _, w := range left {
		if w.err == nil && w.seq == 0 {
			w.err = err
		}
	}
	for _, w := range all {
		if w.err == nil {
			h.note(w)
		}
	}
	if err != nil {
		h.made = nil // look at it again
	}
}

// foretell has messages tell which one is before each, as far as that is known.
func (h *history) foretell(all []*write) {
	next := map[string]uint64{}
	for i, w := range all {
		w.msg.Subject = h.subject(w.group)
		before, known := next[w.group]
		if !known {
			before, known = h.last[w.group]
		}
		if known {
			w.before = before
			w.msg.Header[beforeHeader] = []string{strconv.FormatUint(before, 10)}
		} else {
			w.msg.Header[floorHeader] = []string{strconv.FormatUint(h.floor, 10)}
		}
		next[w.group] = h.seq + uint64(i) + 1
	}
}

// await waits for what the engine says of a message.
func (h *history) await(ctx context.Context, w *write) {
	if w.future == nil {
		return
	}
	select {
	case ack := <-w.future.Ok():
		w.seq, w.at = ack.Sequence, h.now()
	case w.err = <-w.future.Err():
	case <-ctx.Done():
		w.err = ctx.Err()
	}
	w.future = nil
}

// note notes that a message is kept.
func (h *history) note(w *write) {
	if w.seq > h.seq+1 {
		h.unsure(w.seq - 1) // others have written, or something is there of which nobody knew
	}
	h.seq = max(h.seq, w.seq)
	if len(h.last) >= maxKnown {
		h.forget()
	}
	h.last[w.group] = max(h.last[w.group], w.seq)
}

// forget drops what is known of the half of the groups whose last messages are the oldest.
func (h *history) forget() {
	seqs := slices.Sorted(maps.Values(h.last))
	h.floor = max(h.floor, seqs[len(seqs)/2])
	maps.DeleteFunc(h.last, func(_ string, seq uint64) bool { return seq <= h.floor })
}

// undo takes messages back that have not been sent to anybody after all.
func (h *history) undo(writes []*write) {
	for _, w := range writes {
		if w.err != nil || w.seq == 0 || h.made == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		h.made.DeleteMsg(ctx, w.seq) // if that fails, who comes back gets what others have not got
		cancel()
		if h.last[w.group] != w.seq {
			continue
		}
		if h.last[w.group] = w.before; w.before == 0 {
			delete(h.last, w.group)
		}
	}
}

// position is up to where a client has all that is in its groups now, but what comes at before and later.
func (h *history) position(before uint64) position { return position{min(h.seq, before-1), h.now()} }

// missed is what a client has not got of its groups, oldest first, and of which of them that is not known. What is
// there from before on is left out.
func (h *history) missed(ctx context.Context, t *terms, j *joining, before uint64) (past []stored, lost []string,
	err error) {
	if h.made == nil { // a reload has taken the rules away meanwhile
		return nil, j.groups, nil
	}
	if j.since.seq > h.seq { // of another host's, perhaps
		if err := h.refresh(ctx); err != nil {
			return nil, nil, err
		}
	}
	if j.since.seq > h.seq || !h.agrees(ctx, j.since) {
		return nil, j.groups, nil
	}
	for _, g := range j.groups {
		read, begun := j.read[g]
		from := j.since.seq
		if len(read) > 0 {
			from = read[len(read)-1].seq
		}
		if !begun || h.last[g] > from {
			rest, err := h.read(ctx, g, from+1)
			if errors.Is(err, errTooMuch) {
				lost = append(lost, g)
				continue
			} else if err != nil {
				return nil, nil, err
			}
			read = append(read, rest...)
			if j.size += sizeOf(rest); j.size > maxInMemory {
				return nil, j.groups, nil
			}
		}
		if h.gap(t, g, j.since, read) {
			lost = append(lost, g)
			continue
		}
		past = append(past, read...)
	}
	past = slices.DeleteFunc(past, func(m stored) bool { return m.seq >= before })
	slices.SortFunc(past, func(a, b stored) int { return int(int64(a.seq - b.seq)) })
	once := map[string]bool{}
	size := 0
	past = slices.DeleteFunc(past, func(m stored) bool {
		twice := m.id != "" && once[m.id]
		once[m.id] = true
		size += len(m.data)
		return twice
	})
	if size > maxRead {
		return nil, j.groups, nil
	}
	return past, lost, nil
}

// gap says whether something may be missing of a group between since and what there is after it.
func (h *history) gap(t *terms, group string, since position, read []stored) bool {
	limit, ttl := 1, time.Second
	if rule := t.of(group); rule != nil {
		limit, ttl = max(rule.History, 1), rule.TTL
	}
	if len(read) == 0 {
		if last, known := h.last[group]; known {
			return last > since.seq
		}
		if h.floor <= since.seq {
			return false
		}
	} else if before := read[0].before; before != nil {
		return *before > since.seq
	} else if read[0].floor <= since.seq {
		return false
	}
	const slack = 2 * time.Second // of the clocks
	return h.now().Sub(since.at) > ttl-slack || len(read) >= limit
}

// refresh looks at how far the stream has come.
func (h *history) refresh(ctx context.Context) error {
	info, err := h.made.Info(ctx)
	if err != nil {
		return err
	}
	if info.State.LastSeq != h.seq {
		h.unsure(info.State.LastSeq)
	}
	return nil
}

// agrees says whether a position may be one of this stream, as it is.
func (h *history) agrees(ctx context.Context, p position) bool {
	if h.made.CachedInfo().Created.Truncate(time.Millisecond).After(p.at) {
		return false
	}
	if p.seq == 0 {
		return true
	}
	list, err := h.get(ctx, directGet{Seq: p.seq})
	if err != nil {
		return false
	}
	return len(list) == 0 || !list[0].at.Truncate(time.Millisecond).After(p.at)
}

// errTooMuch is why a client can't get what it missed.
var errTooMuch = fmt.Errorf("more than %d MiB", maxRead>>20)
