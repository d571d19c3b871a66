// The worker of these tests, built with a version, or as one that does not start.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

var version = "1"

func main() {
	if len(os.Args) > 1 { // a child
		time.Sleep(time.Hour)
	}
	if version == "broken" {
		log.Fatal("the database is down")
	}
	log.Print("worker of version ", version)
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", version) })
	http.HandleFunc("/exit", func(w http.ResponseWriter, r *http.Request) { os.Exit(3) })
	http.HandleFunc("/child", func(w http.ResponseWriter, r *http.Request) {
		if err := exec.Command(os.Args[0], "child").Start(); err != nil {
			panic(err)
		}
	})
	worker := &sdk.Worker{OnMessage: func(ctx context.Context, c *sdk.Conn, m sdk.Message) error {
		return c.Send(append([]byte(version+" "), m.Data...))
	}}
	if err := worker.Serve(); err != nil {
		log.Fatal(err)
	}
}
