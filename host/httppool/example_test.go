package httppool_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/workerhost/workerhost/host/httppool"
	"github.com/workerhost/workerhost/workers"
)

// A program of one's own serves PHP beside its own handlers.
func Example() {
	pool, err := httppool.New(workers.Settings{Command: []string{"php", "worker.php"}, Workers: 4},
		httppool.Options{Public: "public", Logger: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	if err := pool.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer pool.Stop(context.Background())
	http.Handle("/", pool.Handler())
	http.HandleFunc("POST /deploy", func(w http.ResponseWriter, r *http.Request) {
		err := pool.Reload().Follow(r.Context(), func(e workers.Event) error { return nil })
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	log.Print(http.ListenAndServe(":8080", nil))
}

// One request, without a server.
func ExamplePool_Do() {
	pool, err := httppool.New(workers.Settings{
		Command: []string{os.Args[0]}, Env: append(os.Environ(), asWorker+"=1", "RELEASE=7"), Workers: 1,
	}, httppool.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := pool.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer pool.Stop(context.Background())
	request, _ := http.NewRequest("GET", "http://example.org/", nil)
	response, err := pool.Do(context.Background(), request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	fmt.Println(response.Status, string(text))
	// Output: 200 OK hello from 7
}
