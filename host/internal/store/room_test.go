package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/goroutines"
	"github.com/workerhost/workerhost/protocol"
)

func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "internal/store.")) }

func engineIn(t testing.TB, folder string) *engine.Engine {
	t.Helper()
	e := engine.New(engine.Settings{Folder: func() (string, error) { return folder, nil }, Name: t.Name(),
		Log: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Info})})
	t.Cleanup(e.Close)
	return e
}

// room is one whose stores all have the terms; nil: none is declared.
func room(t testing.TB, e *engine.Engine, terms *Terms) *Room {
	t.Helper()
	return New(Settings{Engine: e, Realm: "r", Terms: terms.of, Log: hclog.NewNullLogger()})
}

// of are the terms of all stores; nil: none is declared.
func (t *Terms) of(string) (Terms, bool) {
	if t == nil {
		return Terms{}, false
	}
	return *t, true
}

// worker asks as one does.
type worker struct {
	t     testing.TB
	room  *Room
	life  context.Context
	leave context.CancelFunc
	asks  context.Context // of its calls
	reply chan *protocol.Result
}

func (r *Room) worker(t testing.TB) *worker {
	w := &worker{t: t, room: r, asks: context.Background(), reply: make(chan *protocol.Result, 1)}
	w.life, w.leave = context.WithCancel(context.Background())
	t.Cleanup(w.leave)
	return w
}

func (w *worker) Reply(_ uint32, r *protocol.Result) { w.reply <- r }
func (w *worker) Waiting(uint32) context.Context     { return w.asks }
func (w *worker) Life() context.Context              { return w.life }

func value(t testing.TB, v any) protocol.Value {
	t.Helper()
	out, err := protocol.NewValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *worker) result(method string, arguments ...any) *protocol.Result {
	w.t.Helper()
	m := &protocol.Call{Stream: 2, Method: method}
	for _, one := range arguments {
		m.Arguments = append(m.Arguments, value(w.t, one))
	}
	w.room.Call(m, protocol.NewCaller(w, 2))
	return <-w.reply
}

// ask gives the answer, or fails the test.
func (w *worker) ask(method string, arguments ...any) any {
	w.t.Helper()
	r := w.result(method, arguments...)
	if r.Error != "" {
		w.t.Fatalf("%s%v: %s: %s", method, arguments, r.Code, r.Error)
	}
	out, err := r.Value.Decode()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// got is the value that store.get gives, without its version.
func (w *worker) got(key string) any {
	w.t.Helper()
	if list, ok := w.ask("store.get", "s", key).([]any); ok {
		return list[0]
	}
	return nil
}

func number(v any) int64 {
	switch n := v.(type) {
	case nil:
		return 0
	default:
		return reflect.ValueOf(n).Convert(reflect.TypeFor[int64]()).Int()
	}
}

func TestWhatOneWorkerPutsThereAnotherFinds(t *testing.T) {
	for name, terms := range map[string]*Terms{"undeclared": nil, "memory": {MaxSize: 1 << 20},
		"disk": {Disk: true, MaxSize: 1 << 20}, "synced": {Disk: true, Sync: true, MaxSize: 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			r := room(t, engineIn(t, t.TempDir()), terms)
			w, other := r.worker(t), r.worker(t)
			if got := other.ask("store.get", "s", "k"); got != nil {
				t.Fatalf("before: %v", got)
			}
			version := number(w.ask("store.set", "s", "k", map[string]any{"a": 1}))
			list, _ := other.ask("store.get", "s", "k").([]any)
			if len(list) != 2 || number(list[1]) != version ||
				!reflect.DeepEqual(list[0], map[string]any{"a": int8(1)}) {
				t.Fatalf("%v, version %d", list, version)
			}
			if w.ask("store.add", "s", "k", 1) != nil || w.ask("store.add", "s", "new", 1) == nil {
				t.Fatal("add is for what is not there")
			}
			if w.ask("store.cas", "s", "k", version+99, 2) != nil ||
				w.ask("store.cas", "s", "none", version, 2) != nil {
				t.Fatal("cas of another version")
			}
			next := number(w.ask("store.cas", "s", "k", version, nil))
			if next <= version || w.got("k") != nil || w.ask("store.get", "s", "k") == nil {
				t.Fatal("cas, to nil, which is a value")
			}
			if n := number(w.ask("store.increment", "s", "n")); n != 1 {
				t.Fatal(n)
			}
			if n := number(other.ask("store.increment", "s", "n", -43)); n != -42 {
				t.Fatal(n)
			}
			if r := w.result("store.increment", "s", "k"); r.Code != protocol.CallInvalidArgument {
				t.Fatalf("%+v", r)
			}
			long := strings.Repeat("\xff", protocol.MaxStoreKey)
			w.ask("store.set_many", "s", []any{"m1", "x", "m2", []byte("y"), long, 3})
			many := w.ask("store.get_many", "s", []string{"m2", "none", "m1", long}).([]any)
			if many[1] != nil || many[2].([]any)[0] != "x" || number(many[3].([]any)[0]) != 3 {
				t.Fatal(many)
			}
			if got := fmt.Sprint(w.ask("store.scan", "s", "m")); got != "[m1 m2]" {
				t.Fatal(got)
			}
			if got := fmt.Sprint(w.ask("store.scan", "s", nil, "k", 2)); got != "[m1 m2]" {
				t.Fatal(got)
			}
			if n := number(w.ask("store.delete", "s", []string{"m1", "none", long})); n != 2 {
				t.Fatal(n)
			}
			elsewhere := New(r.settings)
			elsewhere.settings.Realm = "elsewhere"
			if elsewhere.worker(t).ask("store.scan", "s"); number(w.ask("store.set", "s2", "k", 1)) == 0 {
				t.Fatal()
			}
			if got := fmt.Sprint(elsewhere.worker(t).ask("store.scan", "s")); got != "[]" {
				t.Fatal("another realm: ", got)
			}
			if n := number(w.ask("store.clear", "s")); n != 4 { // k, new, n, m2
				t.Fatal(n)
			}
			if got := w.ask("store.get", "s2", "k"); got == nil {
				t.Fatal("another store was cleared as well")
			}
		})
	}
}

func TestAValueIsGoneAfterItsTime(t *testing.T) {
	w := room(t, engineIn(t, t.TempDir()), &Terms{MaxSize: 1 << 20, TTL: 20 * time.Millisecond}).worker(t)
	w.ask("store.set", "s", "own", 1)
	w.ask("store.increment", "s", "count", 5)
	w.ask("store.increment", "s", "count") // does not make it live longer
	w.ask("store.set", "s", "stays", 1, 0)
	for w.got("own") != nil || w.got("count") != nil {
		time.Sleep(time.Millisecond)
	}
	if w.ask("store.add", "s", "own", 2) == nil || number(w.ask("store.increment", "s", "count")) != 1 {
		t.Fatal("what has had its time is in the way")
	}
	if w.got("stays") == nil {
		t.Fatal("0 is for ever")
	}
}

func TestAStoreThatIsFullRefusesOrForgets(t *testing.T) {
	e := engineIn(t, t.TempDir())
	fails := room(t, e, &Terms{MaxSize: 64 << 10}).worker(t)
	var r *protocol.Result
	for i := 0; i < 100; i++ {
		if r = fails.result("store.set", "s", fmt.Sprint(i), make([]byte, 4<<10)); r.Error != "" {
			break
		}
	}
	if r.Code != protocol.CallExhausted || fails.got("0") == nil {
		t.Fatalf("%+v", r)
	}
	forgets := New(fails.room.settings)
	forgets.settings.Realm, forgets.settings.Terms = "f", (*Terms)(nil).of
	w := forgets.worker(t)
	Undeclared.MaxSize = 64 << 10
	defer func() { Undeclared.MaxSize = 64 << 20 }()
	for i := range 100 {
		w.ask("store.set", "s", fmt.Sprint(i), make([]byte, 4<<10))
	}
	if w.got("0") != nil || w.got("99") == nil {
		t.Fatal("the oldest goes")
	}
	huge := room(t, e, &Terms{MaxSize: 1 << 50})
	huge.settings.Realm = "h"
	if r := huge.worker(t).result("store.set", "s", "k", 1); r.Code != protocol.CallExhausted {
		t.Fatalf("%+v", r)
	}
}

func TestTermsThatChangeAreTakenUp(t *testing.T) {
	terms := &Terms{MaxSize: 64 << 10}
	w := room(t, engineIn(t, t.TempDir()), nil).worker(t)
	w.room.settings.Terms = func(string) (Terms, bool) { return *terms, true }
	w.ask("store.set", "s", "k", 1)
	terms = &Terms{MaxSize: 1 << 20, Evict: true}
	for i := range 100 {
		w.ask("store.set", "s", fmt.Sprint(i), make([]byte, 4<<10))
	}
	if w.got("k") == nil {
		t.Fatal("what was there is gone")
	}
}

func TestMistakesAreNamed(t *testing.T) {
	w := room(t, engineIn(t, t.TempDir()), nil).worker(t)
	for _, c := range []struct {
		code protocol.CallCode
		want string
		ask  []any
	}{
		{protocol.CallUnimplemented, "store.nothing", []any{"store.nothing"}},
		{protocol.CallUnimplemented, "lock.nothing", []any{"lock.nothing"}},
		{protocol.CallInvalidArgument, "name of a store", []any{"store.get"}},
		{protocol.CallInvalidArgument, `"a b"`, []any{"store.get", "a b", "k"}},
		{protocol.CallInvalidArgument, "1 to 1024 bytes", []any{"store.get", "s", ""}},
		{protocol.CallTooLarge, "1048581 bytes", []any{"store.set", "s", "k", make([]byte, 1<<20)}},
		{protocol.CallTooLarge, `"big"`, []any{"store.set_many", "s", []any{"big", make([]byte, 1<<20)}}},
		{protocol.CallInvalidArgument, "by turns", []any{"store.set_many", "s", []any{"odd"}}},
		{protocol.CallInvalidArgument, "kind", []any{"lock.acquire", "l", 1000, 0, "paper"}},
		{protocol.CallInvalidArgument, "from 1 to", []any{"lock.acquire", "l", 0}},
		{protocol.CallInvalidArgument, "4 arguments", []any{"lock.release", "l", 1, "disk", 1}},
	} {
		r := w.result(c.ask[0].(string), c.ask[1:]...)
		if r.Code != c.code || !strings.Contains(r.Error, c.want) {
			t.Errorf("%.60v: %s: %s", c.ask, r.Code, r.Error)
		}
	}
}

func TestAnEngineThatIsAwayIsAClearErrorInTime(t *testing.T) {
	e := engine.New(engine.Settings{Folder: func() (string, error) { return "", errors.New("no such place") },
		Log: hclog.NewNullLogger()})
	t.Cleanup(e.Close)
	w := room(t, e, nil).worker(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	w.asks = ctx
	for method, code := range map[string]protocol.CallCode{"store.get": protocol.CallUnavailable,
		"store.set": protocol.CallUnavailable} {
		arguments := []any{"s", "k", 1}[:2+strings.Count(method, "set")]
		if r := w.result(method, arguments...); r.Code != code || !strings.Contains(r.Error, "no such place") {
			t.Errorf("%s: %s: %s", method, r.Code, r.Error)
		}
	}
	if r := w.result("lock.acquire", "l", 1000); r.Code != protocol.CallUnavailable {
		t.Errorf("%s: %s", r.Code, r.Error)
	}
	want := Call{Store: "undeclared", Method: "store.get", Outcome: "UNAVAILABLE"}
	if w.room.Counts().Calls[want] != 1 {
		t.Error(w.room.Counts().Calls)
	}
}

func BenchmarkGet(b *testing.B) {
	w := room(b, engineIn(b, b.TempDir()), nil).worker(b)
	w.ask("store.set", "s", "k", make([]byte, 100))
	b.ReportAllocs()
	for b.Loop() {
		w.got("k")
	}
}
