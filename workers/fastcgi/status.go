// What a php-fpm master tells of its children (pm.status_listen), in figures of its own.

package fastcgi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/workerhost/workerhost/workers"
)

const (
	statusPath = "/status"
	mostTold   = 6 << 10 // bytes that it tells of a child, every other one of them escaped
	leastKept  = 100     // php-fpm keeps so much of a path and of a query for sure
)

// fpmStatus is its JSON, as far as we read it.
type fpmStatus struct {
	Processes []fpmProcess `json:"processes"`
}

// fpmProcess is a child.
type fpmProcess struct {
	PID      int    `json:"pid"`
	State    string `json:"state"`
	Since    int64  `json:"start since"` // seconds
	Requests uint64 `json:"requests"`
	Duration int64  `json:"request duration"` // microseconds
	Method   string `json:"request method"`
	URI      string `json:"request uri"`         // the script's, with the query
	Peak     int64  `json:"last request memory"` // 0 while it has one
}

// busy says whether it is at work. With a kept connection it reads the next request as soon as the last one is done.
func (p *fpmProcess) busy() bool { return p.State != "Idle" && p.State != "Reading headers" }

func (p *fpmProcess) asked() string { return p.Method + " " + p.URI }

// Children implements [workers.Parent].
func (w *worker) Children(ctx context.Context) []workers.Child {
	if w.status == "" {
		return nil
	}
	of := client{address: Address{"unix", w.status}}
	c, _, err := of.get(ctx, true)
	if err != nil {
		return nil
	}
	defer c.Close()
	answer, err := c.ask(ctx, mostTold*(w.children+1), [][2]string{
		{"SCRIPT_FILENAME", statusPath}, {"SCRIPT_NAME", statusPath}, {"REQUEST_URI", statusPath},
		{"REQUEST_METHOD", http.MethodGet}, {"QUERY_STRING", "json&full"},
	})
	var st fpmStatus
	i := bytes.IndexByte(answer, '{')
	if err != nil || i < 0 || json.Unmarshal(answer[i:], &st) != nil || len(st.Processes) > w.children {
		return nil // it may be the site's code that answers there
	}
	children := make([]workers.Child, 0, len(st.Processes))
	alike := map[string]int{}
	for _, p := range st.Processes {
		if p.busy() {
			alike[p.asked()]++
		}
	}
	for _, p := range st.Processes {
		child := workers.Child{PID: p.PID, Requests: p.Requests, Uptime: time.Duration(p.Since) * time.Second,
			Peak: p.Peak}
		if child.Busy = p.busy(); child.Busy {
			child.Request, child.Running = w.adapter.atWork(&p, alike[p.asked()])
		}
		children = append(children, child)
	}
	return children
}

// atWork says what a child is at work for, and for how long; alike is how many children have the like. php-fpm tells
// the script and the query, and a time that begins with the end of the child's last request where the connection was
// kept: so it is no longer than the oldest request like it that we have. Their path is the child's if all have the
// same, and are as many; otherwise it is the script's.
func (a *adapter) atWork(p *fpmProcess, alike int) (request string, running time.Duration) {
	script, query, _ := strings.Cut(p.URI, "?")
	path, ours, oldest := "", 0, time.Duration(0)
	a.mu.Lock()
	defer a.mu.Unlock()
	for r, v := range a.atHand {
		own, ownQuery, _ := strings.Cut(r.RequestURI, "?")
		if r.Method != p.Method || !isCut(script, v.script) || !isCut(query, ownQuery) {
			continue
		}
		if ours++; ours > 1 && own != path {
			own = script
		}
		path, oldest = own, max(oldest, time.Since(v.began))
	}
	running = time.Duration(p.Duration) * time.Microsecond
	if ours < alike { // a client has its answer, and code still runs
		return p.Method + " " + script, running
	}
	return p.Method + " " + path, min(running, oldest)
}

// isCut says whether php-fpm, which keeps no more than some of a long text, has that of the whole.
func isCut(kept, whole string) bool {
	return kept == whole || len(kept) >= leastKept && strings.HasPrefix(whole, kept)
}
