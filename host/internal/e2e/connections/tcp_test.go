// TCP in each framing, and UDP: by hand, where each byte goes out when we say so, and with nc.

package connections

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// framing is how messages are told apart on a TCP listener: what a message looks like, and how one is read.
type framing struct {
	name, settings string
	wrap           func(message string) []byte
	read           func(c *harness.Client) (string, error)
}

func until(end string) func(c *harness.Client) (string, error) {
	return func(c *harness.Client) (string, error) {
		var text []byte
		for !bytes.HasSuffix(text, []byte(end)) {
			b, err := c.Reader.ReadByte()
			if err != nil {
				return string(text), err
			}
			text = append(text, b)
		}
		return string(text[:len(text)-len(end)]), nil
	}
}

func counted(size int) func(c *harness.Client) (string, error) {
	return func(c *harness.Client) (string, error) {
		head := make([]byte, 4)
		if _, err := io.ReadFull(c.Reader, head[4-size:]); err != nil {
			return "", err
		}
		text := make([]byte, binary.BigEndian.Uint32(head))
		_, err := io.ReadFull(c.Reader, text)
		return string(text), err
	}
}

var framings = []framing{
	{"line", `framing = "line"`, func(m string) []byte { return []byte(m + "\n") }, until("\n")},
	{"line with CR", ``, func(m string) []byte { return []byte(m + "\r\n") }, until("\n")},
	{"length16", `framing = "length16"`, func(m string) []byte { return harness.Framed(m)[2:] }, counted(2)},
	{"length32", "framing = \"length32\"\nmax_message = \"17MiB\"\nsend_buffer = \"40MiB\"", harness.Framed,
		counted(4)},
	{"delimiter", `delimiter = "\u0000--"`, func(m string) []byte { return []byte(m + "\x00--") }, until("\x00--")},
}

// startFramings serves talk.php on a TCP listener for each of framings, and raw, whose addresses it returns by name.
func startFramings(t *testing.T) (k *harness.Talk, addresses map[string]string) {
	t.Helper()
	addr := harness.FreeAddress(t)
	addresses = map[string]string{"raw": harness.FreeAddress(t)}
	toml := fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\nframing = \"raw\"\n",
		addr, addresses["raw"])
	for _, f := range framings {
		addresses[f.name] = harness.FreeAddress(t)
		toml += fmt.Sprintf("[[listen]]\naddress = %q\nprotocol = \"tcp\"\n%s\n", addresses[f.name], f.settings)
	}
	return harness.StartTalkOn(t, addr, toml+"[pool.web]\nworker = \"worker.php\"\nworkers = 3\nphp_ini = { "+
		"memory_limit = \"256M\" }\n"), addresses
}

// dialAt connects to another address than the host's first.
func dialAt(h *harness.Host, address string) *harness.Client {
	h.T.Helper()
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		h.T.Fatal(err)
	}
	h.T.Cleanup(func() { conn.Close() })
	return harness.NewClient(h.T, conn)
}

func TestTCPMessagesComeWholeHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	k, addresses := startFramings(t)
	for _, f := range framings {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c := dialAt(k.Host, addresses[f.name])
			hear := func(want string) {
				t.Helper()
				if got, err := f.read(c); err != nil || got != want {
					t.Fatalf("heard %.100q (%v), want %.100q", got, err, want)
				}
			}
			two := append(f.wrap("say one message"), f.wrap("say another")...)
			for cut := range len(two) + 1 { // the packets leave one by one: Go sets TCP_NODELAY
				c.Write(two[:cut])
				time.Sleep(500 * time.Microsecond)
				c.Write(two[cut:])
				hear("one message")
				hear("another")
			}
			for i := range two {
				c.Write(two[i : i+1])
			}
			hear("one message")
			hear("another")
			c.Write(bytes.Repeat(f.wrap("say again"), 500))
			for range 500 {
				hear("again")
			}
			c.Write(f.wrap("say "))
			hear("")

			sizes := []int{1, 125, 65530}
			if f.name == "length32" {
				sizes = append(sizes, 1<<20, 16<<20)
			}
			for _, size := range sizes {
				large := make([]byte, size)
				rand.Read(large)
				if f.name != "length16" && f.name != "length32" {
					for i := range large {
						large[i] = 'a' + large[i]%26
					}
				}
				go c.Write(f.wrap("say " + string(large)))
				if got, err := f.read(c); err != nil || got != string(large) {
					t.Fatalf("of %d bytes come %d others (%v)", size, len(got), err)
				}
			}

			// Half a connection is enough to be answered on.
			c.Write(bytes.Repeat(f.wrap("say last"), 3))
			c.Conn.(*net.TCPConn).CloseWrite()
			for range 3 {
				hear("last")
			}
			if text, err := f.read(c); err != io.EOF || text != "" {
				t.Errorf("after the last word: %q %v", text, err)
			}
		})
	}
	t.Run("raw", func(t *testing.T) {
		t.Parallel()
		c := dialAt(k.Host, addresses["raw"])
		for range 50 {
			c.Send("say raw")
			text := make([]byte, 3)
			if _, err := io.ReadFull(c.Reader, text); err != nil || string(text) != "raw" {
				t.Fatalf("%q %v", text, err)
			}
		}
	})
}

func TestTCPConnectionsEndAsTheyShould(t *testing.T) {
	t.Parallel()
	k, addresses := startFramings(t)
	gone := func(c *harness.Client) {
		t.Helper()
		if !c.Closed() {
			t.Error("the connection stays open")
		}
	}
	named := func(framing, name string) *harness.Client {
		c := dialAt(k.Host, addresses[framing])
		for _, f := range framings {
			if f.name == framing {
				c.Write(f.wrap(fmt.Sprintf("set name %q", name)))
				c.Write(f.wrap("say set"))
				f.read(c)
			}
		}
		return c
	}
	c := named("line", "clean")
	c.Close()
	k.AwaitFarewell("clean tcp 1000 clean")

	c = named("line", "half")
	c.Send("say whole\nsay ha")
	c.Conn.(*net.TCPConn).CloseWrite()
	gone(c)
	k.AwaitFarewell("half tcp 1006 unclean")

	c = named("line", "reset")
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	k.AwaitFarewell("reset tcp 1006 unclean")

	c = named("line", "large")
	c.Send(strings.Repeat("x", 1<<20+1))
	gone(c)
	k.AwaitFarewell("large tcp 1009 unclean")

	c = named("length32", "huge")
	c.Write([]byte{0xff, 0xff, 0xff, 0xff})
	gone(c)
	k.AwaitFarewell("huge tcp 1009 unclean")

	c = named("line", "hung up")
	c.Send("close 1000 bye\n")
	gone(c)
	c.Close() // which is its leave
	k.AwaitFarewell("hung up tcp 1000 clean bye")
}

func TestWebSocketMessagesComeWholeHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "max_message = \"17MiB\"\nsend_buffer = \"40MiB\"",
		"workers = 2\nphp_ini = { memory_limit = \"256M\" }")
	part := func(op ws.OpCode, fin bool, text string) []byte {
		return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(text))))
	}
	stream := bytes.Join([][]byte{
		part(ws.OpText, false, "say gr"), part(ws.OpPing, true, "are you there"),
		part(ws.OpContinuation, false, "ü\xc3"), part(ws.OpContinuation, true, "\x9fe"),
		part(ws.OpText, true, "say two"),
	}, nil)
	s := k.Upgrade("/")
	for cut := range len(stream) + 1 {
		s.Write(stream[:cut])
		time.Sleep(500 * time.Microsecond)
		s.Write(stream[cut:])
		s.Expect("grüße")
		s.Expect("two")
	}
	for i := range stream {
		s.Write(stream[i : i+1])
	}
	s.Expect("grüße")
	s.Expect("two")
	for _, size := range []int{125, 126, 65531, 65532, 16 << 20} {
		text := strings.Repeat("x", size)
		go s.Tell("say " + text)
		if got := s.Hear(); got != text {
			t.Errorf("of %d bytes come %d", size, len(got))
		}
	}
	// The handshake, byte by byte.
	slow := &harness.Socket{Client: k.Dial()}
	hello := fmt.Appendf(nil, harness.Handshake, "/?greet=1", k.Addr, "Cookie: name=bit\r\n")
	for i := range hello {
		slow.Write(hello[i : i+1])
	}
	head := ""
	for head != "\r\n" {
		var err error
		if head, err = slow.Reader.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	slow.Expect("welcome bit")
	slow.Say("say awake")
	slow.Expect("awake")
	// A client that does not wait for the answer to its handshake breaks RFC 6455 §4.1, and loses the connection;
	// workers hear of its end.
	early := k.Dial()
	early.Write(append(fmt.Appendf(nil, harness.Handshake, "/?name=early", k.Addr, ""),
		harness.Frame(ws.OpText, []byte("say early"))...))
	if !early.Closed() {
		t.Error("a client that speaks too early stays connected")
	}
	k.AwaitFarewell("early websocket 1006 unclean")
}

// nc runs netcat with something to say, and returns what it heard.
func nc(t *testing.T, say string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("nc")
	if err != nil {
		t.Skip("nc is not installed; .ci/setup test does that")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(say)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("nc %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestNetcatTalksTCPUnixAndUDP(t *testing.T) {
	t.Parallel()
	short, err := os.MkdirTemp("", "u")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	unix := filepath.Join(short, "t.sock")
	addr, tcp, udp := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	k := harness.StartTalkOn(t, addr, fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = "+
		"\"tcp\"\n[[listen]]\naddress = \"unix:%s\"\nprotocol = \"tcp\"\n[[listen]]\naddress = %q\nprotocol = "+
		"\"udp\"\n"+
		"[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", addr, tcp, unix, udp))
	host, port, _ := net.SplitHostPort(tcp)
	if got := nc(t, "say over tcp\nstate\n", "-N", host, port); got != fmt.Sprintf("over tcp\n[\"\",[],\"tcp\",%q]\n",
		strings.ReplaceAll(tcp, "/", "\\/")) {
		t.Errorf("TCP: %q", got)
	}
	if got := nc(t, "say over unix\n", "-N", "-U", unix); got != "over unix\n" {
		t.Errorf("unix: %q", got)
	}
	host, port, _ = net.SplitHostPort(udp)
	if got := nc(t, "say over udp", "-u", "-w", "1", host, port); got != "over udp" {
		t.Errorf("UDP: %q", got)
	}
	if got := nc(t, "join lobby", "-u", "-w", "1", host, port); got != "" {
		t.Errorf("UDP, to join a group: %q", got)
	}
	k.Logs.Await(t, "datagram") // has no groups, and the log says so
}

func TestDatagramsAreAnsweredAcrossAReload(t *testing.T) {
	t.Parallel()
	addr, udp := harness.FreeAddress(t), harness.FreeAddress(t)
	k := harness.StartTalkOn(t, addr, fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = "+
		"\"udp\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", addr, udp))
	over, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		conn, err := net.Dial("udp", udp)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		buffer := make([]byte, 2048)
		for {
			select {
			case <-over:
				return
			default:
			}
			want := fmt.Sprintf("message %d %s", n, strings.Repeat("x", n%1400))
			io.WriteString(conn, "say "+want)
			conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			got, err := conn.Read(buffer)
			if err != nil || string(buffer[:got]) != want {
				t.Errorf("%.100q became %.100q (%v)", want, buffer[:got], err)
				return
			}
			n++
		}
	}()
	for version := 2; version <= 4; version++ {
		k.Deploy(t, fmt.Sprint(version))
		k.Reload()
	}
	close(over)
	if n := <-sent; n < 20 {
		t.Errorf("only %d datagrams were answered", n)
	}
}
