// PHP workers, a real pool and the hub, without sockets: that all of them mean the same by SPEC.md §9 and §10.

package serve

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
)

// phpPool is a pool of three PHP workers behind a hub.
type phpPool struct {
	t    *testing.T
	hub  *hub.Hub
	pool *workers.Pool
}

func servePHP(t *testing.T, code string) *phpPool {
	t.Helper()
	t.Parallel()
	php, err := exec.LookPath("php")
	if err != nil {
		t.Skip("php is not installed")
	}
	sdk, err := filepath.Abs("../../../sdk-php/autoload.php")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "worker.php")
	head := "<?php require '" + sdk + "'; use WorkerHost\\{Connection, Worker}; use WorkerHost\\Http\\{Request, " +
		"Response}; $worker = Worker::create(); $all = $worker->connections(); "
	if err := os.WriteFile(script, []byte(head+code+" $worker->run();"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := hclog.New(&hclog.LoggerOptions{Output: testWriter{t}, Level: hclog.Warn})
	h := hub.New(log)
	pool, err := workers.New(workers.Settings{Command: []string{php, "-d", "display_errors=stderr", script},
		Workers: 3, Hub: h, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if err := pool.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-pool.Started()
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
		defer stop()
		pool.Stop(ctx)
	})
	return &phpPool{t, h, pool}
}

// TestAPHPWorkerGetsAnAnswerThatNoFrameTakes: over 16 MiB of user ids.
func TestAPHPWorkerGetsAnAnswerThatNoFrameTakes(t *testing.T) {
	p := servePHP(t, `$worker->onMessage(function (Connection $c, string $data) use ($all) {
		$uids = $all->uids();
		$c->send(count($uids) . " " . strlen(implode($uids)) . " " . count(array_unique($uids)));
	});`)
	const users, length = 17000, 1000
	for i := range users {
		link, err := p.hub.Hold(&deadEnd{}, hub.Card{Protocol: "sse"}, &hub.Terms{Backend: nobody{}},
			&protocol.Hold{UID: fmt.Sprintf("%0*d", length, i)})
		if err != nil {
			t.Fatal(err)
		}
		link.Opened()
	}
	k := p.connect()
	k.say("how many?")
	k.hear(fmt.Sprintf("%d %d %d", users, users*length, users))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// phpClient is a client in memory; what it gets comes on messages.
type phpClient struct {
	t        *testing.T
	c        *hub.Connection
	once     sync.Once
	messages chan string
	closed   chan int
}

func (p *phpPool) connect() *phpClient {
	p.t.Helper()
	k := &phpClient{t: p.t, messages: make(chan string, 4096), closed: make(chan int, 1)}
	k.c = p.hub.Add(k, hub.Card{Protocol: protocol.ProtoTCP, Remote: "192.0.2.1:1"}, &hub.Terms{Backend: p.pool})
	answered := make(chan hub.Admission, 1)
	k.c.Open(nil, func(a hub.Admission) { answered <- a })
	select {
	case a := <-answered:
		if !a.Accepted {
			p.t.Fatalf("the connection was refused: %+v", a)
		}
	case <-time.After(30 * time.Second):
		p.t.Fatal("no answer to OPEN")
	}
	k.c.Opened()
	return k
}

func (*phpClient) Encoding() hub.Encoding { return nil }

func (k *phpClient) TryWrite(b [][]byte) (int, error) {
	n := 0
	for _, f := range b {
		n += len(f)
	}
	return n, k.Write(b)
}

func (k *phpClient) Write(b [][]byte) error {
	for _, f := range b {
		k.messages <- string(f)
	}
	return nil
}

func (k *phpClient) End(code int, _ string) {
	k.once.Do(func() { k.closed <- code; go k.c.Closed(code, "", true) })
}

func (k *phpClient) Abort() {
	k.once.Do(func() { k.closed <- protocol.CloseBroken; go k.c.Closed(protocol.CloseBroken, "", false) })
}

func (k *phpClient) say(message string) {
	if !k.c.Deliver([]byte(message), false) {
		k.t.Errorf("the connection took no %.40q", message)
	}
}

func (k *phpClient) hear(want string) {
	k.t.Helper()
	if got := k.next(); got != want {
		k.t.Fatalf("heard %.80q, want %.80q", got, want)
	}
}

func (k *phpClient) next() string {
	k.t.Helper()
	select {
	case m := <-k.messages:
		return m
	case <-time.After(30 * time.Second):
		k.t.Fatal("heard nothing")
	}
	return ""
}

func TestPHPWorkersShareTheStateOfConnections(t *testing.T) {
	p := servePHP(t, `$worker->onOpen(function (Connection $c) { $c->join('lobby'); $c->session['n'] = 0; $c->send("hello"); })
		->onMessage(function (Connection $c, string $data) use ($all) {
			$n = ++$c->session['n'];
			if ($data === 'all') { $all->sendToGroup('lobby', "to all", except: $c->id); }
			if ($data === 'bind') { $c->bindUid(7); $c->send('bound'); return; }
			if ($data === 'ask') { $c->send($all->count() . $all->count('lobby') . json_encode($all->isOnline(7)) . implode($all->uids()) . json_encode($all->session($all->ids()[0])['n'] >= 0)); return; }
			$c->send("$data $n");
		})->onClose(function (Connection $c, int $code) use ($all) { $all->sendToAll("gone with $code after {$c->session['n']}"); });`)
	a, b := p.connect(), p.connect()
	a.hear("hello")
	b.hear("hello")
	for n := 1; n <= 300; n++ {
		a.say("x")
	}
	for n := 1; n <= 300; n++ {
		a.hear("x " + strconv.Itoa(n))
	}
	b.say("all")
	b.hear("all 1")
	a.hear("to all")
	b.say("bind")
	// two messages at once may travel together, and what a handler does takes effect with the last of them
	b.hear("bound")
	b.say("ask")
	b.hear("22true7true")
	b.c.Closed(protocol.CloseNormal, "", true)
	a.hear("gone with 1000 after 3")
}

func TestPHPWorkersTakeAndSendLongMessages(t *testing.T) {
	p := servePHP(t, `$worker->onMessage(fn (Connection $c, string $data) => $c->send(strrev($data)));`)
	a := p.connect()
	for _, size := range []int{1, 65535, 65536, 65537, 262144, 262145, 5 << 20} {
		message := bytes.Repeat([]byte("abcdefghi\n"), size/10+1)[:size]
		a.say(string(message))
		for i, j := 0, len(message)-1; i < j; i, j = i+1, j-1 {
			message[i], message[j] = message[j], message[i]
		}
		if got := a.next(); got != string(message) {
			t.Fatalf("of a message of %d bytes came back %d others", size, len(got))
		}
	}
}

func TestAPHPHandlerThatFailsHasDoneNothing(t *testing.T) {
	p := servePHP(t, `$worker->onMessage(function (Connection $c, string $data) use ($all) {
		$c->session['list'][] = $data;
		$c->send("$data, attempt $c->attempt");
		if ($data === 'throw') { throw new Exception('no'); }
		if ($data === 'exit' && $c->attempt === 1) { exit(0); }
		if ($data === 'list') { $c->send(implode(' ', $c->session['list'])); }
	});`)
	a := p.connect()
	for _, m := range []string{"one", "throw", "exit", "list"} {
		a.say(m)
	}
	a.hear("one, attempt 1")
	a.hear("exit, attempt 2")
	if got := a.next(); !strings.HasPrefix(got, "list, attempt ") {
		t.Fatalf("heard %q", got)
	}
	a.hear("one exit list")
}

func TestAnEventThatKillsTwoPHPWorkersClosesItsConnection(t *testing.T) {
	p := servePHP(t,
		`$worker->onMessage(function () { exit(1); })->onClose(fn (Connection $c, int $code) => $all->sendToAll("closed with $code"));`)
	a, b := p.connect(), p.connect()
	a.say("x")
	b.hear("closed with 1011")
	if code := <-a.closed; code != protocol.CloseError {
		t.Errorf("closed with %d, want %d", code, protocol.CloseError)
	}
}

func TestPHPWorkersUpdateASessionWithoutLosingAChange(t *testing.T) {
	p := servePHP(t, `$worker->onMessage(function (Connection $c, string $id) use ($all) {
		for ($i = 0; $i < 50; $i++) { $all->updateSession($id, function (array $s) { $s['n'] = ($s['n'] ?? 0) + 1; return $s; }); }
		$c->send('n is ' . $all->session($id)['n']);
	});`)
	shared := p.connect()
	var clients []*phpClient
	for range 3 {
		clients = append(clients, p.connect())
	}
	for _, k := range clients {
		k.say(shared.c.ID())
	}
	last := 0
	for _, k := range clients {
		n, _ := strconv.Atoi(strings.TrimPrefix(k.next(), "n is "))
		last = max(last, n)
	}
	if last != 150 {
		t.Errorf("three workers that counted to 50 each made %d", last)
	}
}

func TestAPHPWorkersTimersSend(t *testing.T) {
	p := servePHP(t,
		`$worker->onOpen(fn () => null)->every(0.05, fn () => $all->sendToAll(getmypid() . ' of ' . $all->count()));`)
	a := p.connect()
	pids := map[string]bool{}
	for deadline := time.Now().Add(20 * time.Second); len(pids) < 3 && time.Now().Before(deadline); {
		pid, of, _ := strings.Cut(a.next(), " of ")
		pids[pid] = of == "1"
	}
	if len(pids) != 3 {
		t.Errorf("ticks came from %v, want three workers", pids)
	}
}

func TestAPHPWorkerRefusesAConnection(t *testing.T) {
	p := servePHP(t,
		`$worker->onOpen(fn (Connection $c, ?Request $r) => $r === null || $r->query['key'] !== 'right' ? Response::text('no', 403) : $c->accept('chat', ['X-A' => 'b']));`)
	upgrade := func(key string) hub.Admission {
		k := &phpClient{t: t, messages: make(chan string, 1), closed: make(chan int, 1)}
		k.c = p.hub.Add(k, hub.Card{Protocol: protocol.ProtoWebSocket}, &hub.Terms{Backend: p.pool})
		answered := make(chan hub.Admission, 1)
		k.c.Open(&protocol.Request{Method: "GET", Target: "/?key=" + key, Version: "1.1", Scheme: "http",
			Headers: []string{"Sec-WebSocket-Protocol", "chat"}}, func(a hub.Admission) {
			answered <- a
		})
		return <-answered
	}
	if a := upgrade("wrong"); a.Accepted || a.Response == nil || a.Response.Status != 403 ||
		string(a.Response.Body) != "no" {
		t.Errorf("refused with %+v", a)
	}
	if a := upgrade("right"); !a.Accepted || a.Subprotocol != "chat" || fmt.Sprint(a.Headers) != "[X-A b]" {
		t.Errorf("accepted with %+v", a)
	}
}
