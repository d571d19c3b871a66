package canary

import (
	"math"
	"math/bits"
	"testing"
	"time"
)

func TestHeadsAreCounted(t *testing.T) {
	for _, c := range []struct {
		k, n int
		p    float64
		want float64
	}{
		{0, 5, 0.5, 1}, {5, 5, 0.5, 1. / 32}, {4, 5, 0.5, 6. / 32}, {6, 5, 0.5, 0}, {1, 1, 0.05, 0.05},
		{12, 12, 0.5, 1. / 4096}, {0, 0, 0.5, 1}, {1, 3, 0, 0}, {3, 3, 1, 1}, {2, 3, 0.1, 0.028},
		{550, 1000, 0.5, 0.000865},
	} {
		if got := heads(c.k, c.n, c.p); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%d of %d with %v: %v, where it is %v", c.k, c.n, c.p, got, c.want)
		}
	}
}

// all orders of a few values, each as a set of places that the first sort has
func TestRanksAreThoseOfAllShuffles(t *testing.T) {
	for _, c := range []struct{ n, m int }{{1, 1}, {2, 3}, {4, 4}, {5, 3}, {1, 8}} {
		wins := func(places uint) (u int) {
			low := 0
			for i := range c.n + c.m {
				if places>>i&1 == 1 {
					u += low
				} else {
					low++
				}
			}
			return u
		}
		for places := range uint(1) << (c.n + c.m) {
			if bits.OnesCount(places) != c.n {
				continue
			}
			var high, low []float64
			for i := range c.n + c.m {
				if places>>i&1 == 1 {
					high = append(high, float64(i))
				} else {
					low = append(low, float64(i))
				}
			}
			all, some := 0, 0
			for other := range uint(1) << (c.n + c.m) {
				if bits.OnesCount(other) == c.n {
					if all++; wins(other) >= wins(places) {
						some++
					}
				}
			}
			if got, want := ranks(high, low), float64(some)/float64(all); math.Abs(got-want) > 1e-12 {
				t.Fatalf("%v over %v: %v, where it is %v", high, low, got, want)
			}
		}
	}
}

func TestRanksOfManyAreCloseToTheCount(t *testing.T) {
	for _, shift := range []float64{0, 3, 8, 12} {
		var high, low []float64
		for i := range 30 {
			high = append(high, float64(i)+shift+0.3)
			low = append(low, float64(i))
		}
		exact, near := ranks(high, low), 0.0
		high, low = append(high, 1000), append(low, -1000) // 31 × 31 is too many to count
		if near = ranks(high, low); near > 2*exact || near < exact/4 {
			t.Errorf("shifted by %v: %v where it is counted, and %v where it is not", shift, exact, near)
		}
	}
	if got := ranks([]float64{1, 1, 1}, []float64{1, 1, 1}); got < 0.3 {
		t.Errorf("what is all the same differs by %v", got)
	}
	if ranks(nil, []float64{1}) != 1 {
		t.Error("nothing differs from something")
	}
}

func TestLooksGrowApartAndEndWithTheTime(t *testing.T) {
	at := Looks(2*time.Minute, 2, 10*time.Minute)
	if at[0] != firstLook || at[len(at)-1] != 10*time.Minute || len(at) > 32 {
		t.Errorf("looks at %v", at)
	}
	if at := Looks(time.Second, 1, time.Second); len(at) != 1 {
		t.Errorf("looks at %v", at)
	}
}
