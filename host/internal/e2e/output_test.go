// What user code prints goes to the log and never onto the wire.

package e2e

import (
	"path/filepath"
	"testing"
)

func TestNothingThatUserCodePrintsCorruptsTheWire(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := start(t, "-n", "1", dir)
	pid := h.pids()[0]
	for range 3 {
		if code, text := h.get("/print"); code != 200 || text != "read 0 0" {
			t.Fatalf("%d %q", code, text)
		}
	}
	for _, by := range []string{"echo", "print_r", "var_dump", "warning", "stdout", "stderr", "output", "php-stdout", "system", "system-stderr", "passthru", "error_log", "forgotten-buffer"} {
		h.logs.await(t, "by-"+by)
	}
	if now := h.pids()[0]; now != pid {
		t.Errorf("printing cost the worker: %d became %d", pid, now)
	}
}

func TestNothingThatAWorkerInGoPrintsCorruptsTheWire(t *testing.T) {
	t.Parallel()
	h := start(t, "-c", filepath.Join(goSite(t, "workers = 1"), "host.toml"))
	if code, text := h.get("/print"); code != 200 || text != "read 0" {
		t.Fatalf("%d %q", code, text)
	}
	for _, by := range []string{"println", "log", "stderr"} {
		h.logs.await(t, "by-"+by)
	}
}

// The same without descriptors of their own: frames on standard input and output.
func TestPrintingOverPlainStdioDoesNotCorruptTheWireEither(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, `
		echo "by-echo-at-boot\n";
		Worker::create()->onRequest(function (Request $r) {
			echo 'by-echo';
			fwrite(STDERR, "by-stderr\n");
			file_put_contents('php://output', "by-output\n");
			return Response::text('fine');
		})->run();`)
	h := startPHP(t, dir, "", "workers = 1\nwire = \"stdio\"", "")
	for range 3 {
		if code, text := h.get("/"); code != 200 || text != "fine" {
			t.Fatalf("%d %q", code, text)
		}
	}
	for _, by := range []string{"echo-at-boot", "echo", "stderr", "output"} {
		h.logs.await(t, "by-"+by)
	}
}

func TestWhatComesBeforeTheFirstFrameIsLogged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// A byte-order mark, as editors leave it, and output at boot, before and in onStart.
	write(t, dir, "worker.php", "\xef\xbb\xbf"+`<?php require '`+repository+`/sdk-php/autoload.php';
		echo "printed at boot\n";
		trigger_error('warned at boot');
		WorkerHost\Worker::create()->onStart(function () { echo "printed in onStart\n"; })->onRequest(fn () => 'fine')->run();`)
	h := start(t, "-n", "1", dir)
	if code, text := h.get("/"); code != 200 || text != "fine" {
		t.Errorf("%d %q", code, text)
	}
	for _, said := range []string{"printed at boot", "warned at boot", "printed in onStart"} {
		h.logs.await(t, said)
	}
}

// Even code that looks for the descriptor of the frames harms its own request only.
func TestGarbageOnTheWireIsA502AndShownInTheLog(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := start(t, "-n", "2", dir)
	others := newLoad(h).kept(1)
	if code, text := h.get("/garbage"); code != 502 {
		t.Errorf("%d %q", code, text)
	}
	h.logs.await(t, "rubbish on the wire")
	h.awaitReady()
	others.stop()
	if n := h.begun("GET /garbage"); n != 1 {
		t.Errorf("the request was begun %d times", n)
	}
	if code, _ := h.get("/hello"); code != 200 {
		t.Errorf("afterwards: %d", code)
	}
}
