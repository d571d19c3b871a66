package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// depart shuts the listener down, and gives what came of it.
func (h *house) depart() <-chan error {
	left := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		left <- h.Shutdown(ctx)
	}()
	<-h.ending
	return left
}

// regular is a client that keeps its connection, and does not look whether it has been closed before it sends.
type regular struct {
	net.Conn
	in *bufio.Reader
}

func (h *house) visit() *regular {
	c := h.dial()
	return &regular{c, bufio.NewReader(c)}
}

func (k *regular) ask(request string) (*http.Response, string, error) {
	if _, err := io.WriteString(k, request); err != nil {
		return nil, "", err
	}
	return k.answer()
}

func (k *regular) answer() (*http.Response, string, error) {
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

const plainGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func TestClientsThatKeepAskingLoseNoRequestWhenTheirListenerEnds(t *testing.T) {
	h := start(t, hello)
	var all sync.WaitGroup
	var begun sync.WaitGroup
	for range 20 {
		begun.Add(1)
		all.Go(func() {
			k := h.visit()
			for i := 0; ; i++ {
				resp, body, err := k.ask(plainGet)
				if i == 0 {
					begun.Done()
				}
				if err != nil || body != "Hello, World!" {
					t.Errorf("request %d: %q %v", i, body, err)
					return
				}
				if resp.Close {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	begun.Wait()
	left := h.depart()
	all.Wait()
	if err := <-left; err != nil {
		t.Error(err)
	}
}

func TestEveryKindOfAnswerSaysThatItIsTheLast(t *testing.T) {
	public := tree(t, map[string]string{"a.css": "a{}"})
	work := make(chan struct{})
	h := start(t, func(c *call) {
		switch c.request.Target {
		case "/slow":
			<-work
			c.respond(0, 200, []string{"Connection", "keep-alive"}, "a")
			c.data([]byte("b"), true)
		case "/failed":
			c.fail(protocol.FailedDied)
		default:
			hello(c)
		}
	}, func(o *Options) { o.Public = public })
	slow := h.visit()
	io.WriteString(slow, strings.Replace(plainGet, "/", "/slow", 1))
	for h.backend.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	targets := []string{"/", "/a.css", "/failed", "/%00"}
	var kept []*regular
	for range targets {
		kept = append(kept, h.visit())
		if resp, _, err := kept[len(kept)-1].ask(plainGet); err != nil || resp.Close {
			t.Fatal(resp, err)
		}
	}
	old := h.visit()
	if resp, _, err := old.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"); err != nil || resp.Close {
		t.Fatal(resp, err)
	}
	left := h.depart()
	for i, target := range targets {
		if resp, _, err := kept[i].ask(strings.Replace(plainGet, "/", target, 1)); err != nil || !resp.Close {
			t.Errorf("%s: %+v %v", target, resp, err)
		}
	}
	if resp, _, err := old.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"); err != nil || !resp.Close {
		t.Errorf("HTTP/1.0: %+v %v", resp, err)
	}
	close(work)
	if resp, body, err := slow.answer(); err != nil || !resp.Close || body != "ab" {
		t.Errorf("/slow: %+v %q %v", resp, body, err)
	}
	if err := <-left; err != nil {
		t.Error(err)
	}
}

func TestAConnectionIsClosedOnlyWhenItHasWaitedForAMoment(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secure), func(t *testing.T) {
			t.Parallel()
			more := make(chan struct{})
			h := start(t, func(c *call) {
				if c.request.Target == "/long" {
					c.respond(0, 200, nil, "begun ")
					<-more
					c.data([]byte("ended"), true)
					return
				}
				hello(c)
			}, func(o *Options) {
				if secure {
					withTLS(t)(o)
				}
			})
			connect := func() *regular {
				k := h.visit()
				if secure {
					k.Conn = tls.Client(k.Conn, &tls.Config{InsecureSkipVerify: true})
					if err := k.Conn.(*tls.Conn).Handshake(); err != nil {
						t.Fatal(err)
					}
					k.in = bufio.NewReader(k.Conn)
				}
				return k
			}
			silent, idle, partial, long := connect(), connect(), connect(), connect()
			for _, k := range []*regular{idle, partial} {
				if _, _, err := k.ask(plainGet); err != nil {
					t.Fatal(err)
				}
			}
			io.WriteString(long, strings.Replace(plainGet, "/", "/long", 1))
			begun := make([]byte, len("HTTP/1.1 200"))
			if _, err := io.ReadFull(long.in, begun); err != nil {
				t.Fatal(err)
			}
			io.WriteString(partial, plainGet[:10])
			for h.clients.closeWaiting(time.Now()) != 4 { // all are net/http's
				time.Sleep(time.Millisecond)
			}
			began := time.Now()
			left := h.depart()

			// One that was answered before the end is not told; it may ask once more.
			close(more)
			if rest, err := long.in.ReadString('\r'); err != nil {
				t.Fatal(rest, err)
			}
			resp, err := http.ReadResponse(
				bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r"), long.in)), nil)
			if err != nil || resp.Close {
				t.Fatalf("%+v %v", resp, err)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != "begun ended" {
				t.Fatalf("%q %v", body, err)
			}
			long.in.Reset(long.Conn)
			if resp, _, err := long.ask(plainGet); err != nil || !resp.Close {
				t.Errorf("behind a long answer: %+v %v", resp, err)
			}
			if resp, _, err := partial.ask(plainGet[10:]); err != nil || !resp.Close {
				t.Errorf("the rest of a request: %+v %v", resp, err)
			}
			for name, k := range map[string]*regular{"silent": silent, "idle": idle} {
				if n, err := io.Copy(io.Discard, k.in); n > 0 || err != nil {
					t.Errorf("%s: %d bytes, %v", name, n, err)
				}
			}
			if err := <-left; err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took < partingMoment/2 {
				t.Errorf("they were closed within %v", took)
			}
		})
	}
}

func TestAConnectionThatHasWaitedForLongIsClosedAtOnce(t *testing.T) {
	h := start(t, hello)
	k := h.visit()
	if _, _, err := k.ask(plainGet); err != nil {
		t.Fatal(err)
	}
	for h.clients.list()[0].waits.Load() <= 0 {
		time.Sleep(time.Millisecond)
	}
	if left := h.clients.closeWaiting(time.Now().Add(partingMoment)); left != 0 {
		t.Errorf("%d are left", left)
	}
	expectEOF(t, k.in)
}

func TestAnIdleHTTP2ConnectionIsToldGOAWAY(t *testing.T) {
	h := start(t, hello)
	c := h.dial()
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+string([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}))
	left := make(<-chan error)
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatalf("no GOAWAY came: %v", err)
		}
		size := int(head[0])<<16 | int(binary.BigEndian.Uint16(head[1:]))
		if _, err := io.CopyN(io.Discard, c, int64(size)); err != nil {
			t.Fatal(err)
		}
		if head[3] == 4 && head[4] == 1 { // our SETTINGS are acknowledged: it is HTTP/2
			left = h.depart()
		}
		if head[3] == 7 {
			break
		}
	}
	c.Close()
	if err := <-left; err != nil {
		t.Error(err)
	}
}
