package nethttp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/fetch/place"
	sdk "github.com/workerhost/workerhost/sdk-go"
)

// TestWhatAGoWorkerLeavesToTheHostIsFetched is a worker of sdk-go, a pool, the room of fetches and a front.
func TestWhatAGoWorkerLeavesToTheHostIsFetched(t *testing.T) {
	leaked(t)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/broken" {
			panic(http.ErrAbortHandler)
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Api", "1")
		w.Header().Set("Content-Type", "text/x-api")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("X-Key"), body)
	}))
	defer api.Close()
	allowed, err := place.Parse(api.URL + "/v1/*")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan *sdk.Fetched, 3)
	worker := &sdk.Worker{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			err := sdk.Fetch(w, sdk.FetchRequest{URL: api.URL + r.URL.Path, Method: r.Method, Body: r.Body, Keep: 4,
				Header: http.Header{"X-Key": {"k"}}, Context: r.URL.Path})
			if err != nil {
				t.Error(err)
			}
		}),
		OnFetched: func(_ context.Context, f *sdk.Fetched) error {
			ended <- f
			return nil
		},
		OnFetchFailed: func(w http.ResponseWriter, r *http.Request, why string) {
			http.Error(w, "sorry: "+r.URL.Path, http.StatusServiceUnavailable)
		},
	}
	address := behind(t, worker, false, []place.Place{allowed})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, c := range []struct {
		path   string
		status int
		text   string
		end    string // "": none was begun
	}{
		{"/v1/say", 202, "POST k " + strings.Repeat("long ", 40_000), sdk.FetchComplete},
		{"/v1/broken", 503, "sorry: /v1/broken\n", sdk.FetchBroke},
		{"/elsewhere", 502, "502", ""},
	} {
		res, err := client.Post("http://"+address+c.path, "", strings.NewReader(strings.Repeat("long ", 40_000)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(text), c.text) {
			t.Errorf("%s: %d, %d bytes, %v", c.path, res.StatusCode, len(text), err)
		}
		if c.status == 202 && (res.Header.Get("X-Api") != "1" || res.Header.Get("Content-Type") != "text/plain") {
			t.Errorf("the head is %v", res.Header)
		}
		if c.end == "" {
			continue
		}
		select {
		case f := <-ended:
			path := ""
			if err := f.Context(&path); err != nil || path != c.path || f.End != c.end || c.status == 202 &&
				(f.Status != 202 || f.Length != int64(len(text)) || string(f.Body) != "POST") {
				t.Errorf("%s ended as %+v, %v", c.path, f, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: nobody is told of its end", c.path)
		}
	}
}
