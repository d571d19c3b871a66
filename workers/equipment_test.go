package workers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestEquipmentIsLaidOverTheEnvironmentAndInFrontOfTheCommand(t *testing.T) {
	dir := t.TempDir()
	s := &Settings{
		Name: "p", Command: []string{"/bin/sh", "-c", "true"}, Directory: dir, Env: []string{"A=1", "B=2"},
		Equip: func(got string, _ []string) (Equipment, error) {
			return Equipment{Env: []string{"B=3", "DIR=" + got}, Launcher: []string{"/launch", "--"},
				Owner: &protocol.Owner{UID: 7, GID: 8}}, nil
		},
	}
	g, err := newGeneration(context.Background(), s, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := new(Pool).environment(g), []string{"A=1", "B=3", "DIR=" + g.directory}; !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
	if got, want := g.commandLine(), []string{"/launch", "--", "/bin/sh", "-c", "true"}; !slices.Equal(got, want) {
		t.Errorf("command line %q, want %q", got, want)
	}
	if !slices.Equal(s.Env, []string{"A=1", "B=2"}) {
		t.Errorf("the settings' own environment was changed: %q", s.Env)
	}
}

func TestAGenerationThatCanNotBeEquippedDoesNotBegin(t *testing.T) {
	s := &Settings{Name: "p", Command: []string{"/bin/sh"}, Directory: t.TempDir(),
		Equip: func(string, []string) (Equipment, error) {
			return Equipment{}, errors.New("no such user")
		}}
	if _, err := newGeneration(context.Background(), s, 1); err == nil ||
		!strings.Contains(err.Error(), "pool p: no such user") {
		t.Errorf("error %v", err)
	}
}

func TestEquipmentIsRenewedBeforeEachStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var renewed atomic.Int32
		var wrong atomic.Pointer[error]
		full := errors.New("the disk is full")
		p, f := newFakePool(t, Settings{Workers: 1, Equip: func(string, []string) (Equipment, error) {
			return Equipment{Renew: func() error {
				renewed.Add(1)
				if err := wrong.Load(); err != nil {
					return *err
				}
				return nil
			}}, nil
		}}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		wrong.Store(&full)
		f.process(1).die("exit status 3")
		time.Sleep(time.Second)
		if st := p.Status(); renewed.Load() < 2 || st.Failure != "the disk is full" {
			t.Errorf("renewed %d times: %+v", renewed.Load(), st)
		}
		wrong.Store(nil)
		time.Sleep(time.Minute)
		if idleSlots(t, p) != 1 {
			t.Error("no worker came back")
		}
	})
}
