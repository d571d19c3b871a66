package store

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

const long = 3600 * 1000

func TestALockIsOfOneAtATimeAndItsTokensGrow(t *testing.T) {
	for _, kind := range []string{protocol.KindDisk, protocol.KindMemory} {
		t.Run(kind, func(t *testing.T) {
			r := room(t, engineIn(t, t.TempDir()), nil)
			one, other := r.worker(t), r.worker(t)
			last := int64(0)
			for range 3 {
				token := number(one.ask("lock.acquire", "l", long, 0, kind))
				if token <= last {
					t.Fatalf("%d after %d", token, last)
				}
				last = token
				if other.ask("lock.acquire", "l", long, 0, kind) != nil ||
					other.ask("lock.acquire", "l", long, 10, kind) != nil {
					t.Fatal("two have it")
				}
				if other.ask("lock.renew", "l", token+1, long, kind) != false ||
					other.ask("lock.release", "l", token+1, kind) != false {
					t.Fatal("by another token")
				}
				if one.ask("lock.renew", "l", token, long, kind) != true ||
					one.ask("lock.release", "l", token, kind) != true {
					t.Fatal("the token does not outlast a renewal")
				}
				if one.ask("lock.release", "l", token, kind) != false ||
					one.ask("lock.renew", "l", token, long, kind) != false {
					t.Fatal("released twice")
				}
			}
			if r.bound() != 0 {
				t.Fatal(r.bound())
			}
			free := "disk"
			if kind == free {
				free = "memory"
			}
			one.ask("lock.acquire", "l", long, 0, kind)
			if other.ask("lock.acquire", "l", long, 0, free) == nil {
				t.Fatal("locks of one kind are in the way of the other's")
			}
		})
	}
}

func TestWhoWaitsForALockHasItAsSoonAsItIsFree(t *testing.T) {
	r := room(t, engineIn(t, t.TempDir()), nil)
	holder := r.worker(t)
	token := holder.ask("lock.acquire", "l", long, 0, "memory")
	var all sync.WaitGroup
	const waiters = 20
	tokens := make([]int64, waiters)
	began := make(chan bool, waiters)
	for i := range waiters {
		all.Go(func() {
			w := r.worker(t)
			began <- true
			tokens[i] = number(w.ask("lock.acquire", "l", long, long, "memory"))
			w.ask("lock.release", "l", tokens[i], "memory")
		})
	}
	for range waiters {
		<-began
	}
	start := time.Now()
	holder.ask("lock.release", "l", token, "memory")
	all.Wait()
	if took := time.Since(start); took > 5*time.Second { // nobody has slept until its time was up
		t.Fatal(took)
	}
	slices.Sort(tokens)
	if len(slices.Compact(tokens)) != waiters || tokens[0] <= number(token) {
		t.Fatal(tokens)
	}
}

func TestALockEndsWithItsTimeAndWithItsWorker(t *testing.T) {
	r := room(t, engineIn(t, t.TempDir()), nil)
	dies, late, keeps, next := r.worker(t), r.worker(t), r.worker(t), r.worker(t)
	first := number(dies.ask("lock.acquire", "l", long))
	late.ask("lock.acquire", "short", 1)
	keeps.ask("lock.acquire", "kept", long, 0, nil, true)
	keeps.leave()
	dies.leave()
	if second := number(next.ask("lock.acquire", "l", long, long)); second <= first {
		t.Fatalf("%d after %d", second, first)
	}
	if next.ask("lock.acquire", "kept", long) != nil {
		t.Fatal("what is to be kept has ended with its worker")
	}
	began := time.Now()
	if next.ask("lock.acquire", "short", long, long) == nil {
		t.Fatal()
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Fatal(took)
	}
	if dies.ask("lock.acquire", "of the dead", long); next.ask("lock.acquire", "of the dead", long, long) == nil {
		t.Fatal("a worker that had gone before has it")
	}
}

func TestACallThatIsGivenUpLeavesNoLock(t *testing.T) {
	r := room(t, engineIn(t, t.TempDir()), nil)
	w, waits := r.worker(t), r.worker(t)
	token := w.ask("lock.acquire", "l", long, 0, "memory")
	ctx, giveUp := context.WithCancel(t.Context())
	waits.asks = ctx
	done := make(chan *protocol.Result)
	go func() { done <- waits.result("lock.acquire", "l", long, long, "memory") }()
	for l := r.locksOf("memory"); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		n := len(l.queues)
		l.mu.Unlock()
		if n > 0 {
			break
		}
	}
	giveUp()
	if got := <-done; got.Code != protocol.CallCancelled {
		t.Fatalf("%+v", got)
	}
	w.ask("lock.release", "l", token, "memory")
	if w.ask("lock.acquire", "l", long, long, "memory") == nil || r.bound() != 1 {
		t.Fatal(r.bound())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	waits.asks = ended
	waits.result("lock.acquire", "other", long)
	if w.ask("lock.acquire", "other", long, long) == nil {
		t.Fatal("nobody knows that he has it")
	}
}

// TestNothingIsLostWhileTheEngineMoves has workers of two hosts count, and hold a lock, while the engine goes from one
// host to the other.
func TestNothingIsLostWhileTheEngineMoves(t *testing.T) {
	folder := t.TempDir()
	old, next := engineIn(t, folder), engineIn(t, folder)
	terms := &Terms{Disk: true, MaxSize: 1 << 20}
	rooms := []*Room{room(t, old, terms), room(t, next, terms)}
	rooms[0].worker(t).ask("store.increment", "s", "n", 0)
	holder := rooms[0].worker(t)
	token := holder.ask("lock.acquire", "l", long)
	var all sync.WaitGroup
	var mu sync.Mutex
	sum, errs, half := int64(0), 0, make(chan bool, 1000)
	for i := range 4 {
		w := rooms[i%2].worker(t)
		all.Go(func() {
			for n := range 100 {
				r := w.result("store.increment", "s", "n")
				mu.Lock()
				if sum++; r.Error != "" {
					t.Log(r.Code, r.Error)
					sum--
					errs++
				}
				mu.Unlock()
				if n == 30 {
					half <- true
				}
			}
		})
	}
	<-half
	old.Yield()
	all.Wait()
	w := rooms[1].worker(t)
	if n := number(w.ask("store.increment", "s", "n", 0)); n != sum || errs > 0 {
		t.Fatalf("%d, and %d were confirmed; %d errors", n, sum, errs)
	}
	if w.ask("lock.acquire", "l", long) != nil {
		t.Fatal("the lock was lost")
	}
	if holder.ask("lock.release", "l", token) != true || w.ask("lock.acquire", "l", long) == nil {
		t.Fatal("who had it can't free it")
	}
}

func TestALockWhoseReleaseIsToldByAnotherHost(t *testing.T) {
	folder := t.TempDir()
	one, other := room(t, engineIn(t, folder), nil), room(t, engineIn(t, folder), nil)
	w, waits := one.worker(t), other.worker(t)
	token := w.ask("lock.acquire", "l", long)
	done := make(chan any)
	go func() { done <- waits.ask("lock.acquire", "l", long, long) }()
	l := other.locksOf("disk")
	for {
		l.mu.Lock()
		q := l.queues[engine.Token("l")]
		l.mu.Unlock()
		if q != nil && len(q.turn) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	w.ask("lock.release", "l", token)
	if <-done == nil || time.Since(began) > 5*time.Second {
		t.Fatal(time.Since(began))
	}
	if strings.Contains(l.told, " ") {
		t.Fatal(l.told)
	}
}
