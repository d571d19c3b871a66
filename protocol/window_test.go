package protocol

import (
	"errors"
	"math"
	"testing"
)

func TestCreditNeverGivesMoreThanItHas(t *testing.T) {
	c := Credit(10)
	for _, step := range []struct{ want, got, left int }{{0, 0, 10}, {-5, 0, 10}, {4, 4, 6}, {math.MaxInt, 6, 0},
		{1, 0, 0}} {
		if n := c.Take(step.want); n != step.got || int(c) != step.left {
			t.Errorf("Take(%d) gave %d and left %d, want %d and %d", step.want, n, c, step.got, step.left)
		}
	}
}

func TestCreditGrowsToTheLargestWindowAndNoFurther(t *testing.T) {
	var c Credit
	for _, step := range []struct {
		n  int
		ok bool
	}{{0, true}, {1, true}, {-1, false}, {MaxWindow, false}, {MaxWindow - 1, true}, {1, false}} {
		before := c
		err := c.Grant(7, step.n)
		if broken := (*LinkError)(nil); (err == nil) != step.ok || err != nil && !errors.As(err, &broken) {
			t.Errorf("Grant(7, %d) on %d: error %v", step.n, before, err)
		}
		if err != nil && c != before {
			t.Errorf("Grant(7, %d) on %d failed and left %d", step.n, before, c)
		}
	}
}

func TestAllowanceRefusesOneByteTooMany(t *testing.T) {
	a := NewAllowance(100)
	for _, step := range []struct {
		n  int
		ok bool
	}{{60, true}, {0, true}, {41, false}, {40, true}, {0, true}, {1, false}} {
		if err := a.Receive(7, step.n); (err == nil) != step.ok {
			t.Errorf("Receive(7, %d): error %v", step.n, err)
		}
	}
}

func TestAllowanceGathersGrantsUpToHalfAWindow(t *testing.T) {
	a := NewAllowance(100)
	if err := a.Receive(7, 100); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ consumed, granted int }{{0, 0}, {49, 0}, {1, 50}, {10, 0}, {40, 50}} {
		if n := a.Release(step.consumed); n != step.granted {
			t.Errorf("Release(%d) grants %d, want %d", step.consumed, n, step.granted)
		}
	}
	if err := a.Receive(7, 100); err != nil {
		t.Errorf("all was granted again: %v", err)
	}
}

// A sender that has used its window up always gets some of it back once the receiver has consumed what came.
func TestNoWindowIsTooSmallToFlow(t *testing.T) {
	for _, window := range []int{1, 2, 3, 7, MaxData - 1, MaxData, MaxData + 1, DefaultWindow} {
		a, c := NewAllowance(window), Credit(window)
		for sent := 0; sent < 20*window; {
			n := c.Take(min(MaxData, 20*window-sent))
			if n == 0 {
				t.Fatalf("window %d: stuck after %d bytes", window, sent)
			}
			sent += n
			if err := a.Receive(7, n); err != nil {
				t.Fatal(err)
			}
			if err := c.Grant(7, a.Release(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
