// Server-sent events from Go: a ticker for each city, sent by whichever worker has slot 0 to pages whose responses the
// host holds. No worker is busy with a page that listens, and no page is closed by `host reload`.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"net/http"
	"slices"
	"strconv"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

//go:embed page.html
var page []byte

var cities = []string{"oslo", "rome", "cairo"}

// replayed is the most ticks that a page gets when it comes back.
const replayed = 60

// tick is a city's event of a second. Any worker can make that of any second, so no history has to be kept for pages
// that come back.
func tick(city string, second int64) sdk.Event {
	hash := uint64(second) * 0x9E3779B97F4A7C15
	for _, letter := range city {
		hash = (hash ^ uint64(letter)) * 0x100000001B3
	}
	degrees := 15 + float64(hash>>40%100)/10
	return sdk.Event{Name: "tick", ID: strconv.FormatInt(second, 10),
		Data: fmt.Sprintf(`{"city": %q, "degrees": %.1f}`, city, degrees)}
}

// send is the ticker. The seconds before go along for pages that came in between, and for the moment in which a reload
// hands slot 0 over; a page leaves out what it has.
func send(ctx context.Context) {
	if sdk.Self(ctx).Slot != 0 { // one worker of the pool is enough
		return
	}
	now := time.Now().Unix()
	for _, city := range cities {
		var events []byte
		for second := now - 2; second <= now; second++ {
			events = tick(city, second).Append(events)
		}
		if err := sdk.Connections(ctx).SendToGroup(city, events, sdk.Binary()); err != nil {
			log.Print(err)
		}
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	city := r.PathValue("city")
	if !slices.Contains(cities, city) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if err := sdk.Hold(w, r, sdk.HoldOptions{Groups: []string{city}}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	now := time.Now().Unix()
	from := now
	if last, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		from = max(last+1, now-replayed)
	}
	w.Write(sdk.Event{Name: "worker", Data: fmt.Sprintf(`{"generation": %d}`, sdk.Self(r.Context()).Generation),
		Retry: time.Second}.Bytes())
	for second := from; second <= now; second++ {
		w.Write(tick(city, second).Bytes())
	}
}

func main() {
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { w.Write(page) })
	http.HandleFunc("GET /events/{city}", events)
	http.HandleFunc("GET /listening", func(w http.ResponseWriter, r *http.Request) {
		n, err := sdk.Connections(r.Context()).Count("")
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, n)
	})
	if err := sdk.Serve(nil, sdk.Every(time.Second, send)); err != nil {
		log.Fatal(err)
	}
}
