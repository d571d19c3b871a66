package trace

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// collector is an Exporter whose answers tests give.
type collector struct {
	mu     sync.Mutex
	came   []string // names of spans
	times  []time.Time
	closed bool
	answer func(attempt int, batch []*Record) (int, error) // nil takes all
}

func (c *collector) Export(ctx context.Context, batch []*Record) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, time.Now())
	if c.answer != nil {
		if n, err := c.answer(len(c.times), batch); err != nil {
			return n, err
		}
	}
	for _, r := range batch {
		c.came = append(c.came, r.Name)
	}
	return 0, nil
}

func (c *collector) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// seen is a copy of what came so far.
func (c *collector) seen() (copied struct {
	came   []string
	times  []time.Time
	closed bool
}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	copied.came, copied.times, copied.closed = slices.Clone(c.came), slices.Clone(c.times), c.closed
	return copied
}

func begin(c *collector, share float64, based bool) (*Tracer, *Tally) {
	tally := new(Tally)
	return New(Settings{Share: share, ParentBased: based}, c, tally, hclog.NewNullLogger()), tally
}

func end(s Span, name string) {
	if r := s.Record(time.Now()); r != nil {
		r.Name = name
		s.End(r)
	}
}

func TestSpansComeInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(collector)
		tracer, tally := begin(c, 1, true)
		for i := range mostBatch + 3 {
			end(tracer.Start(Context{}), strconv.Itoa(i))
		}
		synctest.Wait()
		if len(c.seen().came) != mostBatch {
			t.Fatalf("%d came at once", len(c.seen().came))
		}
		time.Sleep(batchWait)
		synctest.Wait()
		if len(c.seen().came) != mostBatch+3 || len(c.seen().times) != 2 {
			t.Fatalf("%d came in %d batches", len(c.seen().came), len(c.seen().times))
		}
		end(tracer.Start(Context{}), "last")
		tracer.Close()
		if len(c.seen().came) != mostBatch+4 || !c.seen().closed ||
			tally.Sent.Load() != mostBatch+4 || tally.Dropped.Load() != 0 {
			t.Errorf("%d came, closed %v, tally %+v", len(c.seen().came), c.seen().closed, tally)
		}
	})
}

func TestACollectorThatIsAwayForAWhileGetsTheSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(attempt int, _ []*Record) (int, error) {
			switch attempt {
			case 1:
				return 0, &Delay{Err: errors.New("connection refused")}
			case 2:
				return 0, &Delay{After: 7 * time.Second, Err: errors.New("503")}
			}
			return 0, nil
		}}
		tracer, tally := begin(c, 1, true)
		end(tracer.Start(Context{}), "a")
		time.Sleep(retryTime)
		synctest.Wait()
		if len(c.seen().came) != 1 || len(c.seen().times) != 3 || tally.Dropped.Load() != 0 {
			t.Fatalf("%v came in %d attempts", c.seen().came, len(c.seen().times))
		}
		if wait := c.seen().times[2].Sub(c.seen().times[1]); wait < 7*time.Second {
			t.Errorf("it was asked again after %v", wait)
		}
		tracer.Close()
	})
}

func TestACollectorThatStaysAwayCostsABoundedQueueAndNobodyATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(int, []*Record) (int, error) {
			return 0, &Delay{Err: errors.New("connection refused")}
		}}
		tracer, tally := begin(c, 1, true)
		began := time.Now()
		for range 3 * waiting {
			end(tracer.Start(Context{}), "x")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("whoever ended a span waited %v", took)
		}
		time.Sleep(24 * time.Hour)
		began = time.Now()
		end(tracer.Start(Context{}), "last")
		tracer.Close()
		if took := time.Since(began); took > closeTime {
			t.Errorf("Close took %v", took)
		}
		if n := tally.Dropped.Load(); n != 3*waiting+1 || tally.Sent.Load() != 0 {
			t.Errorf("%d count as dropped, %d as sent", n, tally.Sent.Load())
		}
	})
}

func TestWhatTheCollectorWillNeverTakeIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(int, []*Record) (int, error) { return 0, errors.New("401") }}
		tracer, tally := begin(c, 1, true)
		end(tracer.Start(Context{}), "x")
		time.Sleep(time.Hour)
		tracer.Close()
		if len(c.seen().times) != 1 || tally.Dropped.Load() != 1 {
			t.Errorf("%d attempts, %d dropped", len(c.seen().times), tally.Dropped.Load())
		}
	})
}

func TestATracerThatIsReplacedSendsWhatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(collector)
		tracer, _ := begin(c, 1, true)
		span := tracer.Start(Context{})
		tracer.Retire()
		synctest.Wait()
		if c.seen().closed {
			t.Fatal("it ended before its span")
		}
		end(span, "late")
		synctest.Wait()
		if !c.seen().closed || len(c.seen().came) != 1 {
			t.Errorf("closed %v, came %v", c.seen().closed, c.seen().came)
		}
		if s := tracer.Start(Context{}); s.Sampled || !s.Traced() {
			t.Error("a span that nobody would send is sampled")
		}
	})
}

func TestTheParentDecidesAndElseTheShare(t *testing.T) {
	parent := Read([]string{good}, []string{"a=1"})
	quiet := parent
	quiet.Sampled = false
	for _, test := range []struct {
		name    string
		share   float64
		based   bool
		parent  Context
		sampled bool
	}{
		{"a sampled parent", 0, true, parent, true},
		{"one that is not", 1, true, quiet, false},
		{"none, all", 1, true, Context{}, true},
		{"none, nothing", 0, true, Context{}, false},
		{"a sampled parent that does not decide", 0, false, parent, false},
		{"one that is not and does not decide", 1, false, quiet, true},
	} {
		c := new(collector)
		tracer, _ := begin(c, test.share, test.based)
		s := tracer.Start(test.parent)
		if s.Sampled != test.sampled || !s.Traced() {
			t.Errorf("%s: %+v", test.name, s)
		}
		if test.parent.Known() && (s.TraceID != parent.TraceID || s.SpanID == parent.SpanID || s.State != "a=1" ||
			s.parent != parent.SpanID) {
			t.Errorf("%s: it is not below its parent: %+v", test.name, s)
		}
		after := tracer.After(&s)
		if want := test.sampled; after.Sampled != want || after.TraceID == s.TraceID {
			t.Errorf("%s: what it led to: %+v", test.name, after)
		}
		always := tracer.Always()
		if !always.Sampled {
			t.Errorf("%s: always is not", test.name)
		}
		always.End(nil)
		s.End(nil)
		after.End(nil)
		tracer.Close()
	}
}

func TestAShareIsOfTheTracesThatOtherHostsChooseToo(t *testing.T) {
	tracer, _ := begin(new(collector), 0.25, true)
	defer tracer.Close()
	n := 0
	const all = 20000
	for range all {
		s := tracer.Start(Context{})
		if s.Sampled {
			n++
		}
		s.End(nil)
	}
	if n < all/5 || n > all*3/10 {
		t.Errorf("%d of %d", n, all)
	}
	// what go.opentelemetry.io/otel/sdk's TraceIDRatioBased(0.25) says
	for half, want := range map[uint64]bool{0: true, 1<<62 - 1: true, 1 << 62: false, 1<<64 - 1: false} {
		var id TraceID
		for i := range 8 {
			id[8+i] = byte(half >> (56 - 8*i))
		}
		if tracer.samples(id) != want {
			t.Errorf("%x: %v", half, !want)
		}
	}
}

func TestTracingThatIsOffMakesNothing(t *testing.T) {
	var off *Tracer
	if n := testing.AllocsPerRun(100, func() {
		s := off.Start(Context{})
		if s.Traced() || s.Hex() != "" || s.Record(time.Time{}) != nil {
			t.Error("there is a span")
		}
		s.End(nil)
		after := off.After(&s)
		after.End(nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	off.Retire()
	off.Close()
}
