// kinds.go: what requests of one kind usually take, so that a client is not slow for what it asks.

package canary

import (
	"math"
	"strings"
)

// mostKinds bounds how many are told apart; the rest is one.
const mostKinds = 1000

// kinds has a running mean of logarithms for each kind, of both generations together: that favours neither. It is not
// safe for concurrent use.
type kinds map[string]*kind

type kind struct {
	count int
	mean  float64
}

func newKinds() kinds { return kinds{} }

// pace counts a time in seconds in, and gives the logarithm of how many times as long it is as those before it. The
// first of a kind is as all others.
func (k kinds) pace(name string, seconds float64) float64 {
	of := k[name]
	if of == nil {
		if len(k) >= mostKinds {
			name = ""
		}
		if of = k[name]; of == nil {
			of = &kind{}
			k[strings.Clone(name)] = of
		}
	}
	took := math.Log(max(seconds, 1e-6))
	if of.count == 0 {
		of.mean = took
	}
	pace := took - of.mean
	of.count++
	of.mean += (took - of.mean) / float64(of.count)
	return pace
}
