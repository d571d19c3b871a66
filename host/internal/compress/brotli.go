// Brotli (RFC 7932), of the library's smaller half: it has neither the dictionary, which is most of the other one, nor
// a way to flush. So that is here.

package compress

import (
	"io"
	"math/bits"

	"github.com/andybalholm/brotli"
	"github.com/andybalholm/brotli/matchfinder"
)

const (
	brotliBlock  = 64 << 10
	brotliWindow = 128 << 10
)

// brotliEncoder implements encoder.
type brotliEncoder struct {
	to      io.Writer
	finder  matchfinder.MatchFinder
	coder   brotli.Encoder
	gather  []byte // what is no whole block yet
	matches []matchfinder.Match
	out     []byte
}

func newBrotli(level int) *brotliEncoder {
	b := &brotliEncoder{}
	switch level {
	case 1:
		b.finder = &matchfinder.ZFast{MaxDistance: brotliWindow}
	case 2:
		b.finder = &matchfinder.ZDFast{MaxDistance: brotliWindow}
	default: // what the library has beyond takes twice the time and finds no more
		b.finder = &matchfinder.ZM{MaxDistance: brotliWindow}
	}
	return b
}

// begun is a coder that has written the stream's header, and nothing of a byte beyond.
var begun = func() (c brotli.Encoder) {
	c.Encode(nil, nil, nil, true)
	return c
}()

// Reset implements encoder.
func (b *brotliEncoder) Reset(to io.Writer) {
	b.to, b.gather = to, b.gather[:0]
	b.finder.Reset()
	b.coder.Reset()
}

// resume has a stream go on that has been flushed: nothing of what is written from now on refers to what came before.
func (b *brotliEncoder) resume() { b.coder = begun }

// Write implements encoder.
func (b *brotliEncoder) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), brotliBlock-len(b.gather))
		b.gather = append(b.gather, p[:k]...)
		if p = p[k:]; len(b.gather) == brotliBlock {
			b.to.Write(b.encode(false))
		}
	}
	return n, nil
}

// encode makes a block of what was gathered.
func (b *brotliEncoder) encode(last bool) []byte {
	b.matches = b.matches[:0]
	if len(b.gather) > 0 {
		b.matches = b.finder.FindMatches(b.matches, b.gather)
	}
	b.out = b.coder.Encode(b.out[:0], b.gather, b.matches, last)
	b.gather = b.gather[:0]
	return b.out
}

// Close implements encoder.
func (b *brotliEncoder) Close() error {
	_, err := b.to.Write(b.encode(true))
	return err
}

// Flush implements encoder. It ends the stream, and then has the mark of the end be another one: the last two bits,
// both set, are that of an empty last block, behind which the byte is filled up with zeros. A block of metadata
// without any (RFC 7932 §9.2) is 011000, the first bit first, filled up likewise, and more may follow.
func (b *brotliEncoder) Flush() error {
	out := b.encode(true)
	end := 8*(len(out)-1) + bits.Len8(out[len(out)-1]) // behind the mark
	out[(end-2)/8] &^= 1 << ((end - 2) % 8)
	for 8*len(out) < end+4 {
		out = append(out, 0)
	}
	out[end/8] |= 1 << (end % 8)
	b.out = out
	_, err := b.to.Write(out)
	return err
}
