// Counters over UDP, in the manner of statsd: a datagram holds lines like `signups:3|c`, and GET / shows the sums.
// Each worker counts for itself and writes its counts to a file of its own, each second and before it goes, so that a
// reload loses nothing; the sums are those of all files.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

// counters is what this worker has counted.
type counters struct {
	folder, file string

	mu      sync.Mutex
	counts  map[string]int64
	changed bool
}

// add counts the lines of a datagram; a line that is none counts as `bad_lines`.
func (c *counters) add(datagram string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = true
	for line := range strings.Lines(datagram) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		n, err := strconv.ParseInt(strings.TrimSuffix(rest, "|c"), 10, 64)
		if name == "" || err != nil || !strings.HasSuffix(rest, "|c") {
			name, n = "bad_lines", 1
		}
		c.counts[name] += n
	}
}

// save writes the counts beside the file and puts them in its place, so that nobody reads half of them.
func (c *counters) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.changed {
		return nil
	}
	text, err := json.Marshal(c.counts)
	if err == nil {
		err = os.WriteFile(c.file+".new", text, 0o644)
	}
	if err == nil {
		err = os.Rename(c.file+".new", c.file)
	}
	c.changed = err != nil
	return err
}

// sums adds up what all workers have saved, those that are gone included.
func (c *counters) sums() (map[string]int64, error) {
	if err := c.save(); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(c.folder, "*.json"))
	sums := make(map[string]int64)
	for _, file := range files {
		text, readErr := os.ReadFile(file)
		counts := make(map[string]int64)
		if err = errors.Join(err, readErr); readErr == nil {
			err = errors.Join(err, json.Unmarshal(text, &counts))
		}
		for name, n := range counts {
			sums[name] += n
		}
	}
	return sums, err
}

func main() {
	folder := os.Getenv("METRICS_DATA")
	c := &counters{folder: folder, counts: make(map[string]int64)}
	c.file = filepath.Join(folder, fmt.Sprintf("%d-%d.json", time.Now().UnixNano(), os.Getpid()))
	complain := func(err error) {
		if err != nil {
			log.Print(err)
		}
	}
	worker := sdk.Worker{
		OnMessage: func(_ context.Context, _ *sdk.Conn, m sdk.Message) error {
			c.add(string(m.Data))
			return nil
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sums, err := c.sums()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			for _, name := range slices.Sorted(maps.Keys(sums)) {
				fmt.Fprintf(w, "%s %d\n", name, sums[name])
			}
		}),
	}
	err := worker.Serve(
		sdk.OnStart(func(context.Context) error { return os.MkdirAll(folder, fs.ModePerm) }),
		sdk.Every(time.Second, func(context.Context) { complain(c.save()) }),
		sdk.OnStop(func() { complain(c.save()) }),
	)
	if err != nil {
		log.Fatal(err)
	}
}
