package compress

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// decoder reads what a client would.
func decoder(t testing.TB, c Coding, from io.Reader) io.Reader {
	t.Helper()
	switch c {
	case Gzip:
		r, err := gzip.NewReader(from)
		if err != nil {
			t.Fatal(err)
		}
		r.Multistream(false) // not every client would
		return r
	case Zstd:
		r, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	}
	return brotli.NewReader(from)
}

func decode(t testing.TB, c Coding, b []byte) []byte {
	t.Helper()
	in := bytes.NewReader(b)
	out, err := io.ReadAll(decoder(t, c, in))
	if err != nil {
		t.Fatalf("%s: %v after %d bytes", c, err, len(out))
	}
	if c == Gzip && in.Len() > 0 {
		t.Fatalf("%s: %d bytes behind the end", c, in.Len())
	}
	return out
}

// text is like what programs write.
func text(r *rand.Rand, n int) []byte {
	words := strings.Fields("<div class='card'> </div> the of and price \"id\": true, null href='/item/ 12 ] }, ä")
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%s %d ", words[r.IntN(len(words))], r.IntN(1000))
	}
	return b.Bytes()[:n]
}

// every is each coding at its levels that differ.
func every(f func(c Coding, p *Policy)) {
	for c, levels := range map[Coding][]int{Gzip: {1, 2, 3, 4, 5, 6, 9}, Brotli: {1, 2, 3}, Zstd: {1, 3, 6}} {
		for _, level := range levels {
			f(c, New(Settings{GzipLevel: level, BrotliLevel: level, ZstdLevel: level}))
		}
	}
}

func TestWhatIsCompressedComesOutAsItWas(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 200_000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	every(func(c Coding, p *Policy) {
		for _, n := range []int{0, 1, 100, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200_000} {
			for _, body := range [][]byte{text(r, n), random[:n], make([]byte, n)} {
				made := p.Whole([]byte("before"), c, body)
				if !bytes.HasPrefix(made, []byte("before")) || !bytes.Equal(decode(t, c, made[6:]), body) {
					t.Fatalf("%s: %d bytes came out otherwise", c, n)
				}
			}
		}
	})
}

// play has a stream do what the bytes of script say. What was made until a flush has to be all that was given.
func play(t testing.TB, c Coding, p *Policy, script, body []byte) {
	t.Helper()
	s := p.Stream(c)
	defer s.Drop()
	var made []byte
	given := 0
	for _, step := range script {
		n, flush, park := min(int(step>>2)*1000, len(body)-given), step&1 != 0, step&2 != 0
		made = s.Append(made, body[given:given+n], flush)
		given += n
		if flush && given > 0 {
			got, _ := io.ReadAll(decoder(t, c, bytes.NewReader(made))) // it ends in the middle
			if !bytes.Equal(got, body[:given]) {
				t.Fatalf("%s: of %d bytes that were flushed %d can be read", c, given, len(got))
			}
		}
		if park {
			s.Park()
			if flush && !s.Parked() {
				t.Fatalf("%s: it keeps its encoder", c)
			}
		}
	}
	made = s.End(made, body[given:])
	if !bytes.Equal(decode(t, c, made), body) {
		t.Fatalf("%s: %d bytes came out otherwise", c, len(body))
	}
}

func TestAStreamCanBeReadUpToEachFlush(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	every(func(c Coding, p *Policy) {
		for range 5 {
			script := make([]byte, r.IntN(12))
			for i := range script {
				script[i] = byte(r.Uint32()) & 0x1f
			}
			play(t, c, p, script, text(r, r.IntN(60_000)))
		}
	})
	if n := kept.Load(); n != 0 {
		t.Errorf("%d encoders are kept", n)
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte{0x05, 0x04, 0x07, 0x03, 0x09}, []byte("hello, hello, hello"), uint16(3000))
	f.Add([]byte{0xff, 0xff, 0x03, 0x01}, []byte{0, 1, 2}, uint16(60000))
	f.Fuzz(func(t *testing.T, script, pattern []byte, n uint16) {
		if len(pattern) == 0 || len(script) > 64 {
			return
		}
		body := bytes.Repeat(pattern, int(n)/len(pattern)+1)[:n]
		for i := range body { // not all the same
			body[i] += byte(i >> 7 * i >> 9)
		}
		for c := Gzip; c < codings; c++ {
			play(t, c, all, script, body)
		}
	})
}

func TestFewEncodersAreKeptHoweverManyStreamsThereAre(t *testing.T) {
	const many = 4 * mostKept
	r := rand.New(rand.NewPCG(5, 6))
	for c := Gzip; c < codings; c++ {
		streams, made := make([]*Stream, many), make([][]byte, many)
		bodies := make([][]byte, many)
		for range 3 {
			for i := range streams {
				if streams[i] == nil {
					streams[i] = all.Stream(c)
				}
				piece := text(r, 1+r.IntN(5000))
				bodies[i] = append(bodies[i], piece...)
				made[i] = streams[i].Append(made[i], piece, false)
			}
			if n := kept.Load(); n != mostKept {
				t.Errorf("%s: %d encoders are kept", c, n)
			}
		}
		idle := 0
		for _, s := range streams {
			if s.Parked() {
				idle++
			}
		}
		if idle != many-mostKept {
			t.Errorf("%s: %d streams keep none", c, idle)
		}
		for i, s := range streams {
			if i%2 == 0 {
				s.Drop()
				s.Drop()
				continue
			}
			if made[i] = s.End(made[i], nil); !bytes.Equal(decode(t, c, made[i]), bodies[i]) {
				t.Fatalf("%s: %d bytes came out otherwise", c, len(bodies[i]))
			}
			s.Drop()
		}
		if n := kept.Load(); n != 0 {
			t.Fatalf("%s: %d encoders are still kept", c, n)
		}
	}
}

func TestManyCompressAtOnce(t *testing.T) {
	var running sync.WaitGroup
	for i := range 100 {
		running.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(i)))
			c := Gzip + Coding(i%3)
			body := text(r, 10_000)
			if !bytes.Equal(decode(t, c, all.Whole(nil, c, body)), body) {
				t.Errorf("%s: it came out otherwise", c)
			}
		})
	}
	running.Wait()
}

// BenchmarkPage is a page of 20 KB, at each level; "bytes" is what is left of it.
func BenchmarkPage(b *testing.B) {
	page := text(rand.New(rand.NewPCG(8, 9)), 20_000)
	every(func(c Coding, p *Policy) {
		b.Run(fmt.Sprintf("%s-%d", c, p.levels[c]), func(b *testing.B) {
			b.ReportAllocs()
			var made []byte
			for b.Loop() {
				made = p.Whole(made[:0], c, page)
			}
			b.ReportMetric(float64(len(made)), "bytes")
		})
	})
}

func BenchmarkRank(b *testing.B) {
	b.ReportAllocs()
	accept := []string{"gzip, deflate, br, zstd"}
	for b.Loop() {
		all.Rank(accept)
	}
}
