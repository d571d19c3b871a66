package config

import (
	"slices"
	"testing"
)

func TestSharesOfACanaryGrowToAHalf(t *testing.T) {
	for text, want := range map[string][]float64{
		"5%": {0.05}, "0.5%": {0.005}, "50%": {0.5}, "": nil, "5": nil, "0%": nil, "51%": nil, "-1%": nil, "NaN%": nil,
		"x%": nil,
	} {
		if got, err := ParseShares([]string{text}); !slices.Equal(got, want) || err == nil != (want != nil) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	if got, err := ParseShares([]string{"1%", " 10%", "50%"}); !slices.Equal(got, []float64{0.01, 0.1, 0.5}) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := ParseShares([]string{"10%", "10%"}); err == nil {
		t.Errorf("a share that does not grow is %v", got)
	}
	for text, want := range map[string]float64{"1.5x": 1.5, "1.2": 1.2, "1x": 0, "0.5x": 0, "x": 0, "NaN": 0} {
		if got, err := ParseFactor(text); got != want || err == nil != (want != 0) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
}

func TestACanaryThatCannotBeIsRefused(t *testing.T) {
	const pool = good + "[pool.web.canary]\n"
	checkMistakes(t, []mistake{
		{pool + "share = '5'", "host.toml:4: [pool.web] canary.share: \"5\" is no percentage: write, for example, " +
			"\"5%\""},
		{pool + "share = '60%'", "host.toml:4: [pool.web] canary.share: \"60%\" is no share of a canary: it is " +
			"more than 0% and at most 50%, since as many clients again go to fresh workers " +
			"of the old code, to compare with"},
		{pool + "by = 'cook'", "host.toml:4: [pool.web] canary.by: expected \"cookie\", \"address\", \"request\" " +
			"or \"header:NAME\", found \"cook\""},
		{pool + "max_slower = '1x'", "host.toml:4: [pool.web] canary.max_slower: \"1x\" is no factor above 1: " +
			"write, for example, \"1.5x\""},
		{pool + "for = '20m'", "host.toml:3: [pool.web] canary: at_most (10m) is less than `for` (20m) takes for " +
			"each share"},
		{pool + "secret_file = 'worker.php'", "host.toml:4: [pool.web] canary.secret_file: the secret has to have " +
			"16 characters at least: write one with `openssl rand -hex 16 > FILE`"},
	})
}
