// clients_linux.go is the process of clients: one thread that waits for all of their sockets, so that it takes as
// little as it can from the machine that is measured.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// beClients connects, and does what standard input says until that ends.
func beClients(text string) error {
	var spec crowdSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	say := json.NewEncoder(os.Stdout)
	began := time.Now()
	l, err := connectAll(spec)
	if err != nil {
		return say.Encode(outcome{Error: err.Error()})
	}
	if err := say.Encode(outcome{Took: micros(time.Since(began)), Messages: int64(spec.Count)}); err != nil {
		return err
	}
	errands := make(chan errand)
	go func() {
		defer close(errands)
		for in := json.NewDecoder(os.Stdin); ; {
			var e errand
			if in.Decode(&e) != nil {
				return
			}
			errands <- e
		}
	}()
	for {
		select {
		case e, ok := <-errands:
			if !ok {
				l.close()
				return nil
			}
			o, err := l.do(e)
			if err != nil {
				o.Error = err.Error()
			}
			if err := say.Encode(o); err != nil {
				return err
			}
		default:
			if err := l.turn(20 * time.Millisecond); err != nil { // pings want an answer
				return err
			}
		}
	}
}

// fit is count, or what the limit of descriptors leaves room for.
func fit(count int) int {
	const others = 250
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Max < uint64(count+others) {
		progress("a process may have %d descriptors: %d connections instead of %d", limit.Max, limit.Max-others, count)
		return max(1, int(limit.Max)-others)
	}
	return count
}

// caller is one client's socket.
type caller struct {
	fd   int
	rest []byte // the beginning of a message that has not come whole
	sent time.Time
}

// loop waits for all callers at once.
type loop struct {
	spec    crowdSpec
	epoll   int
	callers []caller
	ready   []unix.EpollEvent
	buffer  []byte
	heard   func(c *caller, messages [][]byte) error // what to do with what has come
	got     [][]byte
}

// connectAll connects the callers, some at a time.
func connectAll(spec crowdSpec) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	l := &loop{spec: spec, epoll: epoll, callers: make([]caller, spec.Count), ready: make([]unix.EpollEvent, 512),
		buffer: make([]byte, 256<<10)}
	next := make(chan int)
	failed := make(chan error, 1)
	var all sync.WaitGroup
	for range min(32, spec.Count) {
		all.Go(func() {
			for i := range next {
				if err := l.connect(&l.callers[i]); err != nil {
					select {
					case failed <- fmt.Errorf("client %d: %w", i, err):
					default:
					}
					return
				}
			}
		})
	}
	for i := range l.callers {
		select {
		case next <- i:
			continue
		case err := <-failed:
			return nil, err
		}
	}
	close(next)
	all.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	for i := range l.callers {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, l.callers[i].fd, &event); err != nil {
			return nil, err
		}
		if err := unix.SetNonblock(l.callers[i].fd, true); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// connect opens the caller's connection and has one message echoed, or one request answered.
func (l *loop) connect(c *caller) (err error) {
	address, err := netip.ParseAddrPort(l.spec.Address)
	if err != nil {
		return err
	}
	if !address.Addr().Is4() {
		return fmt.Errorf("%s: clients connect to IPv4 alone", address)
	}
	if c.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	patience := unix.NsecToTimeval(int64(readyTimeout))
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		return err
	}
	if err := unix.Connect(c.fd, &unix.SockaddrInet4{Port: int(address.Port()),
		Addr: address.Addr().As4()}); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	buffer := make([]byte, 4<<10)
	switch l.spec.Network {
	case keepAlive, held:
		return l.ask(c, buffer)
	case websocket:
		if err := l.upgrade(c, buffer); err != nil {
			return err
		}
	}
	if err := write(c.fd, l.frame(echoText)); err != nil {
		return err
	}
	for {
		n, err := receive(c.fd, buffer)
		if err != nil {
			return fmt.Errorf("waiting for an echo: %w", err)
		}
		messages, err := l.split(c, buffer[:n], nil)
		if err != nil {
			return err
		}
		if len(messages) > 0 {
			return expectEcho(messages[0])
		}
	}
}

func (l *loop) upgrade(c *caller, buffer []byte) error {
	rest, err := l.request(c, "Connection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "101", "\r\n\r\n", buffer)
	c.rest = bytes.Clone(rest)
	return err
}

// ask has a request answered, as far as it is: a response that is held begins so.
func (l *loop) ask(c *caller, buffer []byte) error {
	mark := greeting
	if l.spec.Network == held {
		mark = "retry: 2000"
	}
	_, err := l.request(c, "", "200", mark, buffer)
	return err
}

// request sends a request and reads the answer up to a mark. It returns what came behind that.
func (l *loop) request(c *caller, fields, status, mark string, buffer []byte) (rest []byte, err error) {
	request := "GET " + l.spec.Path + " HTTP/1.1\r\nHost: " + l.spec.Address + "\r\n" + fields +
		"User-Agent: a browser of the usual kind, with a long name\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef\r\n\r\n"
	if err := write(c.fd, []byte(request)); err != nil {
		return nil, err
	}
	for got := 0; ; {
		n, err := receive(c.fd, buffer[got:])
		if err != nil {
			return nil, fmt.Errorf("waiting for the answer to a request: %w", err)
		}
		got += n
		if end := bytes.Index(buffer[:got], []byte(mark)); end >= 0 {
			if !bytes.HasPrefix(buffer, []byte("HTTP/1.1 "+status+" ")) {
				return nil, fmt.Errorf("want %s, got %.200q", status, buffer[:got])
			}
			return buffer[end+len(mark) : got], nil
		}
		if got == len(buffer) {
			return nil, fmt.Errorf("no %q in the answer to a request: %.200q", mark, buffer)
		}
	}
}

func receive(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, errors.New("the server closed the connection")
		default:
			return n, nil
		}
	}
}

// write writes little: a server that does not read it is not one to measure.
func write(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return errors.New("the server does not read what clients send")
		case err != nil:
			return err
		default:
			p = p[n:]
		}
	}
	return nil
}

// turn waits for what comes, for so long at most, and has it heard.
func (l *loop) turn(wait time.Duration) error {
	n, err := unix.EpollWait(l.epoll, l.ready, int(wait.Milliseconds()))
	if err != nil && err != unix.EINTR {
		return err
	}
	for _, event := range l.ready[:max(n, 0)] {
		c := &l.callers[event.Fd]
		n, err := receive(c.fd, l.buffer)
		if err != nil {
			return fmt.Errorf("client %d: %w", event.Fd, err)
		}
		if l.got, err = l.split(c, l.buffer[:n], l.got[:0]); err != nil {
			return fmt.Errorf("client %d: %w", event.Fd, err)
		}
		if len(l.got) > 0 && l.heard != nil {
			if err := l.heard(c, l.got); err != nil {
				return fmt.Errorf("client %d: %w", event.Fd, err)
			}
		}
	}
	return nil
}

func (l *loop) do(e errand) (outcome, error) {
	defer func() { l.heard = nil }()
	if e.Broadcasts > 0 {
		return l.broadcast(e.Broadcasts)
	}
	return l.echo(e.Depth, time.Duration(e.Millis)*time.Millisecond)
}

// echo keeps depth messages of each connection under way, for so long, and then waits for the last of them.
func (l *loop) echo(depth int, duration time.Duration) (o outcome, err error) {
	frames := bytes.Repeat(l.frame(echoText), depth)
	size := len(frames) / depth
	waits := []float64{}
	began := time.Now()
	until, under := began.Add(duration), 0
	l.heard = func(c *caller, messages [][]byte) error {
		now := time.Now()
		for _, message := range messages {
			if err := expectEcho(message); err != nil {
				return err
			}
		}
		if depth == 1 {
			waits = append(waits, micros(now.Sub(c.sent)))
			c.sent = now
		}
		o.Messages += int64(len(messages))
		if now.After(until) {
			under -= len(messages)
			return nil
		}
		return write(c.fd, frames[:size*min(len(messages), depth)])
	}
	for i := range l.callers {
		c := &l.callers[i]
		c.sent = time.Now()
		if err := write(c.fd, frames); err != nil {
			return o, err
		}
		under += depth
	}
	for under > 0 {
		if err := l.turn(time.Second); err != nil {
			return o, err
		}
		if time.Since(until) > errandTime {
			return o, fmt.Errorf("%d messages were not echoed within %s", under, errandTime)
		}
	}
	o.Took = micros(time.Since(began))
	if len(waits) > 0 {
		slices.Sort(waits)
		o.P50, o.P99 = waits[len(waits)/2], waits[len(waits)*99/100]
	}
	return o, nil
}

func expectEcho(message []byte) error {
	if string(message) != echoText {
		return fmt.Errorf("sent %q, and got %.100q", echoText, message)
	}
	return nil
}

// broadcast has one connection ask for a message to all, and waits until they have it, so often.
func (l *loop) broadcast(times int) (o outcome, err error) {
	left := 0
	l.heard = func(_ *caller, messages [][]byte) error {
		for _, message := range messages {
			if !strings.HasPrefix(string(message), toAll) {
				return fmt.Errorf("%.100q is no message to all", message)
			}
		}
		left -= len(messages)
		return nil
	}
	frame := l.frame(messageText)
	began := time.Now()
	for i := range times {
		left = len(l.callers)
		asked := time.Now()
		if err := write(l.callers[i%len(l.callers)].fd, frame); err != nil {
			return o, err
		}
		for left > 0 {
			if err := l.turn(time.Second); err != nil {
				return o, err
			}
			if time.Since(asked) > errandTime {
				return o, fmt.Errorf("%d clients have no message after %s", left, errandTime)
			}
		}
		o.Last = append(o.Last, micros(time.Since(asked)))
		o.Messages += int64(len(l.callers))
	}
	o.Took = micros(time.Since(began))
	return o, nil
}

// close cuts the connections, so that no port waits for a packet that is late.
func (l *loop) close() {
	for i := range l.callers {
		unix.SetsockoptLinger(l.callers[i].fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Close(l.callers[i].fd)
	}
}
