// A stand-in for the language model of examples/chat-ai-php. The example's host runs it as a pool of its own, on
// another address, as if it were somebody else's server; go run . does without a host.
package main

import (
	"log"
	"net/http"
	"time"

	"github.com/workerhost/workerhost/examples/chat-ai-php/model/standin"
	sdk "github.com/workerhost/workerhost/sdk-go"
)

func main() {
	model := &standin.Model{Pace: 60 * time.Millisecond, Late: time.Minute, Key: "stand-in"}
	http.Handle("POST /v1/chat/completions", model)
	if err := sdk.ListenAndServe("127.0.0.1:8081", nil); err != nil {
		log.Fatal(err)
	}
}
