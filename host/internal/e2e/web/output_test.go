// What user code prints goes to the log and never onto the wire.

package web

import (
	"path/filepath"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestNothingThatUserCodePrintsCorruptsTheWire(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "1", dir)
	pid := h.PIDs()[0]
	for range 3 {
		if code, text := h.Get("/print"); code != 200 || text != "read 0 0" {
			t.Fatalf("%d %q", code, text)
		}
	}
	for _, by := range []string{"echo", "print_r", "var_dump", "warning", "stdout", "stderr", "output", "php-stdout",
		"system", "system-stderr", "passthru", "error_log", "forgotten-buffer"} {
		h.Logs.Await(t, "by-"+by)
	}
	if now := h.PIDs()[0]; now != pid {
		t.Errorf("printing cost the worker: %d became %d", pid, now)
	}
}

func TestNothingThatAWorkerInGoPrintsCorruptsTheWire(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-c", filepath.Join(harness.GoSite(t, "workers = 1"), "host.toml"))
	if code, text := h.Get("/print"); code != 200 || text != "read 0" {
		t.Fatalf("%d %q", code, text)
	}
	for _, by := range []string{"println", "log", "stderr"} {
		h.Logs.Await(t, "by-"+by)
	}
}

// The same without descriptors of their own: frames on standard input and output.
func TestPrintingOverPlainStdioDoesNotCorruptTheWireEither(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
		echo "by-echo-at-boot\n";
		Worker::create()->onRequest(function (Request $r) {
			echo 'by-echo';
			fwrite(STDERR, "by-stderr\n");
			file_put_contents('php://output', "by-output\n");
			return Response::text('fine');
		})->run();`)
	h := harness.StartPHP(t, dir, "", "workers = 1\nwire = \"stdio\"", "")
	for range 3 {
		if code, text := h.Get("/"); code != 200 || text != "fine" {
			t.Fatalf("%d %q", code, text)
		}
	}
	for _, by := range []string{"echo-at-boot", "echo", "stderr", "output"} {
		h.Logs.Await(t, "by-"+by)
	}
}

func TestWhatComesBeforeTheFirstFrameIsLogged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// A byte-order mark, as editors leave it, and output at boot, before and in onStart.
	harness.Write(t, dir, "worker.php", "\xef\xbb\xbf"+`<?php require '`+harness.Repository+`/sdk-php/autoload.php';
		echo "printed at boot\n";
		trigger_error('warned at boot');
		WorkerHost\Worker::create()->onStart(function () { echo "printed in onStart\n"; })->onRequest(fn () => 'fine')->run();`)
	h := harness.Start(t, "-n", "1", dir)
	if code, text := h.Get("/"); code != 200 || text != "fine" {
		t.Errorf("%d %q", code, text)
	}
	for _, said := range []string{"printed at boot", "warned at boot", "printed in onStart"} {
		h.Logs.Await(t, said)
	}
}

// Even code that looks for the descriptor of the frames harms its own request only.
func TestGarbageOnTheWireIsA502AndShownInTheLog(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "2", dir)
	others := harness.NewLoad(h).Kept(1)
	if code, text := h.Get("/garbage"); code != 502 {
		t.Errorf("%d %q", code, text)
	}
	h.Logs.Await(t, "rubbish on the wire")
	h.AwaitReady()
	others.Stop()
	if n := h.Begun("GET /garbage"); n != 1 {
		t.Errorf("the request was begun %d times", n)
	}
	if code, _ := h.Get("/hello"); code != 200 {
		t.Errorf("afterwards: %d", code)
	}
}
