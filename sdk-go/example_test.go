package sdk_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

// A whole worker: save it as main.go and run `host serve .`.
func Example() {
	http.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s!\n", r.PathValue("name"))
	})
	if err := sdk.Serve(nil); err != nil {
		log.Fatal(err)
	}
}

// A chat room, beside whatever http.DefaultServeMux answers.
func ExampleWorker() {
	worker := sdk.Worker{
		OnOpen: func(ctx context.Context, c *sdk.Conn, r *http.Request) error {
			name := r.FormValue("name")
			if name == "" {
				return sdk.Refuse(http.StatusForbidden, "What is your name?")
			}
			c.Session().Set("name", name)
			return c.Join("lobby")
		},
		OnMessage: func(ctx context.Context, c *sdk.Conn, m sdk.Message) error {
			line := c.Session().String("name") + ": " + string(m.Data)
			return sdk.Connections(ctx).SendToGroup("lobby", []byte(line), sdk.Except(c.ID))
		},
	}
	http.HandleFunc("GET /online", func(w http.ResponseWriter, r *http.Request) {
		n, err := sdk.Connections(r.Context()).Count("lobby")
		fmt.Fprintln(w, n, err)
	})
	if err := worker.Serve(); err != nil {
		log.Fatal(err)
	}
}

// A language model answers, and no worker waits for it: host.toml has allow and the secret.
func ExampleFetch() {
	worker := sdk.Worker{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := sdk.Fetch(w, sdk.FetchRequest{
				URL: "https://api.example/v1/chat", Method: "POST", Body: r.Body,
				Header:  http.Header{"Authorization": {"Bearer {secret:MODEL}"}},
				Context: r.Header.Get("X-User"), Keep: 64 << 10,
			})
			if err != nil {
				http.Error(w, "Bad Gateway", http.StatusBadGateway)
			}
		}),
		OnFetched: func(ctx context.Context, f *sdk.Fetched) error { // in any worker of the pool
			var user string
			if err := f.Context(&user); err != nil {
				return err
			}
			log.Print(user, " has had ", f.Length, " bytes of fetch ", f.ID, ": ", f.End)
			return nil
		},
	}
	if err := worker.Serve(); err != nil {
		log.Fatal(err)
	}
}

// An order is answered at once, and its receipt is written by whichever worker is free, again if that fails.
func ExampleTasks() {
	http.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		tasks := sdk.Tasks(r.Context()) // what they push is on disk before the client has its answer
		_, err := tasks.Push("receipts", map[string]string{"order": id}, sdk.PushOptions{ID: "receipt " + id})
		if err == nil {
			_, err = tasks.Push("reminders", id, sdk.PushOptions{Delay: 24 * time.Hour})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	worker := sdk.Worker{OnTask: map[string]func(context.Context, *sdk.Task) error{
		"receipts": func(ctx context.Context, t *sdk.Task) error {
			var receipt struct {
				Order string `msgpack:"order"`
			}
			if err := t.Payload(&receipt); err != nil {
				return err
			}
			return os.WriteFile("receipts/"+receipt.Order, nil, 0o600) // an error has it come again
		},
	}}
	if err := worker.Serve(); err != nil {
		log.Fatal(err)
	}
}

// What must stand before the first request belongs into OnStart: if it fails, a reload keeps the old workers.
func ExampleOnStart() {
	slog.SetDefault(slog.New(sdk.LogHandler(nil)))
	var db *sql.DB
	connect := func(ctx context.Context) (err error) {
		if db, err = sql.Open("postgres", "…"); err != nil {
			return err
		}
		return db.PingContext(ctx)
	}
	report := func(w http.ResponseWriter, r *http.Request) {
		slog.InfoContext(r.Context(), "report", "id", sdk.RequestID(r.Context()))
		sdk.ServeFile(w, r, "/srv/reports/today.pdf")
	}
	err := sdk.Serve(http.HandlerFunc(report), sdk.WithConcurrency(32), sdk.OnStart(connect), sdk.OnStop(func() {
		db.Close()
	}))
	if err != nil {
		log.Fatal(err)
	}
}

// A stream without an end is told when its worker is to leave; its client comes back, and meets another one.
func ExampleOnDrain() {
	leaving := make(chan struct{})
	ticks := func(w http.ResponseWriter, r *http.Request) {
		for {
			fmt.Fprintln(w, time.Now())
			http.NewResponseController(w).Flush()
			select {
			case <-time.After(time.Second):
			case <-leaving:
				return
			case <-r.Context().Done():
				return
			}
		}
	}
	err := sdk.ListenAndServe(":8080", http.HandlerFunc(ticks), sdk.OnDrain(func() { close(leaving) }))
	if err != nil {
		log.Fatal(err)
	}
}
