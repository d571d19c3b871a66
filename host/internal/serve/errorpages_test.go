package serve

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAReloadReadsPagesForErrorsAnew(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const file = `
[http]
error_pages = { 404 = "lost.html", 5xx = "five.txt" }
[[listen]]
address = "127.0.0.1:9001"
[[route]]
path = "/shop/*"
pool = "app"
error_pages = { 502 = "shop.html" }
intercept_errors = true
[pool.app]
worker = "worker.php"
`
	write("worker.php", "")
	write("lost.html", "lost")
	write("five.txt", "five")
	write("shop.html", "shop")
	now := runningWith(read(t, dir, file))
	write("shop.html", "shop, again")
	p := makePlan(now, read(t, dir, file))
	var told []string
	for _, c := range p.http {
		told = append(told, c.text())
	}
	if want := []string{"error page " + filepath.Join(dir, "shop.html") + " changed"}; !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
	all, shop := errorPages(p.config, nil), errorPages(p.config, p.config.Routes[0])
	if all.Intercept || len(all.Pages) != 2 || string(all.Pages[5].Body) != "five" ||
		all.Pages[5].Type != "text/plain; charset=utf-8" {
		t.Errorf("%+v", all)
	}
	if !shop.Intercept || len(shop.Pages) != 3 || string(shop.Pages[502].Body) != "shop, again" ||
		string(shop.Pages[404].Body) != "lost" {
		t.Errorf("%+v", shop)
	}
}
