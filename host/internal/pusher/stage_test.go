// An app behind a real listener, clients that make their frames themselves, and a server that signs its requests.

package pusher

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/goroutines"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/web"
)

func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "/pusher.")) }

// patience is how long anything may take that happens at all.
const patience = 30 * time.Second

// stage is all of it.
type stage struct {
	*testing.T
	hub      *hub.Hub
	app      *App
	settings *Settings
	address  string
}

func newStage(t *testing.T, change ...func(*Settings)) *stage {
	t.Helper()
	log := hclog.New(&hclog.LoggerOptions{Output: told{t}, Level: hclog.Info})
	s := &stage{T: t, hub: hub.New(log), settings: &Settings{ID: "7", Key: "key", Secret: "secret",
		ClientEvents: true, Activity: 2 * time.Minute, MaxMembers: 3, MaxEvent: 100 << 10}}
	for _, c := range change {
		c(s.settings)
	}
	s.app = New("main", s.hub, s.settings)
	o := listen.Options{Address: "127.0.0.1:0", Spool: spool.New(t.TempDir(), 1<<30, log), Logger: log,
		Terms: listen.Terms{Terms: web.Terms{Backend: s.app, Hub: s.hub, Limits: web.DefaultLimits(),
			Sockets: peer.DefaultSocketLimits()}}}
	loops, err := loop.New()
	if err == nil {
		o.Loops = loops
	}
	server, err := listen.New(o)
	if err == nil {
		err = server.Listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.hub.Shutdown(ctx, 0, nil)
		server.Shutdown(ctx)
		server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if loops != nil {
			loops.Close()
		}
		o.Spool.Close()
	})
	s.address = server.Address()
	return s
}

// told is a test's log.
type told struct{ *testing.T }

func (t told) Write(b []byte) (int, error) {
	t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// client is a browser's end.
type client struct {
	*stage
	conn   net.Conn
	in     io.Reader
	socket string
	closed ws.StatusCode // what the host took leave with, once hears has said so
}

// dial opens a WebSocket to a path.
func (s *stage) dial(path string) *client {
	s.Helper()
	conn, buffered, _, err := ws.Dialer{}.Dial(context.Background(), "ws://"+s.address+path)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	k := &client{stage: s, conn: conn, in: conn}
	if buffered != nil {
		k.in = io.MultiReader(buffered, conn)
	}
	k.in = bufio.NewReader(k.in)
	return k
}

// comes opens one, and waits until it is established.
func (s *stage) comes() *client {
	s.Helper()
	k := s.dial("/app/key?protocol=7&client=js&version=8.4.0&flash=false")
	var about struct {
		Socket   string `json:"socket_id"`
		Activity int    `json:"activity_timeout"`
	}
	k.hears("pusher:connection_established", &about)
	if k.socket = about.Socket; about.Activity != 120 || k.socket == "" {
		s.Fatalf("it is told %+v", about)
	}
	return k
}

// says sends an event.
func (k *client) says(name, channel string, data any) {
	k.Helper()
	k.saysRaw(encode(event{Event: name, Channel: channel, Data: data}))
}

func (k *client) saysRaw(b []byte) {
	k.Helper()
	if err := ws.WriteFrame(k.conn, ws.MaskFrameInPlace(ws.NewTextFrame(bytes.Clone(b)))); err != nil {
		k.Fatal(err)
	}
}

// heard is what a client is told.
type heard struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
	User    string          `json:"user_id"`
}

// next is the next event; an empty one is that the host took leave.
func (k *client) next() (e heard) {
	k.Helper()
	k.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		f, err := ws.ReadFrame(k.in)
		switch {
		case err != nil:
			k.Fatal(err)
		case f.Header.OpCode == ws.OpClose:
			k.closed, _ = ws.ParseCloseFrameData(f.Payload)
			return heard{}
		case f.Header.OpCode == ws.OpText:
			if err := json.Unmarshal(f.Payload, &e); err != nil {
				k.Fatalf("%q: %v", f.Payload, err)
			}
			return e
		}
	}
}

// hears wants an event next, and reads what it holds, which may be text that holds it.
func (k *client) hears(name string, into any) heard {
	k.Helper()
	e := k.next()
	if e.Event != name {
		k.Fatalf("it heard %+v (%s), not %s", e, e.Data, name)
	}
	data := []byte(e.Data)
	var text string
	if json.Unmarshal(data, &text) == nil {
		data = []byte(text)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			k.Fatalf("%s: %v", data, err)
		}
	}
	return e
}

// quiet wants nothing to have been said: an answer to a ping is the next thing that comes.
func (k *client) quiet() {
	k.Helper()
	k.says("pusher:ping", "", struct{}{})
	k.hears("pusher:pong", nil)
}

// subscribes listens to a channel, with a signature if it needs one, and gives what it is told.
func (k *client) subscribes(channel string, who ...string) heard {
	k.Helper()
	data := map[string]string{"channel": channel}
	if kindOf(channel).signed() {
		text := k.socket + ":" + channel
		if len(who) > 0 {
			data["channel_data"] = who[0]
			text += ":" + who[0]
		}
		data["auth"] = k.settings.Key + ":" + k.settings.signatureOf(text)
	}
	k.says("pusher:subscribe", "", data)
	e := k.hears(subscribed, nil)
	if e.Channel != channel {
		k.Fatalf("it was told of %s", e.Channel)
	}
	return e
}

// leaves ends the connection.
func (k *client) leaves() { k.conn.Close() }

// asks sends a signed request, and gives the answer.
func (s *stage) asks(method, path string, body []byte, query ...string) (status int, answer string) {
	s.Helper()
	target := path + "?" + s.signed(method, path, body, query...).Encode()
	r, err := http.NewRequest(method, "http://"+s.address+target, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	return s.answered(r)
}

// signed are the parameters of a request.
func (s *stage) signed(method, path string, body []byte, query ...string) url.Values {
	values := url.Values{"auth_key": {s.settings.Key}, "auth_version": {"1.0"},
		"auth_timestamp": {strconv.FormatInt(time.Now().Unix(), 10)}}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	if len(body) > 0 {
		sum := md5.Sum(body)
		values.Set("body_md5", hex.EncodeToString(sum[:]))
	}
	values.Set("auth_signature", s.settings.signatureOf(toSign(method, path, values)))
	return values
}

func (s *stage) answered(r *http.Request) (status int, answer string) {
	s.Helper()
	t := &http.Transport{}
	defer t.CloseIdleConnections()
	a, err := (&http.Client{Transport: t, Timeout: patience}).Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.Fatal(err)
	}
	return a.StatusCode, strings.TrimSpace(string(b))
}

// triggers has a server send an event, and wants it taken.
func (s *stage) triggers(name, data, socket string, channels ...string) {
	s.Helper()
	body := encode(map[string]any{"name": name, "data": data, "channels": channels, "socket_id": socket})
	if status, answer := s.asks("POST", "/apps/7/events", body); status != 200 || answer != "{}" {
		s.Fatalf("it was answered %d %s", status, answer)
	}
}

// wants compares an answer.
func (s *stage) wants(status int, answer string) func(int, string) {
	return func(got int, text string) {
		s.Helper()
		if got != status || status == 200 && text != answer || !strings.Contains(text, answer) {
			s.Errorf("it was answered %d %s; wanted %d %s", got, text, status, answer)
		}
	}
}

func user(id any) string { return fmt.Sprintf(`{"user_id":%s,"user_info":{"name":"N"}}`, encode(id)) }

// eventually waits for something that nothing tells of.
func (s *stage) eventually(is func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatal("it never came about")
		}
	}
}
