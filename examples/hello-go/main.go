// The smallest worker in Go: `host serve examples/hello-go` answers "Hello, World!" on http://127.0.0.1:8080/. Without
// the host, `go run ./examples/hello-go` is a plain server.
package main

import (
	"io"
	"log"
	"net/http"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, World!")
	})
	if err := sdk.ListenAndServe("127.0.0.1:8080", nil); err != nil {
		log.Fatal(err)
	}
}
