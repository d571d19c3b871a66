package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
)

func TestTheKubernetesPageStopsWithinItsGracePeriod(t *testing.T) {
	page, err := os.ReadFile("docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(page)
	grace := regexp.MustCompile(`terminationGracePeriodSeconds: (\d+)`).FindSubmatch(page)
	if block == nil || grace == nil {
		t.Fatal("it has no host.toml, or no grace period")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "worker.php"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(filepath.Join(dir, "host.toml"), block[1], os.LookupEnv)
	if err == nil {
		err = c.Apply(config.Overrides{})
	}
	if err != nil {
		t.Fatal(err)
	}
	seconds, _ := strconv.Atoi(string(grace[1]))
	if p := c.Pools[0]; c.StopDelay+p.DrainTimeout+2*p.StopTimeout >= time.Duration(seconds)*time.Second {
		t.Errorf("a stop may take %v, %v and twice %v, and the pod is killed after %d s", c.StopDelay, p.DrainTimeout,
			p.StopTimeout, seconds)
	}
}
