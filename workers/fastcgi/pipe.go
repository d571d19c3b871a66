// The link between the pool and its adapter: both live in one process, so its streams are two pieces of memory.

package fastcgi

import (
	"io"
	"sync"
)

// pipeSize is how much one end may be ahead of the other, as in a pipe of the system.
const pipeSize = 64 << 10

// pipe is one of the two: bytes go in at one end and come out at the other, in order. It is a [protocol.TryWriter] and
// an [io.Reader], each for one goroutine at a time.
type pipe struct {
	mu      sync.Mutex
	changed sync.Cond
	buf     []byte // a ring, of pipeSize once it is used
	start   int
	length  int
	ended   bool // nothing more goes in
	cut     bool // nothing more comes out
}

func newPipe() *pipe {
	p := new(pipe)
	p.changed.L = &p.mu
	return p
}

// TryWrite takes what there is room for.
func (p *pipe) TryWrite(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return 0, io.ErrClosedPipe
	}
	if p.buf == nil {
		p.buf = make([]byte, pipeSize)
	}
	for n < len(b) && p.length < pipeSize {
		at := (p.start + p.length) % pipeSize
		room := min(pipeSize-at, pipeSize-p.length)
		took := copy(p.buf[at:at+room], b[n:])
		n, p.length = n+took, p.length+took
	}
	if n > 0 {
		p.changed.Broadcast()
	}
	return n, nil
}

// Write waits until there was room for all of b.
func (p *pipe) Write(b []byte) (n int, err error) {
	for {
		took, err := p.TryWrite(b[n:])
		if n += took; err != nil || n == len(b) {
			return n, err
		}
		p.mu.Lock()
		for p.length == pipeSize && !p.ended {
			p.changed.Wait()
		}
		p.mu.Unlock()
	}
}

// Read waits for bytes, or gives io.EOF after the last ones.
func (p *pipe) Read(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.length == 0 && !p.ended && !p.cut {
		p.changed.Wait()
	}
	if p.length == 0 || p.cut {
		return 0, io.EOF
	}
	for n < len(b) && p.length > 0 {
		took := copy(b[n:], p.buf[p.start:min(pipeSize, p.start+p.length)])
		n, p.length = n+took, p.length-took
		p.start = (p.start + took) % pipeSize
	}
	p.changed.Broadcast()
	return n, nil
}

// Close is the writer's: what is in the pipe still comes out.
func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.changed.Broadcast()
	return nil
}

// break ends both ends. What is in the pipe stays there, and is counted.
func (p *pipe) breakOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.cut = true, true
	p.changed.Broadcast()
}

// unread is how many bytes have not come out.
func (p *pipe) unread() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.length
}
