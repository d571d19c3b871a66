// The API of examples/sites: a worker in Go, for the shop's pages and for others.
package main

import (
	"encoding/json"
	"log"
	"net/http"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

func main() {
	http.HandleFunc("GET /v1/items", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode([]string{"apples", "pears"})
	})
	if err := sdk.Serve(nil); err != nil {
		log.Fatal(err)
	}
}
