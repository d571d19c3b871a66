package nethttp

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkBulk is what a large body costs each way, under net/http and behind the host, with the lane and without.
func BenchmarkBulk(b *testing.B) {
	const size = 64 << 20
	piece := make([]byte, 32<<10)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
				http.Error(w, "", http.StatusInternalServerError)
			}
			return
		}
		for range size / len(piece) {
			w.Write(piece)
		}
	})
	for _, server := range []struct {
		name    string
		address string
	}{{"net-http", Plain(b, handler)}, {"lane", Behind(b, handler, true)}, {"host", Behind(b, handler, false)}} {
		client := &http.Client{Transport: &http.Transport{ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10}}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			b.Run(strings.ToLower(method)+"/"+server.name, func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					var body io.Reader
					if method == http.MethodPost {
						body = io.LimitReader(neverEnding('x'), size)
					}
					r, err := http.NewRequest(method, "http://"+server.address+"/", body)
					if err != nil {
						b.Fatal(err)
					}
					res, err := client.Do(r)
					if err != nil {
						b.Fatal(err)
					}
					n, err := io.Copy(io.Discard, res.Body)
					res.Body.Close()
					if err != nil || res.StatusCode != http.StatusOK || method == http.MethodGet && n != size {
						b.Fatal(res.Status, n, err)
					}
				}
			})
		}
		client.CloseIdleConnections()
	}
}
