// Purges: what caches are to forget (SPEC.md §20): the act PURGE.

package protocol

import (
	"fmt"
	"strconv"
	"strings"
)

// FeatureCache is the feature of a HELLO whose host knows [Purge].
const FeatureCache = "cache"

// Bounds of a PURGE (SPEC.md §20.2).
const (
	MaxPurged    = 1000 // tags and URLs together
	MaxPurgeName = 8192 // bytes of each
)

// Purge is PURGE: what is stored of the realm's answers is dropped before its time.
type Purge struct {
	Stream uint32
	Flags  Flags
	Tags   []string // of answers' Cache-Tag, Surrogate-Key or Xkey
	// URLs are whole ones, "https://example.org/a?b", or paths under any name, "/a?b"; with "*" at its end all that
	// begin so.
	URLs []string
	All  bool
}

// Type implements [Message].
func (*Purge) Type() Type { return TypePurge }

// On implements [Act].
func (m *Purge) On() (uint32, Flags) { return m.Stream, m.Flags }

// AppendFrame implements [Message].
func (m *Purge) AppendFrame(b []byte) []byte {
	start := len(b)
	b = beginAct(b, TypePurge, m.Stream, m.Flags)
	t := tail{&shapes[TypePurge], 3}
	if len(m.Tags) > 0 {
		b = appendPairs(t.upTo(b, 3), m.Tags)
	}
	if len(m.URLs) > 0 {
		b = appendPairs(t.upTo(b, 4), m.URLs)
	}
	if m.All {
		b = appendBool(t.upTo(b, 5), true)
	}
	return t.endFrame(b, start)
}

// Parse implements [Act].
func (m *Purge) Parse(payload []byte) error {
	f, flags := openAct(payload, TypePurge)
	*m = Purge{Stream: f.stream, Flags: flags}
	m.Tags = f.at("tags").strings(nil)
	m.URLs = f.at("urls").strings(nil)
	m.All = f.at("all").bool()
	return f.end()
}

// Check finds what is wrong with a purge, or nil.
func (m *Purge) Check() error {
	if n := len(m.Tags) + len(m.URLs); n > MaxPurged {
		return fmt.Errorf("%d tags and URLs at once: at most %d are possible", n, MaxPurged)
	}
	for _, tag := range m.Tags {
		if tag == "" || len(tag) > MaxPurgeName {
			return fmt.Errorf("a tag has 1 to %d bytes, and this one %d", MaxPurgeName, len(tag))
		}
	}
	for _, url := range m.URLs {
		switch {
		case len(url) > MaxPurgeName:
			return fmt.Errorf("a URL to purge has at most %d bytes, and this one %d", MaxPurgeName, len(url))
		case !strings.HasPrefix(url, "/") && !strings.HasPrefix(url, "https://") &&
			!strings.HasPrefix(url, "http://"):
			return fmt.Errorf("%s is no URL to purge: write \"https://example.org/path\", or \"/path\" for all "+
				"names; with \"*\" at its end all that begin so", strconv.Quote(shortened(url)))
		}
	}
	return nil
}
