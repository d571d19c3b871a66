// Engines: the encoders of the libraries, each with what it has made, lent to whoever has something to compress.

package compress

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// encoder is what the libraries have in common. Its writer is memory, so there are no errors.
type encoder interface {
	io.Writer
	Flush() error
	Close() error
	Reset(to io.Writer) // after Close, or in the place of it
}

// engine is an encoder that appends to out. It takes up to 1.5 MiB; zstd from level 6 on has 5.
type engine struct {
	encoder encoder
	out     []byte
}

// Write implements io.Writer, for the encoder.
func (e *engine) Write(p []byte) (int, error) {
	e.out = append(e.out, p...)
	return len(p), nil
}

// levels are more than any coding has.
const levels = 10

// engines that nobody uses, until the garbage collector finds them.
var engines [codings][levels]sync.Pool

const (
	// mostKept is how many engines streams may keep while they wait for more.
	mostKept = 32
	// zstdWindow is how far back what repeats is found. Browsers allow 8 MiB (RFC 9659 §3); of answers that are made
	// while one waits, more than this takes memory and saves nothing.
	zstdWindow = 128 << 10
)

// turns are for whoever compresses: more at once would only be interrupted, each with an engine.
var turns = make(chan struct{}, 2*runtime.NumCPU())

// kept are the engines that streams keep.
var kept atomic.Int32

// keep says whether one more may be kept, until letGo.
func keep() bool {
	if kept.Add(1) <= mostKept {
		return true
	}
	kept.Add(-1)
	return false
}

func letGo() { kept.Add(-1) }

// borrow lends an engine, which begins anew, until giveBack. The caller has a turn.
func borrow(c Coding, level int) *engine {
	e, _ := engines[c][level].Get().(*engine)
	if e == nil {
		e = &engine{encoder: newEncoder(c, level)}
	}
	e.encoder.Reset(e)
	return e
}

func giveBack(e *engine, c Coding, level int) {
	e.out = nil
	engines[c][level].Put(e)
}

func newEncoder(c Coding, level int) (e encoder) {
	var err error
	switch c {
	case Gzip:
		e, err = flate.NewWriter(nil, level)
	case Brotli:
		e = newBrotli(level)
	case Zstd:
		e, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow),
			zstd.WithEncoderCRC(false))
	}
	must(err)
	return e
}

// must is for what can't fail: levels were checked, and memory takes all.
func must(err error) {
	if err != nil {
		panic("compress: " + err.Error())
	}
}
