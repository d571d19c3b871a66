// junit.go: a report as the XML that pipelines show, of JUnit's making.

package rehearse

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suite   suite    `xml:"testsuite"`
}

type suite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Cases    []testCase `xml:"testcase"`
}

type testCase struct {
	Class    string    `xml:"classname,attr"`
	Name     string    `xml:"name,attr"`
	Time     string    `xml:"time,attr"` // seconds
	Failures []failing `xml:"failure"`
}

type failing struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report with a test case for each route, and a failure for each kind of difference.
func (r *Report) JUnit(w io.Writer) error {
	s := suite{Name: "host rehearse", Tests: len(r.Routes)}
	for _, route := range r.Routes {
		c := testCase{Class: plainXML(r.New.Name), Name: plainXML(route.Name),
			Time: fmt.Sprintf("%.3f", route.New/1000)}
		for _, g := range r.Groups {
			if g.Route != route.Name {
				continue
			}
			c.Failures = append(c.Failures, failing{Type: g.Kind,
				Message: plainXML(fmt.Sprintf("%s differs in %d of %d requests: %s", g.Kind, g.Count, route.Asked,
					g.Example.Request)),
				Text: plainXML(fmt.Sprintf("old %s: %s\nnew %s: %s\n%s", r.Old.Name, g.Example.Old, r.New.Name,
					g.Example.New, g.Example.Diff))})
		}
		if len(c.Failures) > 0 {
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suites{Suite: s}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// plainXML has what XML 1.0 can't carry replaced.
func plainXML(text string) string {
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c >= 0xfffe && c <= 0xffff {
			return '·'
		}
		return c
	}, text)
}
