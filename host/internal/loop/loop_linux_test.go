package loop

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// end is one end of a pair of sockets, that says what comes.
type end struct {
	said chan string

	mu sync.Mutex
	fd int // -1: closed; guarded by mu
	on Registration
}

func (e *end) Happened(events uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b [16]byte
	for e.fd >= 0 && events&unix.EPOLLIN != 0 {
		n, err := unix.Read(e.fd, b[:])
		if err != nil || n <= 0 {
			return
		}
		e.said <- string(b[:n])
	}
}

func (e *end) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.on.Remove()
	unix.Close(e.fd)
	e.fd = -1
}

// pair has an end heard, and returns the other one's descriptor.
func pair(t *testing.T, s *Set) (*end, int) {
	both, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := &end{said: make(chan string, 1), fd: both[0]}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.on, err = s.Add(e.fd, e); err != nil {
		t.Fatal(err)
	}
	return e, both[1]
}

// Descriptors are given out anew as soon as they are closed, so each event that came too late would be another's.
func TestNobodyHearsWhatIsSaidToAnother(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for who := range 8 {
		all.Go(func() {
			for round := range 500 {
				e, other := pair(t, s)
				if round%2 == 0 {
					want := fmt.Sprint(who, " ", round)
					unix.Write(other, []byte(want))
					if got := <-e.said; got != want {
						t.Errorf("%q was heard instead of %q", got, want)
					}
				}
				unix.Write(other, []byte("late"))
				e.close()
				unix.Close(other)
			}
		})
	}
	all.Wait()
	s.Close()
	for _, one := range s.loops {
		if n := len(one.handlers); n > 0 {
			t.Errorf("%d registrations are left", n)
		}
	}
	for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() { // they end late
		if time.Now().After(until) {
			t.Fatalf("%d goroutines, and %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestWhatCannotBeHeardIsSaid(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	on, err := s.Add(-1, &end{})
	if err == nil {
		t.Error("it was")
	}
	on.Remove() // of none
}

func TestWhatTheKernelCannotWatchIsTold(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var told error
	s.Refused = func(err error) { told = err }
	fd, err := unix.MemfdCreate("a file, which is none of its kind", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := s.Add(fd, &end{}); err != unix.EPERM || told != err {
		t.Errorf("%v; told was %v", err, told)
	}
}
