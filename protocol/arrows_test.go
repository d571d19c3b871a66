package protocol

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/workerhost/workerhost/"

// The house's arrows: who may know whom. A breach is a design decision, not a test to be adjusted.
func TestImportsFollowTheArrows(t *testing.T) {
	if testing.Short() {
		t.Skip("asks the go command")
	}
	for of, never := range map[string][]string{
		"protocol":             {"net/http", "os/exec", module + "host", module + "workers", module + "sdk-go", module + "sdk-php"},
		"workers":              {"net/http", module + "host", module + "sdk-go", module + "sdk-php"},
		"sdk-go":               {"github.com/hashicorp", module + "host", module + "workers"},
		"host/internal/listen": {module + "workers", "os/exec"},
		"host/internal/hub":    {module + "workers", module + "host/internal/listen", "net/http", "os/exec"},
	} {
		for _, imported := range dependencies(t, of) {
			for _, n := range never {
				if imported == n || strings.HasPrefix(imported, n+"/") {
					t.Errorf("%s imports %s, directly or not; `go mod why %[2]s` and `go list -deps` show how", of, imported)
				}
			}
		}
	}
}

func TestProtocolNeedsMsgpackAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("asks the go command")
	}
	for _, imported := range dependencies(t, "protocol") {
		first, _, _ := strings.Cut(imported, "/")
		if strings.Contains(first, ".") && imported != module+"protocol" && !strings.HasPrefix(imported, "github.com/vmihailenco/") {
			t.Errorf("protocol imports %s", imported)
		}
	}
}

// dependencies lists all that the package in folder imports, directly or not, itself included.
func dependencies(t *testing.T, folder string) []string {
	t.Helper()
	c := exec.Command("go", "list", "-e", "-deps", "./"+folder)
	c.Dir = ".."
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	all := strings.Fields(string(out))
	if len(all) < 10 {
		t.Fatalf("%s listed only %v", c, all)
	}
	return all
}
