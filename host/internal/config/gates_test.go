package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// gatesOf are those of the first pool of a file, in whose folder current leads to release.
func gatesOf(t *testing.T, text string) (Gates, error) {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "release"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("release", filepath.Join(folder, "current")); err != nil {
		t.Fatal(err)
	}
	c, err := Parse(filepath.Join(folder, FileName), []byte(text), variables())
	if err == nil {
		err = c.Apply(Overrides{Control: filepath.Join(folder, "c.sock")})
	}
	if err != nil {
		return Gates{}, err
	}
	return c.Pools[0].Gates, nil
}

const pooled = "[pool.a]\ncommand = [\"sh\"]\ndirectory = \"current\"\nuser = \"root\"\n"

func TestGatesAreOfTheOnlyPoolOrOfEachItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may name a user")
	}
	want := Gates{Before: Commands{{"./migrate", "-f"}}, Check: []Warmup{{Path: "/up"}, {"/login", 401}},
		After: Commands{{"./look"}}, OnFailure: "back", Timeout: time.Minute}
	const gates = "before = [[\"./migrate\", \"-f\"]]\ncheck = [\"/up\", { path = \"/login\", status = 401 }]\n" +
		"after = [[\"./look\"]]\ntimeout = \"1m\"\n"
	for _, text := range []string{"[reload]\n" + gates + pooled, pooled + "[pool.a.reload]\n" + gates} {
		if got, err := gatesOf(t, text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestGatesThatCanNotHoldAreRefused(t *testing.T) {
	root, inPlace := "user = \"root\"", strings.Replace(pooled, "current", "release", 1)
	second := strings.Replace(pooled, "pool.a", "pool.b", 1) + "[[listen]]\naddress = \":80\"\npool = \"a\"\n"
	for text, want := range map[string]string{
		"[reload]\nbefore = [\"./migrate\"]\n" + pooled:                                "write [[",
		"[reload]\nbefore = [[]]\n" + pooled:                                           "no program",
		"[reload]\ncheck = [\"up\"]\n" + pooled:                                        "expected the path of a URL",
		"[reload]\ncheck = [\"/\"]\n" + pooled + second:                                "of which pool?",
		"[reload]\ncheck = [\"/\"]\n" + pooled + "[pool.a.reload]\ncheck = [\"/x\"]\n": "has gates, too",
		"[reload]\nafter = [[\"x\"]]\n" + inPlace:                                      "is edited in place",
		"[reload]\nbefore = [[\"x\"]]\n" + strings.Replace(pooled, root, "", 1):        "as root",
	} {
		if os.Geteuid() != 0 {
			if strings.Contains(want, "root") {
				continue
			}
			text = strings.ReplaceAll(text, root, "")
		}
		if _, err := gatesOf(t, text); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s\n%v, and not %q", text, err, want)
		}
	}
}
