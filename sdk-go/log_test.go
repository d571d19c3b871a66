package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestRecordsCarryTheirAttributesAndTheirRequest(t *testing.T) {
	logger := slog.New(LogHandler(nil)).With("app", "shop").WithGroup("cart")
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		logger.Debug("too low")
		logger.WarnContext(r.Context(), "sold out", "item", 7, "after", time.Second, "why", errors.New("none left"),
			slog.Group("shelf", "row", "b"))
	})
	c := h.open(protocol.Request{})
	entry := h.expectLog("")
	got, err := entry.Context.Decode()
	want := map[string]any{"app": "shop",
		"cart": map[string]any{"item": int64(7), "after": "1s", "why": "none left",
			"shelf": map[string]any{"row": "b"}}}
	if err != nil || entry.Level != "warn" || entry.Message != "sold out" || entry.Stream != c.id ||
		fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the entry is %+v with %v, %v", entry, got, err)
	}
	c.whole()
	logger.Error("outside")
	if m := h.expectLog("outside"); m.Stream != 0 || m.Level != "error" {
		t.Errorf("the entry is %+v", m)
	}
}

type (
	sealed    struct{ secret string }
	unmarshal struct{ text *string }
	number    uint8
)

func (sealed) MarshalText() ([]byte, error)       { return []byte("sealed"), nil }
func (u *unmarshal) MarshalText() ([]byte, error) { return []byte(*u.text), nil }

func TestListsAndMapsArriveAsSuchAndTheRestAsText(t *testing.T) {
	h := newHost(t, hello)
	deep := []any{"deep"}
	for range 20 {
		deep = []any{deep}
	}
	slog.New(LogHandler(nil)).Info("", "ids", []int{1, 2}, "names", []string{"a b", "c"}, "nothing", nil,
		"header", http.Header{"A": {"b"}}, "by number", map[int]any{7: []byte("seven")}, "octets", []byte("abc"),
		"own", []number{1}, "waits", []time.Duration{time.Second}, "shelf", struct{ Row int }{3},
		"key", sealed{"x"}, "keys", []any{sealed{"x"}, nil, 1.5, true}, "broken", (*unmarshal)(nil), "deep", deep,
		"at", []time.Time{time.Unix(0, 0).UTC()}, "why", []error{errors.New("none left")})
	got, err := h.expectLog("").Context.Decode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"at":["1970-01-01T00:00:00Z"],"broken":"<nil>","by number":{"7":"seven"},` +
		`"deep":[[[[[[["[[[[[[[[[[[[[[deep]]]]]]]]]]]]]]"]]]]]]],"header":{"A":["b"]},"ids":[1,2],"key":"sealed",` +
		`"keys":["sealed",null,1.5,true],"names":["a b","c"],"nothing":null,"octets":"abc","own":[1],` +
		`"shelf":"{Row:3}","waits":["1s"],"why":["none left"]}`
	var shown strings.Builder
	e := json.NewEncoder(&shown)
	e.SetEscapeHTML(false)
	if err := e.Encode(got); err != nil || strings.TrimSpace(shown.String()) != want {
		t.Errorf("it shows as %v %s\nwant %s", err, shown.String(), want)
	}
}

func TestLogHandlerKeepsSlogsRules(t *testing.T) {
	h := newHost(t, hello)
	logged := 0
	slogtest.Run(t, func(*testing.T) slog.Handler {
		logged++
		return LogHandler(slog.LevelDebug)
	}, func(t *testing.T) map[string]any {
		m := h.expectLog("")
		got, err := m.Context.Decode()
		if err != nil {
			t.Fatal(err)
		}
		entry := map[string]any{slog.LevelKey: m.Level, slog.MessageKey: m.Message}
		if !strings.Contains(t.Name(), "zero-time") { // the host stamps entries when they arrive
			entry[slog.TimeKey] = time.Now()
		}
		if got != nil {
			for k, v := range got.(map[string]any) {
				entry[k] = v
			}
		}
		return entry
	})
	if logged == 0 {
		t.Error("no case ran")
	}
}

func TestEntriesThatAreTooLongAreCutNotSent(t *testing.T) {
	h := newHost(t, hello)
	slog.New(LogHandler(nil)).Info(strings.Repeat("é", 1<<20), "big", strings.Repeat("x", 1<<20))
	m := h.expectLog("é")
	if got, _ := m.Context.Decode(); len(m.Message) > maxLogText+len("…") ||
		!strings.Contains(fmt.Sprint(got), "left_out") {
		t.Errorf("%d bytes with %v", len(m.Message), got)
	}
}

func TestManyLoggersShareTheLink(t *testing.T) {
	h := newHost(t, hello)
	logger := slog.New(LogHandler(nil))
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			mine := logger.With("n", i)
			for range 50 {
				mine.Info(strings.Repeat("m", 2000))
			}
		})
	}
	seen := make(map[any]int)
	for range 20 * 50 {
		m := h.expectLog("m")
		got, err := m.Context.Decode()
		if err != nil || len(m.Message) != 2000 {
			t.Fatalf("%+v: %v", m, err)
		}
		seen[fmt.Sprint(got)]++
	}
	all.Wait()
	if len(seen) != 20 {
		t.Errorf("entries are mixed up: %v", seen)
	}
}

func TestWithoutAHostRecordsGoToStandardError(t *testing.T) {
	if current.Load() != nil {
		t.Fatal("a link was left behind")
	}
	h := LogHandler(nil).WithGroup("g").(*logHandler)
	if reflect.TypeOf(h.alone) != reflect.TypeOf(slog.NewTextHandler(nil, nil)) ||
		!h.Enabled(t.Context(), slog.LevelInfo) || h.Enabled(t.Context(), slog.LevelDebug) {
		t.Errorf("the handler is %+v", h)
	}
}
