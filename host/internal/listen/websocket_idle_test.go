// What an idle WebSocket costs: the clients are another process, so that only the host's end is measured.

package listen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

// callersVariable makes the test binary a process of clients: its value is the address, the number of them, and how
// many messages each sends.
const callersVariable = "WORKERHOST_TEST_CALLERS"

// justListening, in the place of a number of messages, is a client that asks for a response, and not for a WebSocket.
const justListening = -1

// sayingLines is likewise a client of TCP, which says one.
const sayingLines = -2

// beCallers connects, says so, and stays until its input ends.
func beCallers(spec string) error {
	var address string
	var count, messages int
	if _, err := fmt.Sscan(spec, &address, &count, &messages); err != nil {
		return err
	}
	places := make(chan struct{}, 32)
	failed := make(chan error, count)
	open := make(chan net.Conn, count) // what is not held is closed by the collector
	var all sync.WaitGroup
	for range count {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			c, err := callOnce(address, messages)
			if err != nil {
				failed <- err
			}
			open <- c
		})
	}
	all.Wait()
	if len(failed) > 0 {
		return <-failed
	}
	fmt.Println("connected")
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(open)
	return nil
}

func callOnce(address string, messages int) (net.Conn, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if messages == sayingLines {
		_, err := c.Write([]byte("a line\n"))
		if err == nil {
			_, err = io.ReadFull(c, make([]byte, 7))
		}
		return c, err
	}
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + aKey +
		"\r\n"
	if messages == justListening {
		upgrade = "Accept: text/event-stream\r\n"
	}
	fmt.Fprintf(c, "GET /chat HTTP/1.1\r\nHost: %s\r\n%s"+
		"User-Agent: a browser of the usual kind, with a long name\r\nCookie: "+
		"session=0123456789abcdef0123456789abcdef\r\nOrigin: http://%[1]s\r\n\r\n", address, upgrade)
	in := bufio.NewReaderSize(c, 512)
	for line := ""; line != "\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			return nil, err
		}
	}
	for range messages {
		text := peertest.Text("a message of some forty bytes, or so many")
		if _, err := c.Write(text); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(in, make([]byte, len(text)-4)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// callers starts a process of clients, and returns when they are connected. stop ends it.
func (l *lines) callers(count, messages int) (stop func()) {
	l.t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", callersVariable, l.address, count, messages))
	c.Stderr = os.Stderr
	in, _ := c.StdinPipe()
	out, _ := c.StdoutPipe()
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "connected\n" {
		in.Close()
		c.Wait()
		l.t.Fatalf("the clients could not connect: %q, %v", line, err)
	}
	return func() {
		in.Close()
		c.Wait()
	}
}

// resident is the process's memory in bytes: what the system says, and what the heap and the stacks have of it.
func resident() (rss, own int64) {
	for range 4 { // stacks shrink by half each time
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, _ := os.ReadFile("/proc/self/statm")
	if f := strings.Fields(string(b)); len(f) > 1 {
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		rss = pages * int64(os.Getpagesize())
	}
	return rss, int64(m.HeapInuse + m.StackInuse)
}

// idleCost opens connections, each of which exchanges so many messages, and says what one costs.
func idleCost(t testing.TB, count, messages int) (rss, own int64) {
	l := startLines(t, func(b *switchboard, o *Options) {
		b.open = func(m *protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			return []protocol.Act{&protocol.Set{
				Set: []protocol.Entry{{Key: "name", Value: protocol.Value("\xa5guest")}}},
				&protocol.Join{Groups: []string{"lobby"}}}, nil, nil
		}
	})
	l.callers(1, messages)() // what is allocated once
	for until := time.Now().Add(10 * time.Second); len(l.hub.List()) > 0 &&
		time.Now().Before(until); time.Sleep(time.Millisecond) {
	}
	rssBefore, ownBefore := resident()
	stop := l.callers(count, messages)
	rss, own = resident()
	if n := len(l.hub.List()); n != count {
		t.Errorf("%d connections are open", n)
	}
	stop()
	return (rss - rssBefore) / int64(count), (own - ownBefore) / int64(count)
}

func TestAnIdleWebSocketCostsLittle(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures memory")
	}
	for _, messages := range []int{0, 3} {
		rss, own := idleCost(t, 2000, messages)
		t.Logf("after %d messages: %d bytes resident, %d of them in the heap and on stacks", messages, rss, own)
		if own > 10<<10 {
			t.Errorf("an idle WebSocket costs %d bytes after %d messages", own, messages)
		}
	}
}

func BenchmarkIdleWebSocket(b *testing.B) {
	for range b.N {
		rss, own := idleCost(b, 15000, 1)
		b.ReportMetric(float64(rss), "RSS-bytes/conn")
		b.ReportMetric(float64(own), "heap+stack-bytes/conn")
	}
}
