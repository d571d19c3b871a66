// A worker in Go that pushes tasks and does them: it notes in the file "done" of a folder what it has done.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

// order is a payload.
type order struct {
	Name string `msgpack:"name"`
}

func note(line string) error {
	f, err := os.OpenFile(filepath.Join(os.Args[1], "done"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

func serve(w http.ResponseWriter, r *http.Request) {
	how, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	tasks := sdk.Tasks(r.Context())
	switch how {
	case "wait":
		var done []any
		var failed *sdk.TaskError
		switch err := tasks.PushAndWait("q", order{name}, &done, sdk.PushOptions{}); {
		case errors.As(err, &failed):
			fmt.Fprint(w, "failed: ", failed.Reason)
		case err != nil:
			fmt.Fprint(w, "error: ", err)
		default:
			fmt.Fprint(w, "done: ", done)
		}
		return
	case "now":
		tasks = tasks.Now()
	}
	id, err := tasks.Push("q", order{name}, sdk.PushOptions{ID: "id " + name})
	if err == nil {
		_, err = tasks.PushAll(sdk.PushItem{Queue: "q", Payload: order{name + "2"}})
	}
	if err != nil || how != "push" {
		panic(fmt.Sprint("no: ", err))
	}
	fmt.Fprint(w, id)
}

func run(ctx context.Context, t *sdk.Task) error {
	var o order
	if err := t.Payload(&o); err != nil {
		return err
	}
	if err := t.Progress(map[string]int{"attempt": t.Attempt}); err != nil {
		return err
	}
	first := t.Attempt == 1
	switch {
	case o.Name == "throws":
		if _, err := sdk.Tasks(ctx).Push("q", order{"nothing"}, sdk.PushOptions{}); err != nil {
			return err
		}
		return fmt.Errorf("attempt %d", t.Attempt)
	case o.Name == "fails":
		t.Fail("no such user")
		_, err := sdk.Tasks(ctx).Push("q", order{"follows"}, sdk.PushOptions{})
		return err
	case o.Name == "released" && first:
		t.Release(100 * time.Millisecond)
		return nil
	case o.Name == "dies" && first:
		os.Exit(9)
	case o.Name == "panics" && first:
		panic("oh")
	}
	return errors.Join(note(o.Name), t.Return([]any{o.Name, t.Attempt}))
}

func main() {
	worker := sdk.Worker{
		Handler: http.HandlerFunc(serve),
		OnTask:  map[string]func(context.Context, *sdk.Task) error{"q": run},
	}
	if err := worker.Serve(); err != nil {
		log.Fatal(err)
	}
}
