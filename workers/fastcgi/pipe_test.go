package fastcgi

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

func TestAPipeGivesWhatWentIn(t *testing.T) {
	p := newPipe()
	sent := make([]byte, 10*pipeSize+17)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(3*pipeSize/2))
			p.Write(rest[:n])
			rest = rest[n:]
		}
		p.Close()
	}()
	var got bytes.Buffer
	b := make([]byte, pipeSize+5)
	for {
		n, err := p.Read(b[:1+rand.IntN(len(b)-1)])
		got.Write(b[:n])
		if err == io.EOF {
			break
		}
	}
	if !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("%d bytes of %d came, or others", got.Len(), len(sent))
	}
}

func TestAPipeTakesNoMoreThanItHolds(t *testing.T) {
	p := newPipe()
	if n, err := p.TryWrite(make([]byte, pipeSize+1)); n != pipeSize || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	p.Read(make([]byte, 10))
	if n, _ := p.TryWrite(make([]byte, 100)); n != 10 || p.unread() != pipeSize {
		t.Errorf("%d, %d", n, p.unread())
	}
	p.breakOff()
	if _, err := p.TryWrite([]byte("x")); err != io.ErrClosedPipe {
		t.Error(err)
	}
	if _, err := p.Read(make([]byte, 1)); err != io.EOF || p.unread() != pipeSize {
		t.Errorf("%v, %d unread", err, p.unread())
	}
}
