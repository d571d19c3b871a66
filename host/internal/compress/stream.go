// Streams: answers that are compressed piece by piece. One that has nothing to say costs a few bytes: its encoder is
// given back, and what comes then is compressed by another one, which has not seen what came before.

package compress

import (
	"encoding/binary"
	"hash/crc32"
)

// Stream is an answer under way. It belongs to one goroutine. End or Drop has to come.
type Stream struct {
	policy *Policy
	coding Coding
	engine *engine // nil: none is kept
	begun  bool
	dirty  bool   // the engine has what was not flushed
	owed   []byte // by the engine that was given back
	sum    uint32 // of what was written, for gzip
	size   uint32 // likewise
}

// Stream makes one of a coding that is not Identity. Nothing has to be given back before it was written to.
func (p *Policy) Stream(c Coding) *Stream { return &Stream{policy: p, coding: c} }

// Whole appends the whole of an answer, compressed.
func (p *Policy) Whole(dst []byte, c Coding, body []byte) []byte {
	s := Stream{policy: p, coding: c}
	return s.End(dst, body)
}

// Append compresses b, and appends to dst what is ready. With flush that is all that was ever given. It does not wait
// but for its turn at a processor.
func (s *Stream) Append(dst, b []byte, flush bool) []byte {
	turns <- struct{}{}
	defer func() { <-turns }()
	keeps := s.engine != nil || keep()
	e := s.write(dst, b)
	if flush || !keeps {
		must(e.encoder.Flush())
		s.dirty = false
	}
	if dst, e.out = e.out, nil; !keeps {
		s.release()
	}
	return dst
}

// write has the stream's engine, or a new one, compress b. The caller has a turn.
func (s *Stream) write(dst, b []byte) *engine {
	e := s.engine
	if e == nil {
		e = borrow(s.coding, s.policy.levels[s.coding])
		if brotli, ok := e.encoder.(*brotliEncoder); ok && s.begun {
			brotli.resume()
		}
		s.engine = e
	}
	if e.out = append(dst, s.owed...); !s.begun && s.coding == Gzip {
		e.out = append(e.out, gzipHead...)
	}
	s.dirty = s.dirty || !s.begun || len(b) > 0 // Brotli's first bits are no byte
	s.begun, s.owed = true, nil
	_, err := e.encoder.Write(b)
	must(err)
	if s.coding == Gzip {
		s.sum, s.size = crc32.Update(s.sum, crc32.IEEETable, b), s.size+uint32(len(b))
	}
	return e
}

// gzipHead is without a time, a name or a system (RFC 1952 §2.3).
var gzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// release gives the engine back. All has been flushed.
func (s *Stream) release() {
	e := s.engine
	if s.coding == Zstd { // frames follow each other (RFC 8878 §3.1); blocks of deflate and Brotli just go on
		must(e.encoder.Close())
		s.owed = append(s.owed, e.out...)
	}
	giveBack(e, s.coding, s.policy.levels[s.coding])
	s.engine = nil
}

// Park gives the encoder back until there is more to compress, if all has been flushed.
func (s *Stream) Park() {
	if s.engine == nil || s.dirty {
		return
	}
	s.release()
	letGo()
}

// Parked says whether no encoder is kept.
func (s *Stream) Parked() bool { return s.engine == nil }

// End appends the rest, with b behind all else, and the stream's end.
func (s *Stream) End(dst, b []byte) []byte {
	turns <- struct{}{}
	defer func() { <-turns }()
	if s.engine != nil {
		defer letGo()
	} else if s.coding == Zstd && s.begun && len(b) == 0 { // its last frame is whole
		return append(dst, s.owed...)
	}
	e := s.write(dst, b)
	must(e.encoder.Close())
	dst = e.out
	giveBack(e, s.coding, s.policy.levels[s.coding])
	s.engine = nil
	if s.coding == Gzip {
		dst = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(dst, s.sum), s.size)
	}
	return dst
}

// Drop ends a stream that broke off. After End, or twice, it does nothing.
func (s *Stream) Drop() {
	if s.engine == nil {
		return
	}
	giveBack(s.engine, s.coding, s.policy.levels[s.coding])
	s.engine = nil
	letGo()
}
