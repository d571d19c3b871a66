//go:build unix

// link_unix.go has the link itself: who writes, who reads, and when it ends.

package handover

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Link is one end of the way between two hosts. Any goroutine may send and close; one receives.
type Link struct {
	conn *net.UnixConn
	in   reader // the receiver's

	mu     sync.Mutex
	queue  []outgoing // guarded by mu
	closed error      // why nothing is sent any more; guarded by mu
	wake   chan struct{}
	wrote  chan struct{} // closed when the writer has ended
	theirs greeting      // the receiver's; Version is 0 until it is there
}

// outgoing is a message as it goes out. Its files are the link's.
type outgoing struct {
	bytes []byte
	files []*os.File
}

// Pair makes both ends: a link, and the descriptor that another process is given, which [Inherit] makes the other link
// of. Whoever calls closes both.
func Pair() (link *Link, theirs *os.File, err error) {
	ours, theirs, err := pair()
	if err != nil {
		return nil, nil, err
	}
	if link, err = Open(ours); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return link, theirs, nil
}

// Sockets makes a pair of unix sockets for bytes alone: one for this process, and one to send. Whoever calls closes
// both.
func Sockets() (ours net.Conn, theirs *os.File, err error) {
	one, theirs, err := pair()
	if err != nil {
		return nil, nil, err
	}
	ours, err = net.FileConn(one)
	if one.Close(); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

func pair() (one, other *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "handover"), os.NewFile(uintptr(fds[1]), "handover"), nil
}

// Inherit is the link that the environment names, if this process was started to take over from another host; nil if
// it was not. The variable is removed, so that children do not have it.
func Inherit() (*Link, error) {
	value, there := os.LookupEnv(Variable)
	if !there {
		return nil, nil
	}
	os.Unsetenv(Variable)
	fd, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%s is no descriptor: %q", Variable, value)
	}
	syscall.CloseOnExec(int(fd))
	link, err := Open(os.NewFile(uintptr(fd), "handover"))
	if err != nil {
		return nil, fmt.Errorf("%s names descriptor %s, which is no link to another host: %w", Variable, value, err)
	}
	return link, nil
}

// Open makes a link of one end of a pair, which it closes, and greets the other host.
func Open(end *os.File) (*Link, error) {
	conn, err := net.FileConn(end)
	end.Close()
	if err != nil {
		return nil, err
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("a %s socket, where one of a unix pair is wanted", conn.LocalAddr().Network())
	}
	l := &Link{conn: socket, in: reader{from: socket}, wake: make(chan struct{}, 1), wrote: make(chan struct{})}
	go l.write() // ends after Close, or when the other host has gone
	return l, l.Send(greetingKind, greeting{Version: Version, Oldest: Oldest})
}

// Send has a message written after all that were sent before. It does not wait for that: what is queued is bounded by
// who sends. body becomes a MessagePack document at once. The files are the link's from now on, which closes them once
// they are sent, or when they can't be; send a duplicate of what has to stay open here. An error says that the message
// is not sent; without one it may still be lost if the other host dies.
func (l *Link) Send(kind string, body any, files ...*os.File) error {
	out, err := encode(kind, body, files)
	if err != nil {
		closeAll(files)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		closeAll(files)
		return l.closed
	}
	l.queue = append(l.queue, out)
	l.rouse()
	return nil
}

// rouse has the writer look.
func (l *Link) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func encode(kind string, body any, files []*os.File) (outgoing, error) {
	document, err := msgpack.Marshal(body)
	switch {
	case err != nil:
		return outgoing{}, fmt.Errorf("%q for the other host: %w", kind, err)
	case len(document) > MaxBody || len(files) > MaxFiles || len(kind) > maxKind:
		return outgoing{}, fmt.Errorf("%.80q for the other host is too large: %d bytes and %d descriptors", kind,
			len(document), len(files))
	}
	out := head{kind: len(kind), body: len(document), files: len(files)}.append(make([]byte, 0, headSize+len(kind)+
		len(document)))
	return outgoing{bytes: append(append(out, kind...), document...), files: files}, nil
}

// Receive waits for the next message. The error is io.EOF if the other host has closed its end after a whole message;
// after any error there is no other message. The first one also looks at the other host's greeting.
func (l *Link) Receive() (Message, error) {
	if l.theirs.Version == 0 {
		if err := l.greeted(); err != nil {
			l.fail(err)
			return Message{}, err
		}
	}
	m, err := l.in.next()
	if err != nil {
		l.fail(ErrClosed)
	}
	return m, err
}

func (l *Link) greeted() error {
	m, err := l.in.next()
	if err != nil {
		return err
	}
	m.Discard()
	var g greeting
	if m.Kind != greetingKind {
		return fmt.Errorf("the other host does not greet, but says %q", m.Kind)
	}
	if err := m.Decode(&g); err != nil {
		return err
	}
	if g.Version < 1 {
		return fmt.Errorf("the other host greets without a version")
	}
	l.theirs = g
	return g.accept()
}

// Run receives until the link ends, and has each message handled before it receives the next one. Of a kind that
// nobody handles, which a newer host may send, the files are closed. The error is nil if the other host has closed its
// end, or this one has.
func (l *Link) Run(by Handlers) error {
	for {
		m, err := l.Receive()
		if err != nil {
			if l.in.ended || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		handle := by[m.Kind]
		if handle == nil {
			m.Discard()
			continue
		}
		if err := handle(m); err != nil {
			l.fail(err)
			return err
		}
	}
}

// partingTime is what Close gives to messages that are still queued.
const partingTime = 5 * time.Second

// Close ends the link after what has been sent is written, or can't be within seconds. It waits for that. Whoever
// receives learns of it by an error.
func (l *Link) Close() {
	l.mu.Lock()
	if l.closed == nil {
		l.closed = ErrClosed
		_ = l.conn.SetWriteDeadline(time.Now().Add(partingTime))
		l.rouse()
	}
	l.mu.Unlock()
	<-l.wrote
	l.conn.Close()
}

// fail ends the link at once.
func (l *Link) fail(err error) {
	l.mu.Lock()
	if l.closed == nil {
		l.closed = err
	}
	l.mu.Unlock()
	l.conn.Close()
	l.rouse()
}

// write is the goroutine that writes. It ends when it can't, or after all that was sent before the end.
func (l *Link) write() {
	defer close(l.wrote)
	for {
		l.mu.Lock()
		queue, closed := l.queue, l.closed
		l.queue = nil
		l.mu.Unlock()
		for i, out := range queue {
			err := out.to(l.conn)
			closeAll(out.files)
			if err != nil {
				l.abandon(queue[i+1:], fmt.Errorf("the other host does not take what it is sent: %w", err))
				return
			}
		}
		if len(queue) > 0 {
			continue // more may have come
		}
		if closed != nil {
			return
		}
		<-l.wake
	}
}

// abandon drops what can't be written. What the other host has sent before can be received still.
func (l *Link) abandon(lost []outgoing, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = err
	}
	for _, out := range append(lost, l.queue...) {
		closeAll(out.files)
	}
	l.queue = nil
}
