package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// project is a folder that is watched.
type project struct {
	t       *testing.T
	root    string
	batches chan []string
}

func begin(t *testing.T, poll bool, folders ...string) *project {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := &project{t: t, root: root, batches: make(chan []string, 16)}
	p.watch(Options{Folders: []string{root}, Poll: poll})
	return p
}

// watch runs until the test ends.
func (p *project) watch(o Options) {
	ctx, cancel := context.WithCancel(p.t.Context())
	ended, ready := make(chan struct{}), make(chan struct{})
	o.Ready = func() { close(ready) }
	go func() {
		defer close(ended)
		Run(ctx, o, func(files []string) { p.batches <- files })
	}()
	p.t.Cleanup(func() { cancel(); <-ended })
	<-ready
}

func (p *project) write(name string) {
	p.t.Helper()
	path := filepath.Join(p.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(time.Now().String()), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// expect takes the next batch, which has exactly these files.
func (p *project) expect(names ...string) {
	p.t.Helper()
	select {
	case files := <-p.batches:
		for i, file := range files {
			files[i], _ = filepath.Rel(p.root, file)
		}
		if !slices.Equal(files, names) {
			p.t.Errorf("expected %q, got %q", names, files)
		}
	case <-time.After(20 * time.Second):
		p.t.Fatalf("a change of %q went unnoticed", names)
	}
}

func TestChangesThatComeTogetherAreToldTogether(t *testing.T) {
	for name, poll := range map[string]bool{"notified": false, "polled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := begin(t, poll)
			p.write(".new/B.php")
			p.write(".new/A.php")
			// at once, so that no look falls in between
			if err := os.Rename(filepath.Join(p.root, ".new"), filepath.Join(p.root, "src")); err != nil {
				t.Fatal(err)
			}
			p.expect("src/A.php", "src/B.php")
			if err := os.Remove(filepath.Join(p.root, "src/A.php")); err != nil {
				t.Fatal(err)
			}
			p.expect("src/A.php")
		})
	}
}

func TestFoldersThatAppearAreWatched(t *testing.T) {
	for name, poll := range map[string]bool{"notified": false, "polled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := begin(t, poll)
			p.write("src/Deep/Er/A.php")
			p.expect("src/Deep/Er/A.php")
			p.write("src/Deep/Er/B.php")
			p.expect("src/Deep/Er/B.php")
		})
	}
}

func TestASingleFileIsWatchedWithoutItsFolder(t *testing.T) {
	for name, poll := range map[string]bool{"notified": false, "polled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := begin(t, poll)
			p.write("etc/host.toml")
			p.expect("etc/host.toml")
			elsewhere := &project{t: t, root: filepath.Join(p.root, "etc"), batches: make(chan []string, 16)}
			elsewhere.watch(Options{Files: []string{filepath.Join(p.root, "etc/host.toml")}, Poll: poll})
			elsewhere.write("other.php")
			elsewhere.write("host.toml")
			elsewhere.expect("host.toml")
		})
	}
}

func TestAFileThatIsRenamedIntoPlaceIsAChange(t *testing.T) {
	t.Parallel()
	p := begin(t, false)
	p.write(".worker.php.swp")
	if err := os.Rename(filepath.Join(p.root, ".worker.php.swp"), filepath.Join(p.root, "worker.php")); err != nil {
		t.Fatal(err)
	}
	p.expect("worker.php")
}

func TestWhatAProgramWritesItselfIsNoChange(t *testing.T) {
	t.Parallel()
	p := begin(t, false, "var/cache", "vendor/acme", "node_modules/x")
	for _, name := range []string{"var/cache/Container.php", "vendor/acme/A.php", "vendor/new/B.php",
		"node_modules/x/i.json", ".git/HEAD.json", "app.log", "data.sqlite", "storage/framework/views/a.php"} {
		p.write(name)
	}
	p.write("seen.php")
	p.expect("seen.php")
}

func TestTheFilterKnowsCodeFromTheRest(t *testing.T) {
	for path, counts := range map[string]bool{
		"worker.php": true, "templates/a.twig": true, ".env": true, ".env.local": true, "composer.lock": true,
		"vendor/composer/installed.php": true,
		"vendor/autoload.php":           true, "src/cache/A.php": true, "bootstrap/app.php": true,
		"bootstrap/cache/a.php": false, "vendor/composer/sub/a.php": false, ".idea/a.xml": false,
		"a/.svn/b.php": false, "#worker.php": false, ".#worker.php": false,
		"worker.php~": false, "upload.jpg": false, "cache/a.php": false,
	} {
		var f Filter
		if got := f.file(path) && f.folder(filepath.Dir(path)); got != counts {
			t.Errorf("%s: %v", path, got)
		}
	}
	f := Filter{Go: true}
	for path, counts := range map[string]bool{"main.go": true, "cache/a.go": true, "storage/b.go": true,
		"a_test.go": false, "vendor/x/a.go": false, "go.mod": true} {
		if got := f.file(path) && f.folder(filepath.Dir(path)); got != counts {
			t.Errorf("Go: %s: %v", path, got)
		}
	}
}

func TestRootsInsideOneAnotherAreWatchedOnce(t *testing.T) {
	a := t.TempDir()
	if err := os.MkdirAll(filepath.Join(a, "x", "y"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := rootsOf([]string{filepath.Join(a, "x", "y"), a, filepath.Join(a, "x")}); len(got) != 1 ||
		!strings.HasSuffix(got[0], filepath.Base(a)) {
		t.Errorf("%q", got)
	}
}
