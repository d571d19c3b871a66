//go:build unix

// wire_unix.go has how a message is written and read: the bytes, and the descriptors that travel with them.

package handover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const headSize = 10

// head is what comes before a message's kind and body.
type head struct{ kind, body, files int }

func (h head) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(h.kind))
	b = binary.BigEndian.AppendUint32(b, uint32(h.body))
	return binary.BigEndian.AppendUint32(b, uint32(h.files))
}

func parseHead(b [headSize]byte) (head, error) {
	h := head{int(binary.BigEndian.Uint16(b[:])), int(binary.BigEndian.Uint32(b[2:])),
		int(binary.BigEndian.Uint32(b[6:]))}
	if h.kind > maxKind || h.body > MaxBody || h.files > MaxFiles {
		return head{}, fmt.Errorf("the other host does not speak as hosts do: it begins with %x", b)
	}
	return h, nil
}

// to writes the message, and waits until the socket has taken it.
func (o outgoing) to(conn *net.UnixConn) error {
	if _, err := conn.Write(o.bytes); err != nil {
		return err
	}
	for rest := o.files; len(rest) > 0; {
		now := rest[:min(len(rest), batch)]
		rest = rest[len(now):]
		if err := send(conn, now); err != nil {
			return err
		}
	}
	return nil
}

// crowdedPoll is how often it is tried again to send descriptors while too many are on their way.
const crowdedPoll = time.Millisecond

// send sends a byte with these descriptors. They are not made blocking, as Fd would: that holds for whoever shares a
// socket.
func send(conn *net.UnixConn, files []*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		raw, err := f.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { fds[i] = int(fd) })
		}
		if err != nil {
			return err
		}
	}
	rights := syscall.UnixRights(fds...)
	for {
		_, _, err := conn.WriteMsgUnix([]byte{0}, rights, nil)
		// a user may have as many on the way as files open (unix(7)); the other host takes them meanwhile
		if !errors.Is(err, syscall.ETOOMANYREFS) {
			return err
		}
		time.Sleep(crowdedPoll)
	}
}

// reader takes messages off a socket. Descriptors come with bytes of their message, or before, never after.
type reader struct {
	from  receiver
	files []*os.File // that came and are of no message yet
	ended bool       // the other side has closed its end, between two messages
}

// receiver is [net.UnixConn], as far as a reader needs it.
type receiver interface {
	ReadMsgUnix(b, oob []byte) (n, oobn, flags int, from *net.UnixAddr, err error)
}

// next waits for a message. After an error no descriptor is left open.
func (r *reader) next() (m Message, err error) {
	defer func() {
		if err != nil {
			closeAll(r.files)
			r.files = nil
		}
	}()
	var b [headSize]byte
	if n, err := r.full(b[:]); err != nil {
		// a reset is a host that has ended without having read all
		if r.ended = n == 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)); r.ended {
			return m, io.EOF
		}
		return m, broken(err)
	}
	h, err := parseHead(b)
	if err != nil {
		return m, err
	}
	kind := make([]byte, h.kind)
	if _, err := r.full(kind); err != nil {
		return m, broken(err)
	}
	if m.Body, err = r.body(h.body); err != nil {
		return m, broken(err)
	}
	m.Kind = string(kind)
	carriers := make([]byte, (h.files+batch-1)/batch)
	if _, err := r.full(carriers); err != nil {
		return m, broken(err)
	}
	if len(r.files) < h.files {
		return m, fmt.Errorf("%q came with %d of its %d descriptors: this process can't have more open files, raise "+
			"its limit (nofile)", m.Kind, len(r.files), h.files)
	}
	m.Files, r.files = r.files[:h.files:h.files], r.files[h.files:]
	return m, nil
}

// broken is the error for what ends within a message.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// firstRead is how much memory a body gets before its bytes are there.
const firstRead = 1 << 20

// body reads n bytes. Nobody's word is taken for how long it is: memory follows what comes.
func (r *reader) body(n int) ([]byte, error) {
	body := make([]byte, min(n, firstRead))
	for done := 0; ; {
		_, err := r.full(body[done:])
		if err != nil || len(body) == n {
			return body, err
		}
		done = len(body)
		more := make([]byte, min(n, 2*done))
		copy(more, body)
		body = more
	}
}

// full reads until b is full, and keeps the descriptors that come along. n are the bytes that came.
func (r *reader) full(b []byte) (n int, err error) {
	var oob [batchSpace]byte
	for n < len(b) {
		got, rights, flags, _, err := r.from.ReadMsgUnix(b[n:], oob[:])
		if rights > 0 {
			if err := r.take(oob[:rights]); err != nil {
				return n, err
			}
		}
		switch {
		case err != nil:
			return n, err
		case flags&syscall.MSG_CTRUNC != 0:
			return n, fmt.Errorf("descriptors of the other host are lost: this process can't have more open files, " +
				"raise its limit (nofile)")
		case got == 0:
			return n, io.EOF
		}
		n += got
	}
	return n, nil
}

// batchSpace is the room for the descriptors that come with one byte, of four bytes each, with their head.
const batchSpace = 4*batch + 64

func (r *reader) take(oob []byte) error {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return err
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			r.files = append(r.files, os.NewFile(uintptr(fd), "handed over"))
		}
	}
	return nil
}
