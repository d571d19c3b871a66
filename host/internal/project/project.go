// project.go finds out what a folder holds, for host init; framework.go what it says of its framework.

package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/workerhost/workerhost/host/internal/config"
)

const (
	workerFile = "worker.php"
	sdkFolder  = "workerhost"
	goSDK      = "github.com/workerhost/workerhost/sdk-go"
)

// project is what host init found.
type project struct {
	what      string // for people, with the reason
	framework framework
	worker    string // for host.toml; "" for php-fpm
	site      *site  // of pages; nil: it is none
	hasWorker bool   // worker.php is there
	hasSDK    bool   // Composer has installed it
	composer  bool   // vendor/autoload.php is, or will be, there
	public    bool   // a folder of that name
	storage   bool   // the folder of Laravel that public/storage leads to
	warmup    string // a path that shows that the application works; "" if none was found
	factories string // the PSR-17 library of a Slim project
	app       string // the file that returns the Slim application
	notes     []string
}

// inspectProject looks, and changes nothing.
func inspectProject(dir string) (*project, error) {
	p := &project{worker: workerFile}
	has := func(names ...string) bool {
		_, err := os.Stat(filepath.Join(append([]string{dir}, names...)...))
		return err == nil
	}
	p.public, p.hasWorker = has("public"), has(workerFile)
	requires, err := requirements(dir)
	if err != nil {
		return nil, err
	}
	p.composer = requires != nil
	p.hasSDK = has("vendor", "workerhost", "sdk")
	folder, isGo := goProgram(dir)
	p.framework, p.what = frameworkOf(has, requires)
	switch {
	case p.framework != plainPHP:
	case p.hasWorker:
		p.what = "a PHP worker: worker.php"
	case isGo:
		p.what, p.worker, p.public = "a Go main package: "+folder, folder, false
		p.checkGo(filepath.Join(dir, folder))
	case p.findSite(dir, has):
	case p.composer:
		p.what = "a PHP project: composer.json"
	default:
		p.what = "no project that it knows, so here is the smallest one in PHP"
		if scripts, _ := filepath.Glob(filepath.Join(dir, "*.php")); len(scripts) > 0 {
			p.notes = append(p.notes, "The .php files here are no part of it. If visitors are to ask for them by "+
				"name, give the pool\nfpm = true and root = \".\" in place of worker: `host help php-fpm`.")
		}
	}
	if p.hasWorker {
		p.what += "; worker.php stays as it is"
	} else {
		p.look(dir, has, requires)
	}
	if p.composer && (p.framework != plainPHP || p.worker == workerFile) && !has("vendor", "autoload.php") {
		p.notes = append(p.notes, "vendor/autoload.php is missing: run `composer install` first.")
	}
	return p, nil
}

// requirements are the packages of composer.json; nil if there is none.
func requirements(dir string) (map[string]bool, error) {
	path := filepath.Join(dir, "composer.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Require map[string]any `json:"require"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return nil, fmt.Errorf("%s can't be read: %w; `composer validate` says more", path, err)
	}
	names := map[string]bool{}
	for name := range manifest.Require {
		names[name] = true
	}
	return names, nil
}

// goProgram finds a main package: the folder itself, or the only one in cmd/.
func goProgram(dir string) (folder string, ok bool) {
	if kind, _, err := config.Resolve(dir); err == nil && kind == config.GoPackage {
		return ".", true
	}
	commands, _ := filepath.Glob(filepath.Join(dir, "cmd", "*"))
	commands = slices.DeleteFunc(commands, func(path string) bool {
		kind, _, err := config.Resolve(path)
		return err != nil || kind != config.GoPackage
	})
	if len(commands) != 1 {
		return "", false
	}
	return "cmd/" + filepath.Base(commands[0]), true
}

func (p *project) checkGo(folder string) {
	if pkg, err := build.Default.ImportDir(folder, 0); err == nil && !slices.Contains(pkg.Imports, goSDK) {
		p.notes = append(p.notes, "The program does not use the SDK yet:\n\n    go get "+goSDK+"\n\nand in main, "+
			"sdk.Serve(handler) in place of http.ListenAndServe(address, handler).")
	}
}
