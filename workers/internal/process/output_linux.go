// What several processes print to one socket, told apart by whom the kernel says it is from.

package process

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Output is a socket that processes have as their standard output and error. Its methods are safe for concurrent use.
type Output struct {
	ours, theirs *os.File
	ended        chan struct{} // closed when nobody listens any more

	mu      sync.Mutex
	readers map[int]*io.PipeWriter  // by the process that leads the group of whoever printed; guarded by mu
	deaf    bool                    // guarded by mu
	rest    func(pid int, p []byte) // what all others print; fixed
}

// NewOutput makes one, and listens until Close. What comes from processes that no Listen names goes to rest, as it
// comes: also what a process of such a group has printed that was gone before it was heard.
func NewOutput(rest func(pid int, p []byte)) (*Output, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	o := &Output{theirs: os.NewFile(uintptr(pair[1]), "output"), ended: make(chan struct{}),
		readers: map[int]*io.PipeWriter{}, rest: rest}
	// Whoever has the other end waits in his writes, so this end alone may be non-blocking.
	if err = unix.SetNonblock(pair[0], true); err == nil {
		err = unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	}
	o.ours = os.NewFile(uintptr(pair[0]), "output")
	if err != nil {
		closeAll([]*os.File{o.ours, o.theirs})
		return nil, err
	}
	go o.listen() // until Close
	return o, nil
}

// File is the end to print to.
func (o *Output) File() *os.File { return o.theirs }

// Listen gives what the processes of a group print from now on, until Ended names it. Somebody has to read it.
func (o *Output) Listen(group int) *io.PipeReader {
	r, w := io.Pipe()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.deaf {
		w.Close()
	} else {
		o.readers[group] = w
	}
	return r
}

// Move has the reader of one group be that of another one from now on.
func (o *Output) Move(from, to int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.readers[from]; w != nil {
		o.readers[to] = w
		delete(o.readers, from)
	}
}

// Say adds a line to what a group has printed. It waits until it is read.
func (o *Output) Say(group int, line string) {
	o.mu.Lock()
	w := o.readers[group]
	o.mu.Unlock()
	if w != nil && line != "" {
		io.WriteString(w, line+"\n")
	}
}

// Ended has what a group has printed by now end with the end of its reader. What its processes print later is the
// rest's.
func (o *Output) Ended(group int) {
	// In line behind all that was printed: this process prints nothing else there.
	o.theirs.WriteString(strconv.Itoa(group) + "\n") // fails after Close, which has ended it
}

// Close stops listening, and ends all readers.
func (o *Output) Close() {
	o.theirs.Close()
	o.ours.Close()
	<-o.ended
}

func (o *Output) listen() {
	defer close(o.ended)
	defer o.endAll()
	self := os.Getpid()
	buf, more := make([]byte, 32<<10), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	var marks []byte
	raw, err := o.ours.SyscallConn()
	for err == nil {
		var n, length int
		var failed error
		err = raw.Read(func(fd uintptr) bool {
			n, length, _, _, failed = unix.Recvmsg(int(fd), buf, more, 0)
			return failed != unix.EAGAIN
		})
		switch {
		case failed == unix.EINTR || err != nil:
			continue
		case failed != nil || n == 0:
			return
		}
		pid := sender(more[:length])
		if pid != self {
			o.heard(pid, buf[:n])
			continue
		}
		marks = append(marks, buf[:n]...)
		for {
			mark, rest, whole := bytes.Cut(marks, []byte("\n"))
			if !whole {
				break
			}
			group, _ := strconv.Atoi(string(mark)) // ours
			o.end(group)
			marks = rest
		}
	}
}

// sender is the process that the kernel names; 0 if it names none.
func sender(control []byte) int {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return 0
	}
	who, err := syscall.ParseUnixCredentials(&messages[0])
	if err != nil {
		return 0
	}
	return int(who.Pid)
}

// heard hands on what a process has printed. Nobody else is heard until it is taken.
func (o *Output) heard(pid int, p []byte) {
	if w := o.readerOf(pid); w != nil {
		w.Write(p) // an error means that nobody reads it any more
		return
	}
	o.rest(pid, p)
}

func (o *Output) readerOf(pid int) *io.PipeWriter {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.readers[pid]; w != nil {
		return w
	}
	group, err := unix.Getpgid(pid)
	if err != nil {
		return nil // it has gone
	}
	return o.readers[group]
}

func (o *Output) end(group int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.readers[group]; w != nil {
		w.Close()
		delete(o.readers, group)
	}
}

func (o *Output) endAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deaf = true
	for _, w := range o.readers {
		w.Close()
	}
	clear(o.readers)
}
