// Spans in protobuf, written at once: by way of OTLP's generated messages each cost ten times as much processor time.
// The tests read them with those. Names and numbers of fields are opentelemetry/proto/trace/v1's and common/v1's.

package otlp

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// scope is what has made the spans.
const scope = "github.com/workerhost/workerhost/host"

// appendRequest appends an ExportTraceServiceRequest of a batch.
func (e *Exporter) appendRequest(b []byte, batch []*trace.Record) []byte {
	b, all := open(b, 1)         // resource_spans
	b = append(b, e.resource...) // resource
	b, scoped := open(b, 2)      // scope_spans
	b, by := open(b, 1)          // scope
	b = appendText(b, 1, scope)
	b = appendText(b, 2, e.settings.Version)
	b = closed(b, by)
	for _, r := range batch {
		b = appendSpan(b, r)
	}
	b = closed(b, scoped)
	return closed(b, all)
}

// resource is the field of that name, of whose spans they are.
func resource(s Settings) []byte {
	var all trace.Attributes
	for _, key := range slices.Sorted(maps.Keys(s.Attributes)) {
		all.Word(key, s.Attributes[key])
	}
	b, at := open(nil, 1)
	return closed(appendAttributes(b, 1, all), at)
}

func appendSpan(b []byte, r *trace.Record) []byte {
	b, at := open(b, 2)            // spans
	b = appendPlace(b, &r.Context) // trace_id, span_id, trace_state
	if r.Parent != (trace.SpanID{}) {
		b = appendBytes(b, 4, r.Parent[:]) // parent_span_id
	}
	b = appendText(b, 5, r.Name)
	b = appendNumber(b, 6, uint64(r.Kind))
	b = appendTime(b, 7, r.Began)
	b = appendTime(b, 8, r.Ended)
	b = appendAttributes(b, 9, r.Attributes)
	for i := range r.Events {
		event := &r.Events[i]
		inner, begun := open(b, 11) // events
		inner = appendTime(inner, 1, event.At)
		inner = appendText(inner, 2, event.Name)
		b = closed(appendAttributes(inner, 3, event.Attributes), begun)
	}
	if r.Link.Known() {
		inner, begun := open(b, 13) // links
		inner = appendPlace(inner, &r.Link)
		b = closed(appendFlags(inner, 6), begun)
	}
	if r.Failed {
		const failed = 2
		inner, begun := open(b, 15) // status
		inner = appendText(inner, 2, r.Fault)
		b = closed(appendNumber(inner, 3, failed), begun)
	}
	return closed(appendFlags(b, 16), at)
}

// appendPlace has what spans and links begin with.
func appendPlace(b []byte, c *trace.Context) []byte {
	b = appendBytes(b, 1, c.TraceID[:])
	b = appendBytes(b, 2, c.SpanID[:])
	return appendText(b, 3, c.State)
}

// appendFlags has those of W3C Trace Context: sampled.
func appendFlags(b []byte, field protowire.Number) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), 1)
}

func appendAttributes(b []byte, field protowire.Number, all trace.Attributes) []byte {
	for i := range all {
		a := &all[i]
		inner, pair := open(b, field) // KeyValue
		inner = appendText(inner, 1, a.Key)
		inner, value := open(inner, 2) // AnyValue
		switch a.Type {
		case trace.Whole:
			inner = appendNumber(inner, 3, uint64(a.Whole))
		case trace.Real:
			inner = protowire.AppendTag(inner, 4, protowire.Fixed64Type)
			inner = protowire.AppendFixed64(inner, math.Float64bits(a.Real))
		default:
			inner = appendText(inner, 1, a.Text)
		}
		b = closed(closed(inner, value), pair)
	}
	return b
}

// appendText appends what protobuf takes for text: a client may send any bytes.
func appendText(b []byte, field protowire.Number, s string) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, strings.ToValidUTF8(s, "\uFFFD"))
}

func appendBytes(b []byte, field protowire.Number, p []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), p)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	b = protowire.AppendTag(b, field, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, uint64(max(0, t.UnixNano())))
}

// open begins a message within a message. What is appended until closed is in it; at is for that.
func open(b []byte, field protowire.Number) (_ []byte, at int) {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return append(b, 0), len(b) + 1
}

// closed puts the length before it, for which open has left the one byte that most need.
func closed(b []byte, at int) []byte {
	n := len(b) - at
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	var length [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(length[:], uint64(n))
	b = append(b, length[:size-1]...) // room
	copy(b[at+size-1:], b[at:at+n])
	copy(b[at-1:], length[:size])
	return b
}

// rejected reads how many spans an ExportTraceServiceResponse says are not wanted; 0 if it says nothing of the kind.
func rejected(answer []byte) int {
	partial := field(answer, 1, protowire.BytesType) // partial_success
	inner, n := protowire.ConsumeBytes(partial)
	if n < 0 {
		return 0
	}
	count, n := protowire.ConsumeVarint(field(inner, 1, protowire.VarintType)) // rejected_spans
	if n < 0 || count > math.MaxInt32 {
		return 0
	}
	return int(count)
}

// field is the value of a field, and what comes behind; nil if it is not there.
func field(b []byte, want protowire.Number, kind protowire.Type) []byte {
	for len(b) > 0 {
		number, is, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		if b = b[n:]; number == want && is == kind {
			return b
		}
		if n = protowire.ConsumeFieldValue(number, is, b); n < 0 {
			return nil
		}
		b = b[n:]
	}
	return nil
}
