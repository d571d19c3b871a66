package listen

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/host/internal/web"
)

// openSesame is its hash.
const openSesame = "$2a$04$0Xeq.kb0ZZzvwX9CD1VBFe2YX.Bw8VWxL3HRnOtgcOe2LjM./yjHu"

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestAGuardedRouteAsksForAPasswordHoweverItsPathIsSpelled(t *testing.T) {
	paths := []string{"/admin/*", "/sub/admin/*", "/wp-login.php", "/tool/index.php"}
	admin := site{Rule: route.Rule{Paths: paths}, Route: web.Route{Name: "admin"}}
	admin.Auth = &web.Auth{Users: guard.NewPasswords(map[string]string{"ada": openSesame}), Realm: "Staff"}
	health := site{Rule: route.Rule{Paths: []string{"/admin/health"}}, Route: web.Route{Name: "health"}}
	form := site{Rule: route.Rule{Paths: []string{"/form"}, Methods: []string{"POST"}},
		Route: web.Route{Name: "form", Auth: admin.Auth}}
	everyWay(t, func(o *Options) { routed(t, &o.Terms.Terms, admin, health, form) }, func(t *testing.T, h *house) {
		good := basic("ada", "open sesame")
		for _, target := range []string{"/admin", "/admin/", "/admin/x?y", "/%61dmin", "//admin", "/x/../admin",
			"/admin%2f..", "/admin%2Fx", "/x%2f../admin", "/x%2f..%2fadmin", "/.%2fadmin", "/admin/health%2f..%2fx",
			"//x/admin", "//x:80/admin/y", "/wp-login.php", "/wp-login.php/", "/wp-login.php/x",
			"/sub/index.php/admin/x", "/sub/admin", "/tool/", "/tool/index.php", "/tool", "/index.php/admin",
			"/x/index.php//admin/y", "/index.php%2fadmin", "/admin/health/x"} {
			for _, method := range []string{"GET", "POST", "HEAD"} {
				status, _, header := h.to("a.test", method, target)
				if want := `Basic realm="Staff", charset="UTF-8"`; status != 401 || header.Get("Www-Authenticate") != want {
					t.Errorf("%s %s: %d, %s", method, target, status, header)
				}
			}
			if status, body, _ := h.to("a.test", "GET", target, "Authorization", good); status != 200 {
				t.Errorf("%s with the password: %d %s", target, status, body)
			}
		}
		// few of them, since each costs a hash
		for _, wrong := range []string{basic("ada", "open"), basic("bob", "open sesame"), "Basic x", "Bearer x"} {
			if status, _, _ := h.to("a.test", "GET", "/admin%2fx", "Authorization", wrong); status != 401 {
				t.Errorf("with %s: %d", wrong, status)
			}
		}
		if status, body, _ := h.to("a.test", "POST", "/admin", "Authorization", good); status != 200 ||
			!strings.HasSuffix(body, "5") {
			t.Errorf("a body: %d %s", status, body)
		}
		for _, target := range []string{"/", "/admin/health", "/Admin", "/administration", "/x/admin", "/x.php",
			"/tools", "/wp-login.phpx"} {
			if status, body, _ := h.to("a.test", "GET", target); status != 200 {
				t.Errorf("%s: %d %s", target, status, body)
			}
		}
		for method, want := range map[string]int{"GET": 200, "POST": 401, "post": 401} {
			if status, _, _ := h.to("a.test", method, "/form"); status != want {
				t.Errorf("%s of a form: %d", method, status)
			}
		}
		if n := h.Refused()["password"]; n != 26*3+4+2 {
			t.Error(fmt.Sprint(n, " were refused"))
		}
	})
}
