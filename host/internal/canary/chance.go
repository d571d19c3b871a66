// chance.go: how often chance alone would do what was seen. Three questions, each answered exactly where numbers are
// small, and none with an assumption about how times or errors are distributed.

package canary

import (
	"cmp"
	"math"
	"slices"
)

// heads is how often n tosses of a coin that falls on its head with probability p give k heads or more.
func heads(k, n int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n || p <= 0:
		return 0
	case p >= 1:
		return 1
	}
	all, _ := math.Lgamma(float64(n + 1))
	sum := 0.0
	for i := k; i <= n; i++ {
		a, _ := math.Lgamma(float64(i + 1))
		b, _ := math.Lgamma(float64(n - i + 1))
		term := math.Exp(all - a - b + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		sum += term
		if float64(i) > float64(n)*p && term < sum*1e-12 {
			break // the rest is smaller still
		}
	}
	return min(1, sum)
}

// mostExact bounds the product of two sizes up to which ranks counts every order there is.
const mostExact = 900

// ranks is how often a shuffle of both would put high as high as it stands, or higher: Wilcoxon's rank sum test, to
// one side.
func ranks(high, low []float64) float64 {
	n, m := len(high), len(low)
	if n == 0 || m == 0 {
		return 1
	}
	type value struct {
		v    float64
		high bool
	}
	all := make([]value, 0, n+m)
	for _, v := range high {
		all = append(all, value{v, true})
	}
	for _, v := range low {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(a, b value) int { return cmp.Compare(a.v, b.v) })
	sum, ties := 0.0, 0.0 // of the ranks of high; of t³ - t for each t that are equal
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		for _, v := range all[i:j] {
			if v.high {
				sum += float64(i+j+1) / 2
			}
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	u := sum - float64(n*(n+1))/2 // how many pairs high wins
	if n*m <= mostExact {
		return orders(n, m, int(math.Floor(u)))
	}
	total := float64(n + m)
	spread := float64(n*m) / 12 * (total + 1 - ties/(total*(total-1)))
	if spread <= 0 {
		return 1
	}
	return math.Erfc((u-0.5-float64(n*m)/2)/math.Sqrt(2*spread)) / 2
}

// orders is the share of all orders of n and m values in which the n win u pairs or more.
func orders(n, m, u int) float64 {
	// ways[j] has, for j of the n placed so far, in how many orders they win so many pairs
	ways := make([][]float64, n+1)
	for j := range ways {
		ways[j] = make([]float64, n*m+1)
	}
	ways[0][0] = 1
	for rank := range n + m { // each value in turn is one of the n, and wins over those of the m before it, or is not
		for j := min(n, rank+1); j >= 1; j-- {
			won := rank - (j - 1)
			if won > m {
				continue
			}
			for w := n*m - won; w >= 0; w-- {
				ways[j][w+won] += ways[j-1][w]
			}
		}
	}
	all, some := 0.0, 0.0
	for w, count := range ways[n] {
		if all += count; w >= u {
			some += count
		}
	}
	return some / all
}
