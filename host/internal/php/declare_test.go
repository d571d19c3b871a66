package php

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
)

func TestAProgramForWorkermanSaysWhichWorkersItHas(t *testing.T) {
	if _, err := exec.LookPath("php"); err != nil {
		t.Skip("there is no php")
	}
	const run = "\nWorkerman\\Worker::runAll();"
	for script, want := range map[string]string{
		"$w = new Workerman\\Worker('text://:81'); $w->name = 'a b'; $w->count = 2; echo 'printed';" + run: "a-b 2 " +
			"[{:81 tcp line 10485760 0  }]",
		"$w = new Workerman\\Worker('http://:80', ['ssl' => ['local_cert' => 'c', 'local_pk' => 'k']]); " +
			"$w->transport = 'ssl';" + run: "http-80 1 [{:80 http  10485760 0 c k}]",
		"new GatewayWorker\\Gateway('Websocket://:7272'); new GatewayWorker\\Register('text://:1236'); " +
			"new GatewayWorker\\BusinessWorker();" + run: "worker 1 [{:7272 http  10485760 0  }]",
		"new Workerman\\Worker('frame:///tmp/a.sock');" + run: "own-tmp-a-sock 1 " +
			"[{unix:/tmp/a.sock tcp raw 10485760 1114112  }]",
		"Workerman\\Connection\\TcpConnection::$defaultMaxPackageSize = 2 << 20; " +
			"new Workerman\\Worker('frame://:1');" + run: "own-1 1 [{:1 tcp raw 2097152 2162688  }]",
		run: "without any Worker that does something",
		"new Workerman\\Worker('none://:1');" + run: "there is no class Protocols\\None",
		"echo 'words';":                          "ended without Worker::runAll()",
		"throw new Exception('in the program');": "in the program",
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "start.php"), []byte("<?php "+script), 0o644); err != nil {
			t.Fatal(err)
		}
		pool := &config.Pool{Kind: config.PHPFile, API: config.Workerman, Script: "start.php", Directory: folder}
		declared, err := Declare(context.Background(), pool)
		got := ""
		for _, d := range declared {
			got += fmt.Sprint(d.Name, " ", d.Count, " ", d.Listen)
		}
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) {
			t.Errorf("%s\n%s\nexpected %s", script, got, want)
		}
	}
}
