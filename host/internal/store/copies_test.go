package store

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// slowly is an address that leads to another one, and what is said there arrives late.
func slowly(t *testing.T, to string, late time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	open := make(chan net.Conn, 1000)
	t.Cleanup(func() {
		l.Close()
		for len(open) > 0 {
			(<-open).Close()
		}
		all.Wait()
	})
	pass := func(from, to net.Conn) {
		type piece struct {
			at   time.Time
			data []byte
		}
		pieces := make(chan piece, 1<<16)
		all.Go(func() {
			defer close(pieces)
			for {
				b := make([]byte, 32<<10)
				n, err := from.Read(b)
				if err != nil {
					return
				}
				pieces <- piece{time.Now().Add(late), b[:n]}
			}
		})
		all.Go(func() {
			defer to.Close()
			for p := range pieces {
				time.Sleep(time.Until(p.at))
				to.Write(p.data)
			}
		})
	}
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			open <- in
			open <- out
			pass(in, out)
			pass(out, in)
		}
	})
	return l.Addr().String()
}

// hosts are rooms of as many hosts of a cluster, between which what is said arrives late.
func hosts(t *testing.T, n int, late time.Duration, terms *Terms) (all []*Room) {
	t.Helper()
	var addresses, routes []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, l.Addr().String())
		l.Close()
		routes = append(routes, slowly(t, l.Addr().String(), late))
	}
	for _, address := range addresses {
		folder := t.TempDir()
		e := engine.New(engine.Settings{Folder: func() (string, error) { return folder, nil }, Name: t.Name(),
			Cluster:   &engine.Cluster{Name: "c", Listen: address, Routes: routes, Hosts: n},
			MaxMemory: 64 << 20, MaxDisk: 64 << 20, Log: hclog.NewNullLogger()})
		t.Cleanup(e.Close)
		if _, err := e.Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
		all = append(all, room(t, e, terms))
	}
	w := all[0].worker(t)
	for late := time.Now().Add(30 * time.Second); w.result("store.get", "s", "k").Error != ""; {
		if time.Now().After(late) {
			t.Fatal("the hosts keep nothing")
		}
	}
	return all
}

func TestWhatAWorkerOfOneHostChangesThoseOfOthersFindAtOnce(t *testing.T) {
	all := hosts(t, 3, 20*time.Millisecond, &Terms{MaxSize: 1 << 20})
	var workers []*worker
	for _, r := range all {
		workers = append(workers, r.worker(t))
	}
	for i := range 6 {
		one, other := workers[i%3], workers[(i+1)%3]
		version := number(one.ask("store.set", "s", "k", i))
		list, _ := other.ask("store.get", "s", "k").([]any)
		if len(list) != 2 || number(list[0]) != int64(i) || number(list[1]) != version {
			t.Fatalf("%d: %v, version %d", i, list, version)
		}
		many := other.ask("store.get_many", "s", []string{"none", "k"}).([]any)
		if many[0] != nil || number(many[1].([]any)[0]) != int64(i) {
			t.Fatal(i, many)
		}
		if other.ask("store.cas", "s", "k", version, "next") == nil {
			t.Fatal(i, "the version was that of another host")
		}
		token := one.ask("lock.acquire", "l", long, 0, "memory")
		if token == nil || other.ask("lock.renew", "l", token, long, "memory") != true ||
			other.ask("lock.release", "l", token, "memory") != true {
			t.Fatal(i, "the lock is not known to the other host")
		}
	}
	for i, w := range workers { // soon the copies are the same
		for late := time.Now().Add(20 * time.Second); ; {
			list, _ := w.ask("store.get", "s", "k", true).([]any)
			many := w.ask("store.get_many", "s", []string{"k"}, true).([]any)
			if len(list) == 2 && list[0] == "next" && fmt.Sprint(many[0]) == fmt.Sprint(list) {
				break
			}
			if time.Now().After(late) {
				t.Fatal(i, list, many)
			}
		}
	}
}

func TestALocksTokenGrowsThoughTheEngineHasForgottenAll(t *testing.T) {
	folder := t.TempDir()
	old, next := engineIn(t, folder), engineIn(t, folder)
	w := room(t, old, nil).worker(t)
	before := number(w.ask("lock.acquire", "l", long, 0, "memory"))
	old.Yield() // with what is in memory
	if _, err := next.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := number(w.ask("lock.acquire", "l", long, 0, "memory")); after <= before {
		t.Fatalf("%d after %d", after, before)
	}
}

func TestALockCanBeReleasedThoughThereIsNoRoomForMore(t *testing.T) {
	lockSize = 64 << 10
	defer func() { lockSize = 16 << 20 }()
	w := room(t, engineIn(t, t.TempDir()), nil).worker(t)
	var tokens []any
	for i := 0; ; i++ {
		r := w.result("lock.acquire", fmt.Sprint(i), long, 0, "memory")
		if r.Code == protocol.CallExhausted {
			break
		}
		token, _ := r.Value.Decode()
		tokens = append(tokens, token)
	}
	if w.ask("lock.release", "0", number(tokens[1]), "memory") != false {
		t.Fatal("by another's token")
	}
	if w.ask("lock.release", "0", tokens[0], "memory") != true ||
		w.ask("lock.acquire", "0", long, 0, "memory") == nil {
		t.Fatal("it is had still")
	}
}

func TestLocksWhoseTimeIsUpCountNoMore(t *testing.T) {
	r := room(t, engineIn(t, t.TempDir()), nil)
	w := r.worker(t)
	l := r.locksOf("memory")
	for i := range fewBonds { // what has no release is of a worker that relies on their time
		if err := r.bind(bond{l, fmt.Sprint(i), 1}, w.life, -time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	r.renewed(bond{l, "7", 1}, time.Hour)
	w.ask("lock.acquire", "l", long, 0, "memory")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bonds) != 2 {
		t.Fatal(len(r.bonds))
	}
}

// TestAChangeWhoseConfirmationWasLostIsMadeOnce has others change the key before it is tried again.
func TestAChangeWhoseConfirmationWasLostIsMadeOnce(t *testing.T) {
	r := room(t, engineIn(t, t.TempDir()), &Terms{MaxSize: 1 << 20})
	r.worker(t).ask("store.increment", "s", "n")
	b, key := r.bucket("s"), engine.Token("n")
	others := func(n int) {
		for range n {
			room(t, r.settings.Engine, &Terms{MaxSize: 1 << 20}).worker(t).ask("store.increment", "s", "n")
		}
	}
	// lose makes a change, or not, and has its confirmation lost.
	lose := func(made bool) (c madeBy, expected uint64) {
		there, err := b.raw(t.Context(), key, false)
		if err != nil {
			t.Fatal(err)
		}
		c = madeBy{r.life, uint64(time.Now().UnixNano())}
		next := newRecord(protocol.IntValue(100), 0, time.Now())
		next.after(there, c)
		if made {
			if err := b.again(t.Context(), func(ctx context.Context, conn *nats.Conn) error {
				_, err := b.publish(ctx, conn, b.message(key, next.encode(), 0))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		return c, there.seq
	}
	outcome := func(c madeBy, expected uint64) (seq uint64, err error) {
		failed := b.again(t.Context(), func(ctx context.Context, conn *nats.Conn) error {
			seq, err = b.outcome(ctx, conn, key, c, expected)
			return nil
		})
		if failed != nil {
			t.Fatal(failed)
		}
		return seq, err
	}
	c, expected := lose(false)
	others(1)
	if _, err := outcome(c, expected); err != errMoved {
		t.Errorf("not made: %v", err)
	}
	for _, of := range []int{0, 1, mostMade - 1} {
		c, expected := lose(true)
		others(of)
		if seq, err := outcome(c, expected); seq != expected+1 || err != nil {
			t.Errorf("made, and changed by %d others: %d after %d, %v", of, seq, expected, err)
		}
	}
	c, expected = lose(true)
	others(mostMade)
	if _, err := outcome(c, expected); err == nil || asRefusal(err, true).code != protocol.CallInternal {
		t.Errorf("made, and forgotten: %v", err)
	}
	r.worker(t).ask("store.delete", "s", []string{"n"})
	if _, err := outcome(c, expected); err != errMoved {
		t.Errorf("removed since: %v", err)
	}
}
