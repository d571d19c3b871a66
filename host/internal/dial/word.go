// word.go: whose word counts for a name that workers of several generations have asked for (SPEC.md §16.2).

package dial

import (
	"math"
	"slices"
)

// mostWords is of how many generations a dial keeps the last word: more than a pool can go back to.
const mostWords = 8

// rank is how much a generation of the pool has to say.
func (o *Owner) rank(generation uint64) int {
	live, coming := o.Serving()
	switch generation {
	case 0: // the configuration's
	case coming:
		return 2
	case live:
		return 1
	}
	return 0
}

// yields says whether o has less to say than an order of the same owner.
func (o *Order) yields(to *Order) bool {
	mine, other := o.Owner.rank(o.Generation), o.Owner.rank(to.Generation)
	return mine < other || mine == other && o.Generation < to.Generation
}

// hears notes the last word of a generation. Orders of the same terms are kept once.
func (d *dial) hears(o *Order) {
	if d.words == nil {
		d.words = map[uint64]*Order{}
	}
	if last := d.latest(); last.sameTerms(o) {
		d.words[o.Generation] = last
	} else {
		d.words[o.Generation] = o
	}
	if len(d.words) <= mostWords {
		return
	}
	live, _ := o.Owner.Serving()
	oldest := uint64(math.MaxUint64)
	for generation := range d.words {
		if generation != live {
			oldest = min(oldest, generation)
		}
	}
	delete(d.words, oldest)
}

// wayBack is what the code that is live has asked for, where a dial stands by the word of code that is not; nil if it
// has asked for nothing else. stays says that it has asked for nothing, and that later code has, which is no more.
func (d *dial) wayBack() (back *Order, stays bool) {
	o := d.latest()
	live, _ := o.Owner.Serving()
	if o.Generation == live {
		return nil, false
	}
	switch back = d.words[live]; {
	case back == nil:
		return nil, live > 0 && o.Generation > live
	case back.sameTerms(o):
		return nil, false
	}
	return back, false
}

// tellStaying tells of dials that only code has asked for that does not serve.
func (r *Room) tellStaying(of *Owner, names []string) {
	const shown = 10
	count := len(names)
	if count == 0 {
		return
	}
	slices.Sort(names)
	live, _ := of.Serving()
	r.Log.Warn("dials stay that only newer code has asked for, which does not serve any more; dial.close ends one",
		"pool", of.Pool, "generation", live, "count", count, "dials", names[:min(count, shown)])
}
