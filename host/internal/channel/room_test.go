package channel

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

var news = Rule{Pattern: "news.*", History: 5, TTL: time.Minute}

func TestAClientThatComesBackGetsExactlyWhatItMissed(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	first := s.join("c1", "", "news.a", "news.b")
	s.wants(first, false)
	s.send("news.a", "1", "2")
	s.send("news.b", "3")
	s.send("news.a", "4")
	s.wants(s.join("c2", first.position, "news.a", "news.b"), false, "1", "2", "3", "4")
	s.wants(s.join("c3", first.position, "news.b"), false, "3")
	s.wants(s.join("c4", s.hub.members["c1"].position, "news.a", "news.b"), false)
}

func TestItIsKnownHowManyMessagesAreKept(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	if _, _, known := s.room.Kept(t.Context()); known || s.engine.Status().Begun {
		t.Error("the engine was started for a question")
	}
	s.join("c1", "", "news.a")
	for _, want := range [][2]uint64{{0, 0}, {2, 7}} {
		channels, messages, known := s.room.Kept(t.Context())
		if got := [2]uint64{channels, messages}; got != want || !known {
			t.Errorf("%v %v, want %v", got, known, want)
		}
		s.send("news.a", numbers(1, 6)...) // of which one is pushed out
		s.send("news.b", "1", "2")
	}
}

func TestAClientThatMissedMoreThanIsKeptIsTold(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	since := s.join("c1", "", "news.a").position
	s.send("news.a", numbers(1, 5)...)
	s.wants(s.join("c2", since, "news.a"), false, numbers(1, 5)...)
	s.send("news.a", "6")
	m := s.join("c3", since, "news.a")
	s.wants(m, true)
	s.send("news.a", "7")
	s.wants(s.join("c4", m.position, "news.a"), false, "7")
	s.wants(s.join("c5", position{999999, time.Now()}.String(), "news.a"), true) // of another stream
	s.wants(s.join("c6", "nonsense", "news.a"), false)                           // the application's own
}

func TestHistoriesOutliveTheHost(t *testing.T) {
	folder := t.TempDir()
	s := newStage(t, folder, news)
	since := s.join("c1", "", "news.a", "news.quiet").position
	s.send("news.a", "1", "2")
	s.end()
	s = newStage(t, folder, news)
	s.send("news.a", "3")
	s.wants(s.join("c2", since, "news.a", "news.quiet"), false, "1", "2", "3")
}

func TestBetweenTheHistoryAndWhatIsLiveThereIsNoGapAndNothingTwice(t *testing.T) {
	s := newStage(t, t.TempDir(), Rule{Pattern: "*", History: 1000, TTL: time.Minute})
	since := s.join("c", "", "g").position
	const senders, each, clients = 4, 60, 30
	var all sync.WaitGroup
	for n := range senders {
		all.Go(func() {
			for i := range each {
				s.room.Commit(nil, []protocol.Act{send("g", fmt.Sprint(n, " ", i))}, func(err error) {
					if err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	for n := range clients {
		all.Go(func() { s.join(fmt.Sprint("c", n), since, "g") })
	}
	all.Wait()
	s.send("g", "the last")
	want := s.hub.members["c"].got
	if len(want) != senders*each+1 {
		t.Fatalf("%d messages", len(want))
	}
	for n := range clients {
		s.wants(s.hub.members[fmt.Sprint("c", n)], false, want...)
	}
	if c := s.room.Counts(); c.Kept != int64(len(want)) || c.Returned != clients || c.Lost > 0 {
		t.Fatalf("%+v", c)
	}
}

func TestWhatIsRefusedIsNotKept(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	since := s.join("c1", "", "news.a").position
	s.hub.refuses = errNo
	if err := s.commit(send("news.a", "1")); !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	s.hub.refuses = nil
	s.hub.handed = true // another host keeps it, when it gets it
	s.send("news.a", "2")
	if s.hub.handed = false; s.hub.later != 1 {
		t.Fatal(s.hub.later)
	}
	s.send("news.a", "3")
	s.wants(s.join("c2", since, "news.a"), false, "3")
	if err := s.commit(send("news.a", string(make([]byte, 3<<20)))); err == nil {
		t.Fatal("3 MiB were kept")
	}
}

func TestWhatGoesToSeveralChannelsComesOnce(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	since := s.join("c1", "", "news.a", "news.b").position
	both := &protocol.Send{To: protocol.ToGroups, Names: []string{"news.a", "other", "news.b"}, Bytes: []byte("1")}
	if err := s.commit(both, send("news.a", "2")); err != nil {
		t.Fatal(err)
	}
	s.wants(s.join("c2", since, "news.a", "news.b"), false, "1", "2")
	// what is sent together with a JOIN, and after it, is not of the past
	all := []protocol.Act{send("news.a", "3"),
		&protocol.Join{Connection: "c3", Groups: []string{"news.a"}, Since: &since}, send("news.a", "4")}
	if err := s.commit(all...); err != nil {
		t.Fatal(err)
	}
	s.wants(s.hub.members["c3"], false, "1", "2", "3", "4")
}

func TestWithoutTheEngineNothingIsKeptAndClientsComeInNevertheless(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	since := s.join("c1", "", "news.a").position
	s.engine.Close()
	if err := s.commit(send("news.a", "1")); !errors.Is(err, protocol.ErrUnavailable) {
		t.Fatal(err)
	}
	s.wants(s.join("c2", "", "news.a"), false)
	s.wants(s.join("c3", since, "news.a"), true)
	if m := s.hub.members["c3"]; m.position != "" { // so it says the old one when it comes again
		t.Fatal(m.position)
	}
}

func TestAGapIsOnlyDeniedWhereThatIsKnown(t *testing.T) {
	at := func(ago time.Duration, seq uint64) position { return position{seq, time.Now().Add(-ago)} }
	before := func(n uint64) *uint64 { return &n }
	terms := newTerms([]Rule{{Pattern: "g", History: 3, TTL: time.Minute}})
	for name, c := range map[string]struct {
		since position
		last  map[string]uint64
		floor uint64
		read  []stored
		gap   bool
	}{
		"nothing since, this host knows":       {at(time.Hour, 9), map[string]uint64{"g": 9}, 5, nil, false},
		"what there was is no more":            {at(time.Hour, 8), map[string]uint64{"g": 9}, 5, nil, true},
		"nothing was sent while this host ran": {at(time.Hour, 7), nil, 5, nil, false},
		"before this host, but within ttl":     {at(time.Second, 3), nil, 5, nil, false},
		"before this host, and longer ago":     {at(time.Hour, 3), nil, 5, nil, true},
		"it tells what was before":             {at(time.Hour, 3), nil, 5, []stored{{before: before(3)}}, false},
		"it tells of one that is missing":      {at(time.Second, 3), nil, 5, []stored{{before: before(4)}}, true},
		"it does not know, but within ttl":     {at(time.Second, 3), nil, 5, []stored{{floor: 5}}, false},
		"as many as are kept":                  {at(time.Second, 3), nil, 5, []stored{{floor: 5}, {}, {}}, true},
	} {
		h := &history{last: c.last, floor: c.floor, clock: time.Now}
		if h.gap(terms, "g", c.since, c.read) != c.gap {
			t.Errorf("%s: want %v", name, c.gap)
		}
	}
}

func TestPositionsAreReadAsTheyAreWritten(t *testing.T) {
	p := position{12345, time.UnixMilli(time.Now().UnixMilli())}
	if q, ok := parse(p.String()); !ok || q.seq != p.seq || !q.at.Equal(p.at) {
		t.Fatal(p, q, ok)
	}
	for _, s := range []string{"", "p", "p-", "p1", "1-2", "p1-2-3", "p-1-2", "p01-2", "p1--2", "p1-2 ", "42",
		"p9999999999999999999999-1"} {
		if p, ok := parse(s); ok {
			t.Errorf("%q is %v", s, p)
		}
	}
}

func TestTheMostExactPatternCounts(t *testing.T) {
	r := newTerms([]Rule{{Pattern: "*"}, {Pattern: "news.*"}, {Pattern: "news.*.de"}, {Pattern: "news.a"}})
	for group, want := range map[string]string{"x": "*", "news.a": "news.a", "news.b": "news.*", "news.": "news.*",
		"news.b.de": "news.*.de", "news.de": "news.*", "news.de.": "news.*"} {
		if got := r.of(group); got == nil || got.Pattern != want {
			t.Errorf("%s: %v, want %s", group, got, want)
		}
	}
	if matches("a*b*c", "abc") != true || matches("a*b*c", "acb") || matches("a*a", "a") {
		t.Error("matches")
	}
}

func TestAPositionOfAStreamThatIsNoMoreIsNotTakenForOneOfThisOne(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	early := s.join("c1", "", "news.a").position
	s.send("news.a", "1")
	s.end()
	s = newStage(t, t.TempDir(), news)
	s.send("news.a", "2")
	s.wants(s.join("c2", early, "news.a"), true)
}

func TestAClientIsToldThatItCantKnowIfAReloadTakesItsChannelAway(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	for range readers {
		s.room.reads <- struct{}{}
	}
	since := position{3, time.Now().Add(-time.Second)}.String()
	done := make(chan error, 1)
	join := &protocol.Join{Connection: "c", Groups: []string{"news.a"}, Since: &since}
	s.room.Commit(nil, []protocol.Act{join}, func(err error) { done <- err }) // waits for a place
	s.room.Set(nil)
	for range readers {
		<-s.room.reads
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.wants(s.hub.members["c"], true)
}

func TestWhatOneClientMissedOfManyChannelsIsReadWithinABound(t *testing.T) {
	s := newStage(t, t.TempDir(), Rule{Pattern: "*", History: 10, TTL: time.Minute})
	var groups []string
	for i := range 30 {
		groups = append(groups, fmt.Sprint("g", i))
	}
	since := s.join("c1", "", groups...).position
	large := string(make([]byte, 1<<20-1024))
	for _, g := range groups {
		s.send(g, large)
	}
	j := &joining{groups: groups, known: true, read: map[string][]stored{}}
	j.since, _ = parse(since)
	s.room.history.readFirst(t.Context(), j)
	if n := len(j.read); n > maxInMemory>>20+1 {
		t.Errorf("%d MiB were read", n)
	}
	s.wants(s.join("c2", since, groups...), true)
}

func TestNobodyElseReadsWhileAsManyClientsHoldWhatTheyMissed(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	since := s.join("c1", "", "news.a").position
	s.send("news.a", "1")
	s.hub.mu.Lock() // nobody's turn ends
	var all sync.WaitGroup
	for i := range 3 * readers {
		all.Go(func() {
			s.commit(&protocol.Join{Connection: fmt.Sprint(i), Groups: []string{"news.a"}, Since: &since})
		})
	}
	late := time.Now().Add(10 * time.Second)
	waiting := 0
	for waiting < readers-1 && time.Now().Before(late) { // the first one's turn has come
		s.room.mu.Lock()
		waiting = len(s.room.queue)
		s.room.mu.Unlock()
	}
	time.Sleep(50 * time.Millisecond) // there is no event of what never happens
	s.room.mu.Lock()
	waiting = len(s.room.queue)
	s.room.mu.Unlock()
	s.hub.mu.Unlock()
	all.Wait()
	if waiting != readers-1 {
		t.Errorf("%d wait with what was read for them", waiting)
	}
}

func TestTheEnginesClockMayBeAheadOfTheHosts(t *testing.T) {
	s := newStage(t, t.TempDir(), news)
	s.room.history.clock = func() time.Time { return time.Now().Add(-time.Hour) }
	s.join("c1", "", "news.a")
	s.send("news.a", "1")
	since := s.hub.members["c1"].position
	s.send("news.a", "2")
	s.wants(s.join("c2", since, "news.a"), false, "2")
}

func TestASlowAnswerDoesNotMakeTheClockOfAnEngineInThisProcessAnother(t *testing.T) {
	asked := time.Now()
	said, answered := asked.Add(time.Second), asked.Add(2*time.Second)
	for _, c := range []struct {
		said     time.Time
		embedded bool
		want     time.Duration
	}{{said, true, 0}, {said, false, time.Second}, {said.Add(time.Hour), true, time.Hour + time.Second},
		{asked.Add(-time.Hour), false, -time.Hour}} {
		if got := aheadOf(asked, c.said, answered, c.embedded); got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

func TestWhatIsKeptIsSentInTheOrderOfTheStream(t *testing.T) {
	one := func(seqs ...uint64) *item {
		i := &item{}
		for _, seq := range seqs {
			i.writes = append(i.writes, &write{seq: seq})
		}
		return i
	}
	again, before, none := one(9, 10), one(7), one() // again was written a second time
	if got := inOrder([]*item{again, before, none}); !slices.Equal(got, []*item{none, before, again}) {
		t.Errorf("%v", got)
	}
}
