package protocol

import (
	"strings"
	"testing"
)

func TestWhatIsNoPurgeIsToldByWhoeverSendsIt(t *testing.T) {
	long := strings.Repeat("x", MaxPurgeName)
	for _, m := range []*Purge{{}, {All: true}, {Tags: []string{"a", long}}, {URLs: []string{"/", "/" + long[1:]}},
		{URLs: []string{"http://a", "https://example.org/*"}}, {Tags: make0(MaxPurged - 1), URLs: []string{"/"}}} {
		if err := m.Check(); err != nil {
			t.Errorf("%d tags, %.20q: %v", len(m.Tags), m.URLs, err)
		}
	}
	for want, m := range map[string]*Purge{
		"a tag has 1 to 8192 bytes, and this one 0":             {Tags: []string{"a", ""}},
		"a tag has 1 to 8192 bytes, and this one 8193":          {Tags: []string{long + "x"}},
		"a URL to purge has at most 8192 bytes":                 {URLs: []string{"/" + long}},
		`"" is no URL to purge`:                                 {URLs: []string{""}},
		`"example.org/" is no URL to purge`:                     {URLs: []string{"example.org/"}},
		`"ftp://a/" is no URL to purge`:                         {URLs: []string{"ftp://a/"}},
		"1001 tags and URLs at once: at most 1000 are possible": {Tags: make0(MaxPurged), URLs: []string{"/"}},
	} {
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %s", err, want)
		}
	}
}

func make0(n int) []string { return strings.Split(strings.Repeat("t,", n-1)+"t", ",") }
