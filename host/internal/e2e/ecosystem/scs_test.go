package ecosystem

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/workerhost/workerhost/host/internal/e2e/nethttp"
)

func scsProgram() http.Handler {
	sessions := scs.New()
	sessions.Cookie.Persist = false // its time would be another one for each server
	mux := http.NewServeMux()
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n := sessions.GetInt(r.Context(), "n") + 1
		sessions.Put(r.Context(), "n", n)
		fmt.Fprintln(w, n)
	})
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.RenewToken(r.Context()); err != nil {
			panic(err)
		}
		sessions.Put(r.Context(), "user", "ada")
		http.Redirect(w, r, "/who", http.StatusSeeOther)
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, sessions.GetString(r.Context(), "user"))
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.Destroy(r.Context()); err != nil {
			panic(err)
		}
	})
	return sessions.LoadAndSave(mux)
}

func TestSessionsOfScsAreTheSameBehindTheHost(t *testing.T) {
	with := "Cookie: {cookie}"
	nethttp.Compare(t, scsProgram,
		nethttp.Question{Name: "none yet", Request: get("/who")},
		nethttp.Question{Name: "begun", Request: get("/count")},
		nethttp.Question{Name: "gone on", Request: get("/count", with)},
		nethttp.Question{Name: "login", Request: request("POST", "/login", "", with, "Content-Length: 0")},
		nethttp.Question{Name: "who", Request: get("/who", with)},
		nethttp.Question{Name: "what was there before", Request: get("/count", with)},
		nethttp.Question{Name: "logout", Request: get("/logout", with)},
		nethttp.Question{Name: "nobody", Request: get("/who", with)},
	)
}
