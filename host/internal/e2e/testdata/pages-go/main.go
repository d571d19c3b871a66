// The application of testdata/pages.php, as far as a worker in Go is asked for it. Its version is what the file
// VERSION holds when it starts.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

func main() {
	text, err := os.ReadFile("VERSION")
	if err != nil {
		log.Fatal(err)
	}
	version := string(text)
	number := func(r *http.Request, name string) int {
		n, _ := strconv.Atoi(r.URL.Query().Get(name))
		return n
	}
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello "+version) })
	http.HandleFunc("/pid", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getpid()) })
	http.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(w, "%s %d %x", version, len(body), sha256.Sum256(body))
	})
	http.HandleFunc("/digest", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(w, "%d %x", n, sum.Sum(nil))
	})
	http.HandleFunc("/steps", func(w http.ResponseWriter, r *http.Request) {
		for i := range number(r, "n") {
			fmt.Fprintf(w, "step %d\n", i+1)
			http.NewResponseController(w).Flush()
			select {
			case <-time.After(time.Duration(number(r, "ms")) * time.Millisecond):
			case <-r.Context().Done():
				os.WriteFile("stopped", []byte(context.Cause(r.Context()).Error()), 0o644)
				return
			}
		}
		fmt.Fprintf(w, "end %s\n", version)
	})
	http.HandleFunc("/blocks", func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 64<<10)
		for i := range block {
			block[i] = "0123456789abcdef"[i%16]
		}
		for left := number(r, "bytes"); left > 0; left -= len(block) {
			if _, err := w.Write(block[:min(left, len(block))]); err != nil {
				return
			}
		}
	})
	http.HandleFunc("/burn", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, burnHere(time.Duration(number(r, "ms"))*time.Millisecond))
	})
	http.HandleFunc("/throw", func(w http.ResponseWriter, r *http.Request) { panic("the secret of the code") })
	http.HandleFunc("/exit", func(w http.ResponseWriter, r *http.Request) { os.Exit(3) })
	http.HandleFunc("/print", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("by-println")
		log.Print("by-log")
		fmt.Fprintln(os.Stderr, "by-stderr")
		n, _ := os.Stdin.Read(make([]byte, 1))
		fmt.Fprint(w, "read ", n)
	})
	if err := sdk.Serve(nil); err != nil {
		log.Fatal(err)
	}
}

// burnHere takes a processor for so long.
//
//go:noinline
func burnHere(lasts time.Duration) (rounds int) {
	for until := time.Now().Add(lasts); time.Now().Before(until); rounds++ {
	}
	return rounds
}
