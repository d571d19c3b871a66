package peer

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSilenceIsNotCountedWhileTheHubKeepsTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l idleTimer
		l.start(func() {})
		defer l.end()
		expect := func(want time.Duration) {
			t.Helper()
			if got := l.silence(&l.spoke, sinceEpoch()); got != want {
				t.Errorf("silent for %v, want %v", got, want)
			}
		}
		expect(0)
		time.Sleep(time.Minute)
		expect(time.Minute)

		l.back.Store(waiting) // as deliver does
		time.Sleep(time.Minute)
		expect(0)
		l.back.Store(int64(sinceEpoch()))
		time.Sleep(time.Second)
		expect(time.Second)

		l.spoke.Store(int64(sinceEpoch()))
		time.Sleep(2 * time.Second)
		expect(2 * time.Second)
	})
}

func TestATimerThatHasEndedIsNotWoundUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := DefaultSocketLimits()
		p := &Peers{terms: func() *Terms { return &Terms{limits: &limits} }}
		l := &link{peers: p}
		var looks atomic.Int32
		l.idle.start(func() {
			looks.Add(1)
			l.watch(nil)
		})
		time.Sleep(3*laterLook + time.Second)
		if n := looks.Load(); n != 4 {
			t.Errorf("it looked %d times", n)
		}
		l.idle.end()
		l.watch(nil) // one that was under way
		time.Sleep(3 * laterLook)
		if n := looks.Load(); n != 4 {
			t.Errorf("it looked %d times, %d of them after the end", n, n-4)
		}
	})
}
