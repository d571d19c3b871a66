package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const examples = "../../../examples/grafana/"

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(examples + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkNames looks for metrics in an expression that /metrics does not have, and gives how many there are.
func checkNames(t *testing.T, page, where, expr string) int {
	t.Helper()
	names := regexp.MustCompile(`\b(workerhost|process|go)_\w+`).FindAllString(expr, -1)
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(page) {
			t.Errorf("%s asks for %s, which /metrics does not have", where, name)
		}
	}
	return len(names)
}

func TestTheDashboardAsksForMetricsThatThereAre(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "workerhost.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	page := scrape(t)
	asked := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			asked += checkNames(t, page, "panel "+p.Title, target.Expr)
		}
	}
	if asked < 10 {
		t.Errorf("the dashboard asks for %d metrics", asked)
	}
}

func TestEachAlertAsksForMetricsThatThereAreAndHasACase(t *testing.T) {
	rules, cases := read(t, "alerts.yml"), read(t, "alerts_test.yml")
	if asked := checkNames(t, scrape(t), "alerts.yml", rules); asked < 10 {
		t.Errorf("the alerts ask for %d metrics", asked)
	}
	for _, alert := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(cases, "alertname: "+alert[1]+"\n") {
			t.Errorf("%s has no case in alerts_test.yml", alert[1])
		}
	}
}

func TestAlertsGoOffWhenTheyShould(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; .ci/setup test does that")
	}
	for _, arguments := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"},
		{"test", "rules", "alerts_test.yml"}} {
		cmd := exec.Command(promtool, arguments...)
		cmd.Dir = examples
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
	}
}

// TestAScrapeIsWhatPrometheusReads has its own linter look at names, types and units.
func TestAScrapeIsWhatPrometheusReads(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; .ci/setup test does that")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
