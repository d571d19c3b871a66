// The clients of a replacement, and what they count.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// measureTakeovers replaces each peer once.
func measureTakeovers(ctx context.Context, s *stage, o options) (all []takeover, err error) {
	backend, err := serveBackend()
	if err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil { // for own
		return nil, err
	}
	peers, missing := o.peers()
	for _, why := range missing {
		progress("left out: %v", why)
	}
	for _, p := range peers {
		on, err := s.play(ctx, p, o, backend)
		if err == nil {
			var one takeover
			one, err = on.measure(ctx)
			all = append(all, one)
			progress("%s", p.name)
		}
		if on != nil {
			err = errors.Join(err, on.quit())
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return all, nil
}

// quit ends the peer, and what is left of processes before and after it.
func (p *playing) quit() error {
	err := p.actor.end()
	for _, pid := range p.own() {
		if process, err := os.FindProcess(pid); err == nil {
			process.Kill()
		}
	}
	return err
}

// own are the processes of the peer's program. All of them are below this one, which adopts what they leave behind.
func (p *playing) own() (pids []int) {
	table, err := readProcesses()
	if err != nil {
		return nil
	}
	for _, pid := range table.descendants(os.Getpid()) {
		if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); exe == p.binary {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (p *playing) memory() (count int, bytes int64) {
	for _, pid := range p.own() {
		n, _ := residentMemory(pid)
		count, bytes = count+1, bytes+n
	}
	return count, bytes
}

// audience is the clients of one replacement.
type audience struct {
	address string
	over    context.Context
	clients sync.WaitGroup
	asked   atomic.Int64 // when the replacement began, in Unix nanoseconds; 0: not yet

	mu sync.Mutex
	takeover
}

func (p *playing) measure(ctx context.Context) (result takeover, err error) {
	over, end := context.WithCancel(ctx)
	defer end()
	a := &audience{address: p.address, over: over, takeover: takeover{Peer: p.name, Closed: map[string]int{}}}
	for range takeoverSockets {
		conn, r, err := a.upgrade()
		if err != nil {
			return result, err
		}
		a.clients.Go(func() { a.echo(conn, r) })
	}
	for range takeoverKept {
		a.clients.Go(func() { a.ask(true) })
	}
	for range takeoverFresh {
		a.clients.Go(func() { a.ask(false) })
	}
	wait := func(d time.Duration) {
		select {
		case <-over.Done():
		case <-time.After(d):
		}
	}
	wait(calmTime)
	a.Processes[0], a.Before = p.memory()
	began := time.Now()
	a.asked.Store(began.UnixNano())
	if err := p.replace(p); err != nil {
		return result, err
	}
	a.Took = time.Since(began).Seconds()
	wait(settledTime)
	a.Processes[1], a.After = p.memory()
	wait(watchTime - settledTime)
	a.Processes[2] = len(p.own())
	end()
	a.clients.Wait()
	return a.takeover, ctx.Err()
}

const handshake = "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + handshakeKey + "\r\n\r\n"

func (a *audience) upgrade() (net.Conn, *bufio.Reader, error) {
	conn, err := net.Dial("tcp", a.address)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(conn, handshake, a.address)
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New("a WebSocket is refused: " + answer.Status)
	}
	return conn, r, err
}

const answerTime = 10 * time.Second

// echo sends numbered texts over a WebSocket until the end, or its own, and expects them back.
func (a *audience) echo(conn net.Conn, r *bufio.Reader) {
	defer conn.Close()
	for n := 0; a.over.Err() == nil; n++ {
		text := fmt.Sprintf("message %d", n)
		conn.SetDeadline(time.Now().Add(answerTime))
		_, err := conn.Write(append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...))
		var back string
		if err == nil {
			back, err = readText(r)
		}
		if err == nil && back != text {
			err = fmt.Errorf("%q came back", back)
		}
		if err != nil {
			a.closes(err)
			return
		}
		atomic.AddInt64(&a.Echoes, 1)
		time.Sleep(200 * time.Millisecond)
	}
}

// closes counts a WebSocket that ended by itself.
func (a *audience) closes(err error) {
	var code closedBy
	how := "cut"
	if errors.As(err, &code) {
		how = code.Error()
	}
	at := time.Since(time.Unix(0, a.asked.Load())).Seconds()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.Closed) == 0 {
		a.First = at
	}
	a.Last = at
	a.Closed[how]++
}

// ask asks again and again, over one connection as long as the answers let it, or over fresh ones.
func (a *audience) ask(keep bool) {
	var conn net.Conn
	var r *bufio.Reader
	for a.over.Err() == nil {
		var err error
		if conn == nil {
			if conn, err = net.Dial("tcp", a.address); err == nil {
				r = bufio.NewReader(conn)
			}
		}
		last := false
		if err == nil {
			conn.SetDeadline(time.Now().Add(answerTime))
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", a.address)
			var answer *http.Response
			if answer, err = http.ReadResponse(r, nil); err == nil {
				var text []byte
				text, err = io.ReadAll(answer.Body)
				if last = answer.Close; err == nil && string(text) != greeting {
					err = fmt.Errorf("%s: %.100q", answer.Status, text)
				}
			}
		}
		a.counts(keep, last, err)
		if conn != nil && (err != nil || last || !keep) {
			conn.Close()
			conn = nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	if conn != nil {
		conn.Close()
	}
}

func (a *audience) counts(keep, last bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all, cut := &a.Fresh, &a.FreshCut
	if keep {
		all, cut = &a.Kept, &a.KeptCut
		if last {
			a.KeptEnded++
		}
	}
	if *all++; err != nil {
		*cut++
	}
}
