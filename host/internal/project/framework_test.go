package project

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheWarmUpNamesARouteThatIsThere(t *testing.T) {
	for _, c := range []struct{ requires, file, text, want string }{
		{"laravel/framework", "bootstrap/app.php", "->withRouting(\n        health: '/up',\n    )", "/up"},
		{"laravel/octane", "bootstrap/app.php", `->withRouting(health: "alive")`, "/alive"},
		{"laravel/framework", "bootstrap/app.php", "->withRouting(web: 'web.php')", ""},
		{"laravel/octane", "routes/web.php", "Route::get('/', fn () => 1);", "/"},
		{"laravel/framework", "routes/web.php", "Route::view('/', 'welcome');", "/"},
		{"laravel/framework", "routes/web.php", "// Route::get('/', fn () => 1);", ""},
		{"laravel/framework", "routes/web.php", "Route::post('/', fn () => 1); Route::get('/a', fn () => 1);", ""},
		{"laravel/framework", "routes/api.php", "Route::get('/', fn () => 1);", ""}, // that is /api
		{"symfony/framework-bundle", "src/Controller/Home.php", "    #[Route('/', name: 'home')]", "/"},
		{"symfony/framework-bundle", "src/Controller/Admin/Home.php", "    #[Route(path: \"/\")]", "/"},
		{"symfony/framework-bundle", "src/Controller/Home.php", "    #[Route('/blog')]", ""},
		{"symfony/framework-bundle", "config/routes.yaml", "home:\n    path: /\n    controller: App\\Home\n", "/"},
		{"symfony/framework-bundle", "config/routes.yaml", "controllers:\n    path: ../src/Controller/\n", ""},
		{"slim/slim", "app.php", "$app->get('/', Home::class);", "/"},
		{"slim/slim", "app/routes.php", "$app->map(['GET', 'POST'], '/', Home::class);", "/"},
		{"mezzio/mezzio", "config/routes.php", "    $app->get('/', Home::class, 'home');", "/"},
		{"mezzio/mezzio", "config/routes.php", " * $app->get('/', Home::class, 'home');", ""},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"composer.json": `{"require": {"` + c.requires + `": "*"}}`, c.file: c.text,
		} {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		p, err := inspectProject(dir)
		if err != nil || p.warmup != c.want {
			t.Errorf("%s, %s with %s: got %q, %v, want %q", c.requires, c.file, c.text, p.warmup, err, c.want)
		}
	}
}
