package tasks

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
)

// natsServer is one that stands elsewhere, as host/docs/tasks.md has its users. It gives its address.
func natsServer(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		Users: []*server.User{{Username: "host", Password: "a"}, {Username: "shop", Password: "b",
			Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{
					Allow: []string{"tasks.default.live.q.>", "tasks.default.bell.q"}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
			}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(deadline) {
		t.Fatal("the server does not start")
	}
	return s.Addr().String()
}

// TestAProgramOfAnyLanguagePushesAsTheDocumentationSays does what host/docs/tasks.md tells such programs.
func TestAProgramOfAnyLanguagePushesAsTheDocumentationSays(t *testing.T) {
	address := natsServer(t)
	log := hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Debug})
	s := stageOf(t, engine.New(engine.Settings{URL: "nats://host:a@" + address, Name: t.Name(), Log: log}), well, nil)
	for s.Status(t.Context())[0].Error != "" { // until there is a stream
		time.Sleep(time.Millisecond)
	}
	conn, err := nats.Connect("nats://shop:b@" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	push := func(id, state string, header ...string) error {
		m := message("tasks.default.live.q."+id+"."+state+".p0", "\x81\xa2to\xa1a", header...)
		m.Header.Set("Nats-Expected-Last-Subject-Sequence", "0")
		m.Header.Set("Nats-Expected-Last-Subject-Sequence-Subject", "tasks.default.live.q."+id+".*.*")
		_, err := js.PublishMsg(t.Context(), m) // is answered when it is on disk
		return err
	}
	began := time.Now()
	err = push("order_2017", "later", "Nats-Schedule", "@at "+began.Add(400*time.Millisecond).UTC().Format(
		time.RFC3339Nano), "Nats-Schedule-Target", "tasks.default.live.q.order_2017.ready.p0")
	if err != nil {
		t.Fatal(err)
	}
	var api *jetstream.APIError
	if err := push("order_2017", "ready"); !errors.As(err, &api) || !sequenceIsWrong(api) {
		t.Errorf("an id that waits already: %v", err)
	}
	if r := s.ended(t); r.ID != "order 17" || r.End != "done" || time.Since(began) < 400*time.Millisecond {
		t.Fatalf("%+v after %v", r, time.Since(began))
	}
	if err := push("order_2017", "ready"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish("tasks.default.bell.q", nil); err != nil {
		t.Fatal(err)
	}
	if r := s.ended(t); r.ID != "order 17" || r.End != "done" {
		t.Fatalf("%+v", r)
	}
	got := s.pool.all()[1]
	if v, err := got.Payload.Decode(); err != nil || fmt.Sprint(v) != "map[to:a]" || got.Pushed < began.UnixMilli() {
		t.Errorf("%+v: %v", got, err)
	}

	refused := make(chan error, 10)
	conn.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
	for _, subject := range []string{"tasks.default.failed.q.x", "tasks.default.paused.q",
		"tasks.other.live.q.x.ready.p0", "$JS.API.STREAM.PURGE.tasks_default"} {
		if err := conn.Publish(subject, []byte{0xc0}); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !strings.Contains(err.Error(), subject) {
				t.Errorf("%s: %v", subject, err)
			}
		case <-time.After(deadline):
			t.Fatalf("%s is allowed", subject)
		}
	}
}
