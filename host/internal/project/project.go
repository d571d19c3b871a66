// project.go finds out what a folder holds, for host init.

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

// framework is what a PHP project is built with.
type framework int

const (
	plainPHP framework = iota
	symfony
	laravel
	slim
)

// project is what host init found.
type project struct {
	what      string // for people, with the reason
	framework framework
	worker    string // for host.toml; "" for a site
	site      *site  // nil: it is none
	hasWorker bool   // worker.php is there
	hasSDK    bool   // Composer has installed it
	composer  bool   // vendor/autoload.php is, or will be, there
	public    bool   // a folder of that name
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
	switch {
	case requires["symfony/framework-bundle"]:
		p.framework, p.what = symfony, "Symfony: composer.json requires symfony/framework-bundle"
	case requires["laravel/framework"]:
		p.framework, p.what = laravel, "Laravel: composer.json requires laravel/framework"
	case requires["slim/slim"]:
		p.framework, p.what = slim, "Slim: composer.json requires slim/slim"
	case has("artisan"):
		p.framework, p.what = laravel, "Laravel: there is an artisan"
	case has("bin", "console"):
		p.framework, p.what = symfony, "Symfony: there is a bin/console"
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
	switch {
	case p.hasWorker:
		p.what += "; worker.php stays as it is"
	case p.framework == slim:
		p.lookForSlim(has, requires)
	case p.framework == symfony && !has("src", "Kernel.php"):
		p.notes = append(p.notes, "worker.php expects App\\Kernel in src/Kernel.php: name yours there.")
	}
	if p.composer && p.worker == workerFile && !has("vendor", "autoload.php") {
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

// lookForSlim finds the PSR-17 factories, and the file that makes the application.
func (p *project) lookForSlim(has func(...string) bool, requires map[string]bool) {
	p.factories = "slim/psr7"
	if requires["nyholm/psr7"] {
		p.factories = "nyholm/psr7"
	} else if !requires["slim/psr7"] {
		p.notes = append(p.notes, "worker.php uses slim/psr7, which composer.json does not require: run `composer "+
			"require slim/psr7`, or name your PSR-17 factories there.")
	}
	for _, file := range []string{"app.php", "app/app.php", "config/bootstrap.php", "bootstrap/app.php", "src/app.php",
		"bootstrap.php"} {
		if has(filepath.FromSlash(file)) {
			p.app = file
			p.notes = append(p.notes, "worker.php expects that "+file+" returns the Slim\\App, and does not run it: "+
				"check that it does.")
			return
		}
	}
	p.app = "app.php"
	p.notes = append(p.notes, "worker.php expects an app.php that returns the Slim\\App: move what makes it out of "+
		"public/index.php, all but $app->run().")
}
