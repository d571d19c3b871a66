package protocol

import (
	"fmt"
	"testing"
)

// plainRequest is what a browser sends, about 300 bytes of it.
func plainRequest() *Request {
	return &Request{Stream: 1, Flags: FlagEnd, Method: "GET", Target: "/products/4711?page=2", Version: "1.1",
		Scheme: "http", Host: "www.example.org",
		Remote: "192.0.2.17:51234", Length: 0, Attempt: 1,
		Headers: []string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101",
			"Accept", "text/html,application/xhtml+xml", "Accept-Language", "de,en;q=0.7", "Accept-Encoding",
			"gzip, deflate", "Cookie", "session=4f1c0e7a9b"}}
}

func plainResponse() *Response {
	return &Response{Stream: 1, Flags: FlagEnd | FlagDone, Status: 200,
		Headers: []string{"Content-Type", "text/plain; charset=utf-8", "Cache-Control", "no-store"},
		Body:    []byte("Hello, World!")}
}

func BenchmarkAppend(b *testing.B) {
	known := plainRequest() // as a host sends it
	known.ID, known.Deadline = "01J9Z3M6W8Q5T2R7V4X1Y0KABC", 30000
	for name, m := range map[string]Message{
		"REQUEST": known, "REQUEST without an id": plainRequest(), "RESPONSE": plainResponse(),
		"DATA": &Data{Stream: 1, Bytes: make([]byte, 100)},
		"SEND": &Send{Stream: 1, To: ToGroups, Names: []string{"room"}, Bytes: make([]byte, 100)},
	} {
		b.Run(name, func(b *testing.B) {
			buf := m.AppendFrame(nil)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf = m.AppendFrame(buf[:0])
			}
		})
	}
}

func BenchmarkRequestParse(b *testing.B) {
	payload := plainRequest().AppendFrame(nil)[lengthSize:]
	var m Request
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Parse(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResponseParse(b *testing.B) {
	payload := plainResponse().AppendFrame(nil)[lengthSize:]
	var m Response
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Parse(payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoundTrip is a request and its response over two pipes, both ends in this process.
func BenchmarkRoundTrip(b *testing.B) {
	host, worker := link(b)
	go func() { // ends when link's cleanup closes the pipes
		var request Request
		response := plainResponse()
		for {
			payload, err := worker.Read()
			if err != nil || request.Parse(payload) != nil || worker.Send(response) != nil {
				return
			}
		}
	}()
	request := plainRequest()
	var response Response
	b.ReportAllocs()
	for b.Loop() {
		if err := host.Send(request); err != nil {
			b.Fatal(err)
		}
		payload, err := host.Read()
		if err == nil {
			err = response.Parse(payload)
		}
		if err != nil || response.Status != 200 {
			b.Fatal(fmt.Errorf("%+v: %w", response, err))
		}
	}
}
