// Sockets on event loops: nobody waits for an idle one, and it has no buffer.

package peer

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/loop"
)

// turn is who reads.
type turn uint8

const (
	unserved turn = iota // nobody yet
	resting              // nobody, until something comes
	reading              // the loop's goroutine, or one that ends when nothing is left; it looks again before it rests
	parting              // nobody any more: reader.done has been called, or is about to be
	halting              // nobody, until resume or abandon
)

// Polled is a Sock on an event loop. What can be read without waiting is read by the loop's goroutine, and the rest by
// one that is started for it.
//
// It is a net.Conn to be closed, and not to be read or written.
type Polled struct {
	in  sync.Mutex // held while it is read; guards all below but fd
	out sync.Mutex // held while it is written
	fd  int        // -1: it is closed; changed with both held, in this order, and used with either
	on  loop.Registration

	turn   turn
	more   bool          // something has come since somebody began to read
	fin    bool          // so has the client's FIN, or an error: what comes next is the end
	late   bool          // expire's time is up
	pauses bool          // whoever reads halts
	wakes  chan struct{} // closed when something happens; nil unless somebody waits
	timer  *time.Timer   // expire's
	reader reader        // from serve on, like peers
	peers  *Peers
}

// Poll takes a connection that net has accepted to a loop. It says false, and leaves c as it is, if that can't be.
func Poll(loops *loop.Set, c net.Conn) (s *Polled, ok bool) {
	if loops == nil {
		return nil, false
	}
	fd, ok := loop.Take(c)
	if !ok {
		return nil, false
	}
	return newPolled(loops, fd), true
}

func newPolled(loops *loop.Set, fd int) *Polled {
	s := &Polled{fd: fd}
	s.in.Lock()
	defer s.in.Unlock()
	var err error
	if s.on, err = loops.Add(s.fd, s); err != nil { // the kernel has no memory for it
		unix.Close(s.fd)
		s.fd = -1 // it ends as soon as it is used
	}
	return s
}

func (s *Polled) serve(p *Peers, r reader) {
	s.in.Lock()
	defer s.in.Unlock()
	s.peers, s.reader = p, r
	if s.turn = halting; !s.pauses {
		s.wait()
	}
	s.wake()
}

// wait has nobody read until something comes, or somebody if it has. s.in is held.
func (s *Polled) wait() {
	s.turn = resting
	if s.more || s.fin || s.late || s.fd < 0 {
		s.turn, s.more = reading, false
		go s.goOn(nil, 0) // ends when nothing is left to read
	}
}

// Happened implements loop.Handler.
func (s *Polled) Happened(events uint32) {
	s.in.Lock()
	s.wake()
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.fin = true
	}
	came := events&^unix.EPOLLOUT != 0
	if !came || s.turn != resting {
		s.more = s.more || came
		s.in.Unlock()
		return
	}
	s.turn = reading
	s.in.Unlock()
	s.glance()
}

// glance reads once, on the loop.
func (s *Polled) glance() {
	lent := readBuffers.Get().(*[readSize]byte)
	n, err := s.receive(lent[:])
	if err == nil {
		var taken bool
		if taken, err = s.reader.glance(lent[:n]); !taken {
			go s.goOn(lent, n) // ends when nothing is left to read
			return
		}
	}
	readBuffers.Put(lent)
	switch {
	case err == errPaused:
		s.haltNow()
	case err != nil && err != errNothing:
		go s.end(err) // ends when leave has been taken, for which each kind has a time
	case n == readSize || !s.rest():
		go s.goOn(nil, 0) // likewise; others come first
	}
}

// goOn has the reader take n bytes that were read to lent, if they are any, and reads until nothing is left.
func (s *Polled) goOn(lent *[readSize]byte, n int) {
	var err error
	if lent != nil {
		err = s.reader.took(lent[:n], true)
		readBuffers.Put(lent)
	}
	for err == nil {
		if err = s.readOnce(); err == errNothing {
			if s.rest() {
				return
			}
			err = nil
		}
	}
	if err == errPaused {
		s.haltNow()
		return
	}
	s.end(err)
}

func (s *Polled) readOnce() error {
	into, err := s.reader.room()
	if err != nil {
		return err
	}
	lent := into == nil
	if lent {
		buffer := readBuffers.Get().(*[readSize]byte)
		defer readBuffers.Put(buffer)
		into = buffer[:]
	}
	n, err := s.receive(into)
	if err != nil {
		return err
	}
	return s.reader.took(into[:n], lent)
}

// rest has nobody read until something comes. It says false if something has, or reading is to end.
func (s *Polled) rest() bool {
	s.in.Lock()
	defer s.in.Unlock()
	switch {
	case s.pauses:
		s.turn = halting
		s.wake()
	case s.more, s.fin, s.late, s.fd < 0:
		s.more = false
		return false
	default:
		s.turn = resting
	}
	return true
}

// end has the reader take leave.
func (s *Polled) end(err error) {
	s.in.Lock()
	s.turn = parting
	s.wake()
	s.in.Unlock()
	s.reader.done(err)
	s.peers.running.Done()
}

// atOnce is how much is read at once, since the loop may have to wait for that, and written without telling the
// scheduler.
const atOnce = 64 << 10

var (
	errNothing = errors.New("nothing has come")
	errPaused  = errors.New("the reader is to pause")
)

// receive reads what is there; errNothing is that there is nothing. io.EOF is the end.
func (s *Polled) receive(into []byte) (n int, err error) {
	s.in.Lock()
	defer s.in.Unlock()
	switch {
	case s.fd < 0:
		return 0, net.ErrClosed
	case s.pauses && s.turn == reading:
		return 0, errPaused
	case s.late && s.turn == reading:
		return 0, os.ErrDeadlineExceeded
	}
	n, err = loop.Read(s.fd, into[:min(len(into), atOnce)])
	switch {
	case err == unix.EAGAIN:
		s.fin = false
		err = errNothing
	case err == nil && n == 0:
		err = io.EOF
	}
	return n, err
}

// awaken gives what is closed when something happens from now on.
func (s *Polled) awaken() <-chan struct{} {
	s.in.Lock()
	defer s.in.Unlock()
	if s.wakes == nil {
		s.wakes = make(chan struct{})
	}
	return s.wakes
}

// wake wakes who waits. s.in is held.
func (s *Polled) wake() {
	if s.wakes != nil {
		close(s.wakes)
		s.wakes = nil
	}
}

func (s *Polled) tryWrite(b [][]byte) (n int, err error) {
	s.out.Lock()
	defer s.out.Unlock()
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(b) != 1 || len(b[0]) > atOnce {
		return writeNow(s.fd, b)
	}
	if n, err = loop.Write(s.fd, b[0]); err == unix.EAGAIN {
		return 0, nil
	}
	return n, err
}

func (s *Polled) write(b [][]byte, timeout time.Duration) error {
	wait, done := NewStall(timeout), 0
	rest := net.Buffers(append([][]byte(nil), b...))
	var wakes <-chan struct{}
	for took := false; ; {
		n, err := s.tryWrite(rest)
		if err != nil {
			return err
		}
		took, done = took || n > 0, done+n
		if advance(&rest, n); len(rest) == 0 {
			return nil
		}
		if wakes == nil || n > 0 { // it is not full yet, or may have become empty before anybody listened
			wakes = s.awaken()
			continue
		}
		if s.isPaused() {
			return hub.Paused(done)
		}
		if err := wait.rest(wakes, took); err != nil {
			return err
		}
		wakes, took = nil, false
	}
}

// advance takes n bytes off b.
func advance(b *net.Buffers, n int) {
	for len(*b) > 0 && n >= len((*b)[0]) {
		n -= len((*b)[0])
		*b = (*b)[1:]
	}
	if n > 0 {
		(*b)[0] = (*b)[0][n:]
	}
}

// rest waits until a write had better be tried again: something has happened, or a step of the time-out is over, in
// which the client may have taken less than what happens for. took says whether it took something just now.
func (s *Stall) rest(wakes <-chan struct{}, took bool) error {
	if !s.Watched() {
		<-wakes
		return nil
	}
	deadline, ok := s.More(took)
	if !ok {
		return os.ErrDeadlineExceeded
	}
	step := time.NewTimer(time.Until(deadline))
	defer step.Stop()
	select {
	case <-wakes:
	case <-step.C:
	}
	return nil
}

func (s *Polled) closeWrite() bool { return s.CloseWrite() == nil }

func (s *Polled) parley() bool { return false }

// CloseWrite tells the client that nothing more will come.
func (s *Polled) CloseWrite() error {
	s.out.Lock()
	defer s.out.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	return unix.Shutdown(s.fd, unix.SHUT_WR)
}

func (s *Polled) expire(after time.Duration) {
	s.in.Lock()
	defer s.in.Unlock()
	if s.fd < 0 {
		return
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(after, s.expired)
}

func (s *Polled) expired() {
	s.in.Lock()
	s.late = true
	ends := s.turn == resting
	if ends {
		s.turn = parting
	}
	s.in.Unlock()
	if ends {
		s.end(os.ErrDeadlineExceeded)
	}
}

func (s *Polled) drain(most int64, limit time.Duration) {
	late := time.NewTimer(limit)
	defer late.Stop()
	buffer := readBuffers.Get().(*[readSize]byte)
	defer readBuffers.Put(buffer)
	for most > 0 {
		wakes := s.awaken()
		n, err := s.receive(buffer[:])
		switch most -= int64(n); {
		case err == nil:
		case err != errNothing:
			return
		default:
			select {
			case <-wakes:
			case <-late.C:
				return
			}
		}
	}
}

func (s *Polled) close() { s.Close() }

// Close closes the socket. Who reads ends.
func (s *Polled) Close() error {
	s.in.Lock()
	defer s.in.Unlock()
	s.out.Lock()
	defer s.out.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	s.on.Remove()
	err := unix.Close(s.fd)
	s.fd = -1
	s.wake()
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.turn == resting || s.turn == halting {
		s.turn = parting
		go s.end(net.ErrClosed) // ends at once
	}
	return err
}
