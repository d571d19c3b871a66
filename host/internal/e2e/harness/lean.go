// PHP that starts in a seventh of the time: without most of the machine's extensions.

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// leanExtensions are those that the SDK uses if they are there.
var leanExtensions = []string{"posix", "ctype", "tokenizer", "mbstring", "msgpack", "sockets"}

// Lean has the PHP of a package's tests start with few extensions, in place of all that the machine has, since those
// take most of the time of a start. It is for packages that start PHP often, in their TestMain. Without PHP it does
// nothing.
func Lean() {
	out, err := exec.Command("php", "-r", `echo ini_get('extension_dir'), "\n", implode("\n", get_loaded_extensions());`).
		Output()
	if err != nil {
		return
	}
	folder, loaded, _ := strings.Cut(string(out), "\n")
	dir, err := filepath.Abs("../../../../.cache/e2e/lean")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	var ini strings.Builder
	for _, name := range leanExtensions {
		_, missing := os.Stat(filepath.Join(folder, name+".so")) // one that is built in has no file
		if missing == nil && strings.Contains("\n"+loaded+"\n", "\n"+name+"\n") {
			fmt.Fprintf(&ini, "extension=%s\n", name)
		}
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "lean.ini"), []byte(ini.String()), 0o644)
	}
	if err == nil {
		err = os.Setenv("PHP_INI_SCAN_DIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
