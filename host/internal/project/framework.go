// framework.go finds out how a project of a framework is served, and what shows that it works.

package project

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// framework is what a PHP project is built with.
type framework int

const (
	plainPHP framework = iota
	symfony
	laravel // without Octane: php-fpm
	octane
	slim
	mezzio
)

// publicIndex is what symfony/runtime runs as it is.
const publicIndex = "public/index.php"

// homes says where a framework's routes stand, and the line that gives one to "/" and is no comment.
var homes = map[framework]struct {
	route *regexp.Regexp
	files []string
}{
	laravel: {regexp.MustCompile(`(?m)^[^\n#*/]*\bRoute::(?:get|view|any|redirect)\(\s*['"]/['"]`),
		[]string{"routes/web.php"}},
	symfony: {regexp.MustCompile(`(?m)^[^\n/]*\bRoute\(\s*(?:path:\s*)?['"]/['"]|^\s*path:\s*['"]?/['"]?\s*$`),
		[]string{"src/Controller/*.php", "src/Controller/*/*.php", "config/routes.yaml", "config/routes/*.yaml"}},
	slim: {regexp.MustCompile(`(?m)^[^\n#*/]*->(?:get|any|map)\(\s*(?:\[[^\]]*\]\s*,\s*)?['"]/['"]`),
		[]string{"app.php", "app/*.php", "config/*.php", "src/*.php", "bootstrap.php", "bootstrap/*.php"}},
}

// laravelHealth is the route that bootstrap/app.php gives to Laravel 11 and later.
var laravelHealth = regexp.MustCompile(`health:\s*['"]/?([^'"]+)['"]`)

// frameworkOf goes by the packages of composer.json, and then by the framework's console.
func frameworkOf(has func(...string) bool, requires map[string]bool) (of framework, what string) {
	for _, known := range []struct {
		of         framework
		name, from string
	}{
		{octane, "Laravel with Octane", "laravel/octane"},
		{laravel, "Laravel", "laravel/framework"},
		{symfony, "Symfony", "symfony/framework-bundle"},
		{slim, "Slim", "slim/slim"},
		{mezzio, "Mezzio", "mezzio/mezzio"},
	} {
		if requires[known.from] {
			return known.of, known.name + ": composer.json requires " + known.from
		}
	}
	switch {
	case has("artisan"):
		return laravel, "Laravel: there is an artisan"
	case has("bin", "console"):
		return symfony, "Symfony: there is a bin/console"
	}
	return plainPHP, ""
}

// look finds out what the framework's host.toml and worker.php depend on.
func (p *project) look(dir string, has func(...string) bool, requires map[string]bool) {
	routes := homes[p.framework]
	switch p.framework {
	case laravel, octane:
		routes = homes[laravel]
		if p.framework == laravel {
			p.worker = ""
			if !has("public", "index.php") {
				p.notes = append(p.notes, "public/index.php is missing, which serves Laravel: root in host.toml has "+
					"to name the folder that holds yours.")
			}
		}
		p.storage = has("storage", "app", "public")
		text, _ := os.ReadFile(filepath.Join(dir, "bootstrap", "app.php"))
		if m := laravelHealth.FindSubmatch(text); m != nil {
			p.warmup = "/" + string(m[1])
			return
		}
	case symfony:
		text, _ := os.ReadFile(filepath.Join(dir, filepath.FromSlash(publicIndex)))
		if strings.Contains(string(text), "autoload_runtime.php") {
			p.worker = publicIndex
		} else if !has("src", "Kernel.php") {
			p.notes = append(p.notes, "worker.php expects App\\Kernel in src/Kernel.php: name yours there.")
		}
	case slim:
		p.lookForSlim(has, requires)
	case mezzio:
		routes = homes[slim]
	}
	for _, pattern := range routes.files {
		files, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && routes.route.Match(text) {
				p.warmup = "/"
				return
			}
		}
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

// needsSDK says whether the project has to hold it. A script with FrankenPHP's API has the host's, and php-fpm none.
func (p *project) needsSDK() bool {
	return !p.hasWorker && !p.hasSDK && (p.worker == workerFile || p.worker == publicIndex) &&
		p.framework != octane
}
