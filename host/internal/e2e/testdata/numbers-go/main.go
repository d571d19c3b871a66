// A worker in Go that answers numbered messages as testdata/talk.php does: the number, the attempt, the version, and
// how many the session knows of.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

func main() {
	version, err := os.ReadFile("VERSION")
	if err != nil {
		log.Fatal(err)
	}
	if string(version) == "broken" {
		log.Fatal("this version is broken on purpose")
	}
	worker := sdk.Worker{
		OnMessage: func(ctx context.Context, c *sdk.Conn, m sdk.Message) error {
			counted := c.Session().Int("n") + 1
			if err := c.Session().Set("n", counted); err != nil {
				return err
			}
			if err := c.Send(fmt.Appendf(nil, "%s %d %s %d", strings.TrimPrefix(string(m.Data), "n "),
				sdk.Attempt(ctx), version, counted)); err != nil {
				return err
			}
			time.Sleep(300 * time.Microsecond) // so that one who kills workers finds them at work
			return nil
		},
		Handler: http.NotFoundHandler(),
	}
	if err := worker.Serve(); err != nil {
		log.Fatal(err)
	}
}
