// Package trace has the spans of what the host does: it makes their ids, reads and writes W3C Trace Context, decides
// which are sampled, and gives those that have ended to an Exporter in batches. It knows no HTTP and no OTLP.
//
// What a reader may rely on:
//   - Whoever ends a span never waits: what finds the queue full is dropped and counted (tracer.go).
//   - The nil *Tracer is tracing that is off: its spans are zero, and cost a comparison.
//   - What holds a Tracer may be replaced at any time: spans that have begun still come out, and its one goroutine
//     ends after them.
//
// trace.go is what a span is, context.go how others are told of it, tracer.go its way out.
package trace

import (
	"sync"
	"time"
)

// Span is a piece of work while it goes on. The zero one is not traced.
type Span struct {
	Context
	parent  SpanID  // the zero one: it begins a trace
	follows bool    // its parent has decided whether it is sampled
	tracer  *Tracer // nil: it is not traced
}

// Traced says whether there is a span, be it sampled or not: then workers are told of it.
func (s *Span) Traced() bool { return s.tracer != nil }

// Decided says whether the span's parent had decided if it is sampled.
func (s *Span) Decided() bool { return s.follows }

// Record is where the span's owner says what came of it, before End; nil if the span is not sampled.
func (s *Span) Record(began time.Time) *Record {
	if !s.Sampled {
		return nil
	}
	r := records.Get().(*Record)
	r.Context, r.Parent, r.Began = s.Context, s.parent, began
	return r
}

// End gives the record of a span that is over to the exporter, whose it is from now on, and never waits. A span that
// is sampled has to end, with nil if there is nothing to tell; none may end twice.
func (s *Span) End(r *Record) {
	if !s.Sampled {
		return
	}
	if r != nil {
		if r.Ended.IsZero() {
			r.Ended = time.Now()
		}
		s.tracer.add(r)
	}
	s.tracer.release()
}

// Kind is which side of a call a span is, by OTLP's numbers.
type Kind int

// The kinds of spans.
const (
	Internal Kind = 1
	Server   Kind = 2
	Consumer Kind = 5
)

// Record is what is told of a span that is over.
type Record struct {
	Context
	Parent       SpanID // the zero one: it begins a trace
	Name         string
	Kind         Kind
	Began, Ended time.Time
	Attributes   Attributes
	Link         Context // of another trace's span that led to it; the zero one is none
	Events       []Event // that happened meanwhile
	Failed       bool
	Fault        string // why it failed, in words
}

// Event is what happened at a moment within a span.
type Event struct {
	At         time.Time
	Name       string
	Attributes Attributes
}

// Attributes are what is told of a span or an event, by their names in OpenTelemetry's conventions.
type Attributes []Attribute

// Attribute is one of them. Its value is Real if that is not 0, else Text, unless Whole says something.
type Attribute struct {
	Key   string
	Type  Type
	Text  string
	Whole int64
	Real  float64
}

// Type says which value an Attribute has.
type Type int

// The types of attributes.
const (
	Text Type = iota
	Whole
	Real
)

// longestText is how much of a text a span has, so that what waits for the collector stays within bounds.
const longestText = 2048

// Text adds a text, unless it is "". It is copied, since what it is a part of may be large.
func (a *Attributes) Text(key, value string) {
	if value == "" {
		return
	}
	*a = append(*a, Attribute{Key: key, Text: bounded(value)})
}

// Word adds a text that is a constant, or is kept anyway.
func (a *Attributes) Word(key, value string) {
	if value != "" {
		*a = append(*a, Attribute{Key: key, Text: value})
	}
}

// Whole adds a number.
func (a *Attributes) Whole(key string, value int64) {
	*a = append(*a, Attribute{Key: key, Type: Whole, Whole: value})
}

// Millis adds a time as milliseconds.
func (a *Attributes) Millis(key string, d time.Duration) {
	*a = append(*a, Attribute{Key: key, Type: Real, Real: float64(d.Microseconds()) / 1000})
}

var records = sync.Pool{New: func() any { return new(Record) }}

// free gives a record back when it has been exported, or never will be.
func (r *Record) free() {
	clear(r.Attributes)
	*r = Record{Attributes: r.Attributes[:0]}
	records.Put(r)
}
