package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
)

const anyPort = "[[listen]]\naddress = \"127.0.0.1:0\"\n"

// get is the status and the text of an answer.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestAStopIsAnnouncedForStopDelayWhileAllIsServed(t *testing.T) {
	s := serveFile(t, shortDir(t), "stop_delay = \"1h\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"+anyPort)
	admin := s.await("admin listener")["address"].(string)
	s.address = s.await("listening")["address"].(string)
	s.await("ready")
	if status, text := get(t, "http://"+admin+"/readyz"); status != 200 {
		t.Fatalf("/readyz: %d %s", status, text)
	}
	victim := s.status().Pools[0].Workers[0].PID

	s.command.Process.Signal(os.Interrupt)
	s.await("stopping gracefully after stop_delay; until then all is served")
	if status, text := get(t, "http://"+admin+"/readyz"); status != 503 || !strings.Contains(text, "the host is stopping") {
		t.Errorf("/readyz: %d %s", status, text)
	}
	if status, text := get(t, "http://"+s.address+"/"); status != 200 {
		t.Errorf("a request meanwhile: %d %s", status, text)
	}
	if st := s.status(); !st.Stopping {
		t.Error("host status does not say that it is stopping")
	}
	if out, status := s.run("reload"); status == 0 || !strings.Contains(out, "the host is stopping") {
		t.Errorf("host reload: %d %s", status, out)
	}
	process, err := os.FindProcess(victim)
	if err != nil {
		t.Fatal(err)
	}
	process.Kill()
	for s.status().Pools[0].Workers[0].Restarts == 0 { // it is replaced, as ever
	}
	if out, status := s.run("stop", "--now"); status != 0 {
		t.Errorf("host stop --now: %d %s", status, out)
	}
	if status := s.ended(); status != 0 {
		t.Errorf("the host exited with %d", status)
	}
}

func TestAStopBeginsWhenStopDelayIsOver(t *testing.T) {
	s := serveFile(t, shortDir(t), "stop_delay = \"50ms\"\n"+anyPort)
	s.await("ready")
	if out, status := s.run("stop"); status != 0 || !strings.HasPrefix(out, "stopped in ") {
		t.Errorf("host stop: %d %s", status, out)
	}
	s.await("stopping gracefully after stop_delay; until then all is served")
	if status := s.ended(); status != 0 {
		t.Errorf("the host exited with %d", status)
	}
}

func TestAStepOfTheStopThatDoesNotEndIsLeftBehind(t *testing.T) {
	for name, c := range map[string]struct {
		now  time.Duration // when somebody says --now; 0 is never
		step time.Duration // how long it takes; 0 is for ever
		took time.Duration
		left bool
	}{
		"one that ends":             {0, time.Minute, time.Minute, false},
		"one that does not":         {0, 0, time.Minute + overdue, true},
		"one that ends at once":     {time.Second, 2 * time.Second, 2 * time.Second, false},
		"one that heeds no urgency": {time.Second, 0, time.Second + overdue, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said strings.Builder
				h := newHost(&config.Config{}, hclog.New(&hclog.LoggerOptions{Output: &said}))
				if c.now > 0 {
					time.AfterFunc(c.now, func() { h.Stop(true) })
				}
				release := make(chan struct{})
				began := time.Now()
				h.bounded("that", time.Minute, func() {
					if c.step > 0 {
						time.Sleep(c.step)
					} else {
						<-release
					}
				})
				if took := time.Since(began); took != c.took || strings.Contains(said.String(), "left behind, since it does not end") != c.left {
					t.Errorf("it took %v: %s", took, said.String())
				}
				close(release)
			})
		})
	}
}
