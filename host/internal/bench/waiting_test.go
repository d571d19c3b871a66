package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestAWaveAsksAtOnceAndCountsWhatWasAnsweredOtherwise(t *testing.T) {
	const count = 40
	var together sync.WaitGroup
	together.Add(count)
	var mu sync.Mutex
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		together.Done()
		together.Wait() // for ever, unless all of them ask before one is answered
		mu.Lock()
		asked++
		good := asked > 3
		mu.Unlock()
		if r.URL.Path != "/"+waitPath || !good {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, greeting)
	}))
	defer server.Close()
	clients, err := dialWave(t.Context(), server.URL+"/", count)
	if err != nil {
		t.Fatal(err)
	}
	defer clients.close()
	if took, failed := clients.ask(waitPath); len(took) != count-3 || failed != 3 {
		t.Errorf("%d answered and %d not, want %d and 3", len(took), failed, count-3)
	}
}

func TestAReportOfWaitingSaysWhichGoalsWereMet(t *testing.T) {
	w := waiting{Requests: 10, Seconds: 3, Servers: []waiter{
		{Name: "ours", HelloRounds: []measurement{{CPU: 10}, {CPU: 12}, {CPU: 11}},
			Rounds: []wave{{P99: 3.1e6, WorkersMemory: 11 << 10}, {P99: 3.5e6, WorkersMemory: 13 << 10},
				{P99: 3.15e6}}},
		{Name: "single", HelloRounds: []measurement{{CPU: 10}}},
	}}
	for i := range w.Servers {
		w.Servers[i].sum()
	}
	var out bytes.Buffer
	w.print(&out)
	for _, line := range []string{
		"p99: 3.15 s (goal: at most 3.20 s: met)",
		"a worker's memory for each: 13.0 KiB (goal: at most 12: missed)",
		"CPU per hello with fibers ÷ without: 1.10 (goal: at most 1.05: missed)",
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
}
