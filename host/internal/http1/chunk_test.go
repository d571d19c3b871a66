package http1

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestChunksAndTrailersAreReadAsTheyWereWritten(t *testing.T) {
	header := map[string][]string{
		"X-Head": {"h"}, "Trailer:X-Sum": {" 1 ", "2"}, "Trailer:A": {"b"}, "Trailer:not a name": {"c"},
	}
	a := Answer{Status: 200, Reason: "OK", Header: header, Chunks: true}
	b, _, _ := a.AppendHead(nil, time.Unix(946684800, 0), nil)
	sizes := []int{1, 15, 16, 255, 256, 65535, 65536}
	want := 0
	for _, n := range sizes {
		b = append(append(AppendChunkSize(b, n), strings.Repeat("x", n)...), "\r\n"...)
		want += n
	}
	b = AppendLastChunk(b, header, http.TrailerPrefix)
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(b))), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || len(body) != want {
		t.Errorf("%d bytes in place of %d, %v", len(body), want, err)
	}
	if got := resp.Trailer; len(got) != 2 || strings.Join(got["X-Sum"], "|") != "1|2" || got.Get("A") != "b" {
		t.Errorf("trailers %v", got)
	}
	if len(resp.Header) != 2 || resp.Header.Get("X-Head") != "h" {
		t.Errorf("header %v", resp.Header)
	}
}
