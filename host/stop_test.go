package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
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
	if status, text := get(t, "http://"+admin+"/readyz"); status != 503 ||
		!strings.Contains(text, "the host is stopping") {
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
