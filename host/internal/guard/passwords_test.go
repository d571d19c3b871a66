package guard

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func hashed(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func TestAPasswordIsCheckedOnceAMinute(t *testing.T) {
	hash := hashed(t, "open sesame")
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords(map[string]string{"ada": hash})
		if p.Remembers("ada", "open sesame") {
			t.Error("it is remembered before it was checked")
		}
		for _, wrong := range [][2]string{{"ada", "open"}, {"bob", "open sesame"}, {"", ""},
			{"ada\x00open", " sesame"}} {
			if good, _ := p.Check(wrong[0], wrong[1], ""); good || p.Remembers(wrong[0], wrong[1]) {
				t.Errorf("%q", wrong)
			}
		}
		if good, busy := p.Check("ada", "open sesame", ""); !good || busy || !p.Remembers("ada", "open sesame") {
			t.Error("it is not good, or not remembered")
		}
		if p.Remembers("ada", "open") || p.Remembers("ad", "aopen sesame") {
			t.Error("another one is remembered")
		}
		time.Sleep(time.Minute)
		if p.Remembers("ada", "open sesame") {
			t.Error("it is remembered for longer than a minute")
		}
		if NewPasswords(map[string]string{}).Remembers("ada", "open sesame") {
			t.Error("another file's")
		}
	})
}

func TestNobodyKeepsOthersFromTheirPasswords(t *testing.T) {
	p := NewPasswords(map[string]string{"ada": hashed(t, "x")})
	for range cap(checks) {
		checks <- struct{}{}
	}
	var all sync.WaitGroup
	for range mostOfOne {
		all.Go(func() { p.Check("ada", "wrong", "192.0.2.1:5") })
	}
	for waiting.Load() < mostOfOne {
		runtime.Gosched()
	}
	if _, busy := p.Check("ada", "x", "192.0.2.1:6"); !busy {
		t.Error("one more of the same address may wait")
	}
	all.Go(func() {
		if good, busy := p.Check("ada", "x", "192.0.2.2:5"); !good || busy {
			t.Error("one of another address may not")
		}
	})
	for waiting.Load() < mostOfOne+1 {
		runtime.Gosched()
	}
	for range cap(checks) {
		<-checks
	}
	all.Wait()
	if n := byAddress.Addresses(); n > 0 {
		t.Errorf("%d addresses are still counted", n)
	}
}

func TestTooManyPasswordsAtOnceAreTurnedAway(t *testing.T) {
	p := NewPasswords(map[string]string{"ada": hashed(t, "x")})
	for range cap(checks) {
		checks <- struct{}{}
	}
	var all sync.WaitGroup
	for range mostWaiting {
		all.Go(func() {
			if good, busy := p.Check("ada", "x", ""); !good || busy {
				t.Error("one that may wait was turned away")
			}
		})
	}
	for waiting.Load() < mostWaiting {
		time.Sleep(time.Millisecond)
	}
	if good, busy := p.Check("ada", "x", ""); good || !busy {
		t.Error("one too many waits")
	}
	for range cap(checks) {
		<-checks
	}
	all.Wait()
}
