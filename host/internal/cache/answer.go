// What becomes of the answer to a flight: it is a hub's sink, and stores, hands over or fails.

package cache

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Begin implements [protocol.Sink].
func (f *flight) Begin(s protocol.Stream) {
	f.stream, f.sent = s, time.Now()
	if f.direct {
		f.origin.x.Sink.Begin(s)
	}
}

// Writable implements [protocol.Sink].
func (f *flight) Writable() {}

// Inform implements [protocol.Sink].
func (f *flight) Inform(m *protocol.Inform) {
	if f.direct && f.state == asking {
		f.origin.x.Sink.Inform(m)
	}
}

// Respond implements [protocol.Sink].
func (f *flight) Respond(m *protocol.Response) {
	now, e := time.Now(), f.stale
	switch {
	case e != nil && m.Status >= 500 && e.onErrorAt(now):
		f.useStale(strconv.Itoa(m.Status), now)
		f.discard()
	case e != nil && m.Status == 304 && validator(e.headers):
		f.renew(m, now)
		f.discard()
	case f.collect(m, now):
	case f.origin == nil:
		if m.Status >= 500 {
			e.trouble.Store(now.UnixNano())
		} else {
			f.room.store.drop(e) // it would not be stored any more
		}
		f.discard()
	default:
		f.passOn(m, now)
	}
}

// discard has what still comes come to nobody.
func (f *flight) discard() {
	f.state, f.body = discarding, nil
}

// collect begins to store an answer, and says whether it does.
func (f *flight) collect(m *protocol.Response, now time.Time) bool {
	if m.Hold != nil || m.Fetch != nil || m.File != "" || m.Status < 200 || m.Check() != nil {
		return false
	}
	v := f.room.judge(&f.asked, m.Status, m.Headers, f.sent, now)
	if lines := values(m.Headers, "Content-Length"); len(lines) > 0 {
		n, err := strconv.ParseInt(lines[0], 10, 64)
		if err != nil || n < 0 || n > f.room.MaxBody {
			return false
		}
		f.length = int(n)
	}
	if !v.store || int64(len(m.Body)) > f.room.MaxBody {
		return false
	}
	headers := make([]string, len(m.Headers))
	for i := range m.Headers {
		headers[i] = strings.Clone(m.Headers[i])
	}
	f.state, f.made = collecting, newEntry(f, m.Status, headers, v, now)
	_, f.made.generation = f.stream.Worker()
	bodyless := m.Bodyless(f.request.Method)
	if !bodyless {
		f.body = append(make([]byte, 0, max(f.length, len(m.Body))), m.Body...)
	}
	if f.direct {
		f.origin.x.Sink.Respond(label(m, f.status("stored")))
	}
	if m.Flags&protocol.FlagEnd != 0 || bodyless {
		f.complete(now, bodyless)
	}
	return true
}

// status is a Cache-Status of what was asked for.
func (f *flight) status(more ...string) string {
	return strings.Join(append([]string{name, "fwd=" + f.miss}, more...), "; ")
}

// complete stores an answer whose body is whole.
func (f *flight) complete(now time.Time, bodyless bool) {
	f.state = discarding
	if !bodyless && f.length >= 0 && f.length != len(f.body) {
		f.release()
		return
	}
	if bodyless {
		f.length = -1
	}
	f.made.seal(f.body)
	f.body = nil
	f.settle(f.made, f.status("fwd-status="+strconv.Itoa(f.made.status), "stored"), "miss", now)
}

// settle stores an entry, and answers all who wait for it.
func (f *flight) settle(e *entry, status, how string, now time.Time) {
	s := f.room.store
	s.put(e, f.primary, f.request)
	s.mu.Lock()
	spoiled := f.spoiled || slices.ContainsFunc(e.tags, func(t string) bool { return slices.Contains(f.purged, t) })
	s.mu.Unlock()
	if spoiled {
		s.drop(e)
	}
	f.serve(f.close(), e, status, how, now)
}

// serve answers those who waited with an entry, if it is for them.
func (f *flight) serve(waiters []*asker, e *entry, status, how string, now time.Time) {
	if len(waiters) == 0 {
		return
	}
	same := varyOf(e.headers)
	go func() { // ends when all have their answer, or wait anew
		for _, w := range waiters {
			switch {
			case w == f.origin, (e.coalesces() || how == "stale") && e.serves(&w.asked) &&
				alike(same, w.request, f.request):
				said := status
				if w != f.origin {
					said += "; collapsed"
				}
				e.deliver(w, said, how, now)
			default:
				f.room.answer(w)
			}
		}
	}()
}

// alike says whether two requests are the same in all fields of a Vary.
func alike(names []string, a, b *protocol.Request) bool {
	for _, field := range names {
		if normal(field, values(a.Headers, field)) != normal(field, values(b.Headers, field)) {
			return false
		}
	}
	return true
}

// renew has an entry be as good as new: the pool says that it has not changed.
func (f *flight) renew(m *protocol.Response, now time.Time) {
	e := f.stale
	merged := merge(e.headers, m.Headers)
	for i := range merged {
		merged[i] = strings.Clone(merged[i])
	}
	if value(m.Headers, "Date") == "" {
		merged = append(merged, "Date", httpDate(now))
	}
	v := f.room.judge(&f.asked, e.status, withAge(merged, m.Headers), f.sent, now)
	made := e.renewed(f, merged, v, now)
	_, made.generation = f.stream.Worker()
	f.room.store.counts.validated.Add(1)
	f.handOver()
	if !v.store {
		f.room.store.drop(e)
		waiters := f.close()
		f.serve(waiters, made, f.status("fwd-status=304"), "validated", now)
		return
	}
	f.settle(made, f.status("fwd-status=304", "stored"), "validated", now)
}

// withAge are headers with the Age of a 304, which is not stored.
func withAge(headers, fresh []string) []string {
	if age := value(fresh, "Age"); age != "" {
		return append(headers[:len(headers):len(headers)], "Age", age)
	}
	return headers
}

// handOver has the origin wait for an entry as the others do.
func (f *flight) handOver() {
	if !f.direct || f.handed {
		return
	}
	f.direct, f.handed = false, true
	s := f.room.store
	s.mu.Lock()
	f.waiters = append([]*asker{f.origin}, f.waiters...)
	s.mu.Unlock()
}

// useStale answers all with what is stored, since the pool can't. status is its own; "" is none.
func (f *flight) useStale(status string, now time.Time) {
	e := f.stale
	e.trouble.Store(now.UnixNano())
	f.handOver()
	waiters := f.close()
	f.room.store.counts.stale.Add(uint64(len(waiters)))
	said := f.status("detail=stale-if-error")
	if status != "" {
		said = f.status("fwd-status="+status, "detail=stale-if-error")
	}
	f.serve(waiters, e, said, "stale", now)
}

// passOn has the origin alone hear an answer that is not stored.
func (f *flight) passOn(m *protocol.Response, now time.Time) {
	f.state = passing
	if !f.direct {
		f.state = discarding
		if f.join() {
			f.state, f.direct = passing, true
			f.origin.x.Sink.Begin(f.stream)
		}
	}
	switch {
	case m.Status >= 500 || f.raw:
	case !f.alone:
		f.room.store.pass(f.key, now)
	case f.stale != nil:
		f.room.store.drop(f.stale)
	}
	if f.direct {
		f.origin.x.Sink.Respond(label(m, f.status()))
	}
	f.release()
	if f.state == discarding {
		f.end()
	}
}

// join takes the origin out of those who wait, to hear what comes; it is false if it has left.
func (f *flight) join() bool {
	s := f.room.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range f.waiters {
		if w == f.origin {
			f.waiters = append(f.waiters[:i:i], f.waiters[i+1:]...)
			return true
		}
	}
	return false
}

// release has those who wait ask for themselves.
func (f *flight) release() {
	waiters := f.close()
	if len(waiters) > 0 {
		go func() { // ends when all of them wait for the pool
			for _, w := range waiters {
				f.room.answer(w)
			}
		}()
	}
}

// end has the pool stop what nobody hears.
func (f *flight) end() {
	s := f.room.store
	s.mu.Lock()
	f.dead = true
	ticket := f.ticket
	s.mu.Unlock()
	if ticket != nil {
		ticket.Cancel(protocol.ResetCancelled)
	}
}

// Data implements [protocol.Sink].
func (f *flight) Data(m *protocol.Data) {
	if f.state == collecting {
		over := int64(len(f.body)+len(m.Bytes)) > f.room.MaxBody
		if over || len(m.Trailers) > 0 {
			f.overflow()
		} else {
			f.body = append(f.body, m.Bytes...)
		}
	}
	if f.direct {
		f.origin.x.Sink.Data(m)
	} else {
		f.stream.Consumed(len(m.Bytes))
	}
	if f.state == collecting && m.Flags&protocol.FlagEnd != 0 {
		f.complete(time.Now(), false)
	}
}

// overflow gives up storing what comes: it is too long, or ends with what is not stored.
func (f *flight) overflow() {
	f.state, f.made, f.body = passing, nil, nil
	if !f.alone {
		f.room.store.pass(f.key, time.Now())
	}
	f.release()
	if !f.direct {
		f.state = discarding
		f.end()
	}
}

// Fail implements [protocol.Sink].
func (f *flight) Fail(err *protocol.Failure) {
	now, e := time.Now(), f.stale
	before := f.state
	f.state, f.made, f.body = discarding, nil, nil
	if before == asking || before == collecting {
		switch {
		case e != nil && err.Kind != protocol.FailedCancelled && e.onErrorAt(now) &&
			(before == asking || !f.direct):
			f.useStale("", now)
		case before == asking && shared(err.Kind):
			f.failAll(*err)
		default:
			f.release()
		}
	}
	if f.direct {
		f.origin.x.Sink.Fail(err)
	}
}

// shared says whether a failure is all clients' that asked for the same: it is not one of this very request.
func shared(kind protocol.FailureKind) bool {
	switch kind {
	case protocol.FailedQueueFull, protocol.FailedQueueTimeout, protocol.FailedStopping, protocol.FailedNoWorker,
		protocol.FailedTimeout:
		return true
	}
	return false
}

// failAll has all who wait hear of the same failure.
func (f *flight) failAll(err protocol.Failure) {
	err.Detail = strings.Clone(err.Detail)
	waiters := f.close()
	for _, w := range waiters {
		w.fail(&err)
	}
}

// Finished implements [protocol.Sink].
func (f *flight) Finished() {
	s := f.room.store
	if f.state == asking || f.state == collecting { // it was done without an answer, or without its end
		f.state = discarding
		f.release()
	}
	s.mu.Lock()
	delete(s.under, f)
	s.mu.Unlock()
	if f.origin == nil {
		s.behind.Add(-1)
		f.stale.refreshing.Store(false)
		waiters := f.close()
		for _, w := range waiters {
			f.room.answer(w)
		}
	}
	if f.direct {
		f.origin.x.Sink.Finished()
	}
}
