package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestTheTableOfConnectionsFitsATerminalAndDoesNothingToIt(t *testing.T) {
	now := time.Unix(100000, 0)
	all := []control.Connection{
		{ID: "ggwt2lua-1", Protocol: "websocket", Remote: "203.0.113.7:50123", Listener: ":80", Pool: "app",
			UID: "ada\x1b[31m\n" + strings.Repeat("x", 50), Since: now.Add(-time.Hour),
			Groups: []string{"lobby", strings.Repeat("long", 20)}, MessagesIn: 12, BytesIn: 3481, MessagesOut: 2,
			BytesOut: 9},
		{ID: "ggwt2lua-2", Protocol: "poll", Listener: ":80", Pool: "app", Since: now, Queued: 1 << 20, Dropped: 3},
	}
	var page bytes.Buffer
	showConnections(&Terminal{Out: &page}, all, now)
	text := page.String()
	for _, want := range []string{"ID", "12 (3.4 KiB)", "2 (9 B)", "1h 0m", "1.0 MiB (3 dropped)",
		"lobby,longlonglonglongl…", "ada·[31m·xxxxxxxxxx…"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.ContainsAny(text, "\x1b") || strings.Contains(text, "LISTENER") || strings.Count(text, "\n") != 3 {
		t.Errorf("\n%s", text)
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(line); n > 150 {
			t.Errorf("a line has %d characters: %s", n, line)
		}
	}
	all[1].Listener = ":443"
	page.Reset()
	showConnections(&Terminal{Out: &page}, all, now)
	if !strings.Contains(page.String(), ":443 → app") {
		t.Errorf("which listener they came by is not told:\n%s", &page)
	}
	page.Reset()
	showConnections(&Terminal{Out: &page}, nil, now)
	if page.String() != "no connections\n" {
		t.Errorf("%q", &page)
	}
}
