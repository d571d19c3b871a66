package ecosystem

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/workerhost/workerhost/host/internal/e2e/nethttp"
)

func chiProgram() http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.RequestID, middleware.RealIP, middleware.Recoverer, middleware.StripSlashes, middleware.GetHead,
		middleware.Timeout(time.Minute), middleware.Compress(5), middleware.Heartbeat("/ping"))
	r.Get("/users/{id:[0-9]+}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "user", chi.URLParam(r, "id"), chi.RouteContext(r.Context()).RoutePattern())
	})
	r.Route("/api", func(r chi.Router) {
		r.Use(middleware.AllowContentType("application/json"), middleware.NoCache)
		r.With(middleware.SetHeader("X-With", "1")).Post("/items", func(w http.ResponseWriter, r *http.Request) {
			var text [100]byte
			n, _ := r.Body.Read(text[:])
			w.Header().Set("Location", "/api/items/1")
			w.WriteHeader(http.StatusCreated)
			w.Write(text[:n])
		})
		r.With(middleware.BasicAuth("there", map[string]string{"ada": "secret"})).Get("/secret", hello)
	})
	r.With(middleware.ThrottleBacklog(1, 1, time.Second)).Get("/throttled", hello)
	r.Get("/files/*", http.StripPrefix("/files", http.FileServerFS(tree)).ServeHTTP)
	r.Get("/wrapped", func(w http.ResponseWriter, r *http.Request) {
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		ww.WriteHeader(http.StatusTeapot)
		ww.Write([]byte("short and stout"))
		fmt.Fprint(ww, ww.Status(), ww.BytesWritten())
	})
	r.Get("/panic", func(http.ResponseWriter, *http.Request) { panic(errors.New("no")) })
	r.Get("/stream", func(w http.ResponseWriter, r *http.Request) {
		for n := range 3 {
			fmt.Fprintln(w, "piece", n)
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
		}
	})
	return r
}

func TestAProgramOfChiIsTheSameBehindTheHost(t *testing.T) {
	nethttp.Compare(t, chiProgram,
		nethttp.Question{Name: "parameter", Request: get("/users/7")},
		nethttp.Question{Name: "no match", Request: get("/users/x")},
		nethttp.Question{Name: "other method", Request: request("DELETE", "/users/7", "")},
		nethttp.Question{Name: "HEAD by GET", Request: request("HEAD", "/users/7", "")},
		nethttp.Question{Name: "slash at the end", Request: get("/users/7/")},
		nethttp.Question{Name: "heartbeat", Request: get("/ping")},
		nethttp.Question{Name: "created", Request: request("POST", "/api/items", `{"a":1}`, json)},
		nethttp.Question{Name: "other type", Request: request("POST", "/api/items", "a=1", form),
			Differs: "End of the connection"},
		nethttp.Question{Name: "password missing", Request: get("/api/secret")},
		nethttp.Question{Name: "password", Request: get("/api/secret", "Authorization: Basic YWRhOnNlY3JldA==")},
		nethttp.Question{Name: "throttled", Request: get("/throttled")},
		nethttp.Question{Name: "gzip", Request: get("/files/large.txt", "Accept-Encoding: gzip"), Differs: "Framing"},
		nethttp.Question{Name: "file", Request: get("/files/large.txt")},
		nethttp.Question{Name: "range", Request: get("/files/large.txt", "Range: bytes=10-19")},
		nethttp.Question{Name: "folder", Request: get("/files/")},
		nethttp.Question{Name: "wrapped writer", Request: get("/wrapped")},
		nethttp.Question{Name: "recovered", Request: get("/panic")},
		nethttp.Question{Name: "stream", Request: get("/stream"), Differs: "Framing"},
	)
}
