// canary.go: how new code is tried on a share of the clients before it goes live.

package config

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Canary says how a reload tries new code, unless its command says otherwise.
type Canary struct {
	Share         Words         `key:"share" holds:"percentage or array" absent:"off" means:"share of the clients that a reload tries new code on before it puts it live, such as \"5%\", at most 50%; of [\"1%\", \"10%\"] each lasts for the time of for; without it only host reload --canary does; host help canary"`
	For           time.Duration `key:"for" default:"2m" min:"1s" max:"720h" means:"how long each share of a canary lasts"`
	AtMost        time.Duration `key:"at_most" default:"10m" min:"1s" max:"720h" means:"how long a canary may last: one that has not come to a verdict by then is turned back"`
	MaxErrors     string        `key:"max_errors" holds:"percentage" default:"1%" means:"how many more of the requests may fail with new code than with old"`
	MaxSlower     string        `key:"max_slower" holds:"factor" default:"1.2x" means:"how many times as long as old code new code may take"`
	MaxGrowth     Size          `key:"max_growth" default:"20KiB" min:"1B" means:"by how much more a worker of new code may grow with each request"`
	LeastClients  int           `key:"least_clients" default:"20" min:"12" max:"10000" means:"clients that new code, and old code beside it, have to have had for a verdict that it does well"`
	LeastRequests int           `key:"least_requests" default:"200" min:"1" max:"1000000" means:"requests that they have to have had"`
	By            string        `key:"by" holds:"\"cookie\", \"address\", \"request\" or \"header:NAME\"" default:"cookie" means:"what a client is known again by, so that it stays with its code: a cookie that the host sets, its address, a header; with request nobody is"`
	SecretFile    string        `key:"secret_file" holds:"path" absent:"off" means:"file with a secret that lets its owner choose, by the header X-Worker-Generation: candidate:SECRET (or control, or stable), or a cookie worker_generation of that value; such requests are no evidence"`
}

// MostShare is the greatest share of a canary: as many clients again go to fresh workers of the old code.
const MostShare = 0.5

// ParseShare reads "5%" or "0.5%", as a fraction.
func ParseShare(s string) (float64, error) {
	number, isPercent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseFloat(number, 64)
	if !isPercent || err != nil || !(n >= 0 && n <= 100) {
		return 0, fmt.Errorf("%q is no percentage: write, for example, \"5%%\"", s)
	}
	return n / 100, nil
}

// ParseShares reads the shares of a canary, which have to grow.
func ParseShares(all []string) (shares []float64, err error) {
	last := 0.0
	for _, text := range all {
		share, err := ParseShare(strings.TrimSpace(text))
		switch {
		case err != nil:
			return nil, err
		case share == 0 || share > MostShare:
			return nil, fmt.Errorf("%q is no share of a canary: it is more than 0%% and at most 50%%, since as many "+
				"clients again go to fresh workers of the old code, to compare with", text)
		case share <= last:
			return nil, fmt.Errorf("%q is no more than the share before it", text)
		}
		last = share
		shares = append(shares, share)
	}
	return shares, nil
}

// ParseFactor reads "1.5x", or "1.5".
func ParseFactor(s string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "x"), 64)
	if err != nil || !(n > 1 && n <= 1000) {
		return 0, fmt.Errorf("%q is no factor above 1: write, for example, \"1.5x\"", s)
	}
	return n, nil
}

func (f *Canary) check(c *Config, at string, fail fail) {
	if _, err := ParseShares(f.Share); err != nil {
		fail(at+".share", "%v", err)
	}
	if _, err := ParseShare(f.MaxErrors); err != nil {
		fail(at+".max_errors", "%v", err)
	}
	if _, err := ParseFactor(f.MaxSlower); err != nil {
		fail(at+".max_slower", "%v", err)
	}
	if f.AtMost < f.For*time.Duration(max(1, len(f.Share))) {
		fail(at, "at_most (%s) is less than `for` (%s) takes for each share", FormatDuration(f.AtMost),
			FormatDuration(f.For))
	}
	header, isHeader := strings.CutPrefix(f.By, "header:")
	switch {
	case isHeader && header != "":
	case f.By != "cookie" && f.By != "address" && f.By != "request":
		fail(at+".by", `expected "cookie", "address", "request" or "header:NAME", found %s`, describe(f.By))
	}
	if f.SecretFile != "" {
		f.SecretFile = absolute(c.Folder, f.SecretFile)
		if _, err := f.Secret(); err != nil {
			fail(at+".secret_file", "%v", err)
		}
	}
}

// Secret reads the secret; "" if there is none.
func (f *Canary) Secret() (string, error) {
	if f.SecretFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(f.SecretFile)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < 16 {
		return "", errors.New("the secret has to have 16 characters at least: write one with " +
			"`openssl rand -hex 16 > FILE`")
	}
	return secret, nil
}
