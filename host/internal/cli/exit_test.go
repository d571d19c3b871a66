package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

func TestEveryExitStatusStandsInTheReadmeAndInTheHelp(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	exitTable(&page)
	help := page.String()
	for i, e := range exits {
		if e.status != i {
			t.Errorf("%s is status %d, and stands at %d", e.outcome, e.status, i)
		}
		line := fmt.Sprintf("\n| %d | `%s` | %s |\n", e.status, e.outcome, e.means)
		if !strings.Contains(string(readme), line) {
			t.Errorf("README.md lacks the line %s", line)
		}
		if !strings.Contains(help, string(e.outcome)) || !strings.Contains(help, e.means) {
			t.Errorf("host help exit lacks %s:\n%s", e.outcome, help)
		}
	}
}

func TestExitStatusesTellTheCause(t *testing.T) {
	inFile := config.Problems{{Text: "from the command line"}, {Path: "host.toml", Line: 3, Text: "no such key"}}
	none := func(why error) error { return &control.NoHost{Path: "c.sock", Err: why} }
	refused := func(status int, o control.Outcome) error { return &control.Refusal{Status: status, Outcome: o} }
	for want, errs := range map[int][]error{
		0:   {nil, EndedBy(control.Done, "")},
		1:   {errors.New("whatever"), EndedBy("an outcome of a newer host", ""), refused(500, "")},
		2:   {Misused("no"), inFile[:1], refused(404, control.Misused)},
		4:   {none(syscall.ECONNREFUSED), withRemedy(none(fs.ErrNotExist))},
		5:   {none(syscall.EACCES), refused(401, control.Forbidden), fmt.Errorf("listen :80: %w", syscall.EACCES)},
		6:   {inFile, EndedBy(control.BadConfig, "")},
		7:   {EndedBy(control.HalfWay, "")},
		10:  {control.ErrCutOff, refused(409, control.HostStopped)},
		23:  {PassedExit(23)},
		130: {&interrupted{signal: os.Interrupt}},
	} {
		for _, err := range errs {
			if _, got := causeOf(err); got != want {
				t.Errorf("%v: status %d instead of %d", err, got, want)
			}
		}
	}
}
