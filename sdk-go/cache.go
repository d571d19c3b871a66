// Purges: what the host's cache is to forget (SPEC.md §20).

package sdk

import (
	"context"
	"fmt"
	"slices"

	"github.com/workerhost/workerhost/protocol"
)

// Purger has the host's cache forget what it has stored of the realm's answers before its time; [Cache] gives it. Its
// methods are safe for concurrent use.
//
// What is purged with the context of a request or an event takes effect when its handler returns (for an event: nil),
// all together with what it sends, and before the client has the answer; a handler that panics, and that of an event
// that returns an error, has purged nothing. With [Purger.Now], with any other context, and after the handler, it
// takes effect as soon as the host reads it. What is under way meanwhile, and would be dropped, is not stored.
type Purger struct {
	ctx context.Context
	l   *link
	s   *stream
	now bool
}

// Purge is what the cache is to forget.
type Purge struct {
	Tags []string // of answers' Cache-Tag, Surrogate-Key or Xkey, each of 1 to 8192 bytes
	// URLs are whole ones, "https://example.org/a?b", or paths under any name, "/a?b", of at most 8192 bytes; with "*"
	// at its end all that begin so.
	URLs []string
	All  bool // all that there is
}

// Cache gives what purges answers that the host has stored. ctx is that of a request, an event or a tick, or any other
// of a program that serves.
func Cache(ctx context.Context) Purger {
	h := Connections(ctx)
	return Purger{ctx: ctx, l: h.l, s: h.s}
}

// Now purges at once, whatever becomes of the handler.
func (p Purger) Now() Purger {
	p.now = true
	return p
}

// Purge drops what is stored: whatever has one of the tags, or one of the URLs. An error says that it is none, or that
// it could not be sent; a host that stores nothing has nothing to drop, which is none.
func (p Purger) Purge(what Purge) error {
	if p.l == nil {
		return ErrNoHost
	}
	var all []*protocol.Purge
	if len(what.Tags)+len(what.URLs) <= protocol.MaxPurged {
		all = append(all, &protocol.Purge{Tags: what.Tags, URLs: what.URLs, All: what.All})
	} else {
		for some := range slices.Chunk(what.Tags, protocol.MaxPurged) {
			all = append(all, &protocol.Purge{Tags: some, All: what.All})
		}
		for some := range slices.Chunk(what.URLs, protocol.MaxPurged) {
			all = append(all, &protocol.Purge{URLs: some, All: what.All})
		}
	}
	for _, m := range all {
		if err := m.Check(); err != nil {
			return fmt.Errorf("sdk: %w", err)
		}
	}
	if !slices.Contains(p.l.offers, protocol.FeatureCache) || len(what.Tags)+len(what.URLs) == 0 && !what.All {
		return nil
	}
	flags := protocol.Flags(0)
	if p.now {
		flags = protocol.FlagNow
	}
	for _, m := range all {
		err := p.l.ask(p.s, flags, func(stream uint32, now protocol.Flags, _ bool) (protocol.Message, error) {
			m.Stream, m.Flags = stream, now
			return m, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
