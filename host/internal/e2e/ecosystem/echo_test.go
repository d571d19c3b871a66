package ecosystem

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"github.com/workerhost/workerhost/host/internal/e2e/nethttp"
)

func echoProgram() http.Handler {
	e := echo.New()
	e.Logger = slog.New(slog.DiscardHandler)
	e.Use(middleware.Recover(), middleware.BodyLimit(1000), middleware.Secure())
	e.Use(middleware.CORS("https://example.org"))
	e.GET("/users/:id", func(c *echo.Context) error { return c.String(200, c.Param("id")+" of "+c.RealIP()) })
	e.GET("/json", func(c *echo.Context) error { return c.JSONPretty(200, map[string]any{"text": "<é>"}, " ") })
	e.POST("/bind", func(c *echo.Context) error {
		var v struct {
			Name string `json:"name" form:"name"`
		}
		if err := c.Bind(&v); err != nil {
			return err
		}
		return c.JSON(201, v)
	})
	e.POST("/upload", func(c *echo.Context) error {
		f, err := c.FormFile("f")
		if err != nil {
			return err
		}
		return c.String(200, fmt.Sprint(f.Filename, f.Size, c.FormValue("a")))
	})
	e.GET("/stream", func(c *echo.Context) error {
		for n := range 3 {
			fmt.Fprintln(c.Response(), "piece", n)
			if err := http.NewResponseController(c.Response()).Flush(); err != nil {
				return err
			}
		}
		return nil
	})
	e.GET("/gzip", func(c *echo.Context) error { return c.String(200, large) }, middleware.Gzip())
	e.GET("/cookie", func(c *echo.Context) error {
		c.SetCookie(&http.Cookie{Name: "seen", Value: "yes", SameSite: http.SameSiteLaxMode})
		return c.NoContent(204)
	})
	e.GET("/error", func(*echo.Context) error { return errors.New("not told") })
	e.GET("/refused", func(*echo.Context) error { return echo.NewHTTPError(402, "pay") })
	e.GET("/panic", func(*echo.Context) error { panic("no") })
	e.POST("/body", func(c *echo.Context) error {
		text, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		return c.Blob(200, "text/x", text)
	})
	e.StaticFS("/files", tree)
	return e
}

func TestAProgramOfEchoIsTheSameBehindTheHost(t *testing.T) {
	nethttp.Compare(t, echoProgram,
		nethttp.Question{Name: "parameter", Request: get("/users/7")},
		nethttp.Question{Name: "no match", Request: get("/none/such")},
		nethttp.Question{Name: "other method", Request: request("PUT", "/json", "")},
		nethttp.Question{Name: "preflight", Request: request("OPTIONS", "/json", "", "Origin: https://example.org",
			"Access-Control-Request-Method: GET")},
		nethttp.Question{Name: "JSON", Request: get("/json", "Origin: https://example.org")},
		nethttp.Question{Name: "bound JSON", Request: request("POST", "/bind", `{"name":"ada"}`, json)},
		nethttp.Question{Name: "bound form", Request: request("POST", "/bind", "name=ada", form)},
		nethttp.Question{Name: "bound in vain", Request: request("POST", "/bind", "{", json)},
		nethttp.Question{Name: "upload", Request: request("POST", "/upload", multipart, multipartType)},
		nethttp.Question{Name: "body", Request: request("POST", "/body", "content")},
		nethttp.Question{Name: "too large a body", Request: request("POST", "/body", large),
			Differs: "End of the connection"},
		nethttp.Question{Name: "stream", Request: get("/stream"), Differs: "Framing"},
		nethttp.Question{Name: "gzip", Request: get("/gzip", "Accept-Encoding: gzip"), Differs: "Framing"},
		nethttp.Question{Name: "cookie", Request: get("/cookie")},
		nethttp.Question{Name: "error", Request: get("/error")},
		nethttp.Question{Name: "error with a status", Request: get("/refused")},
		nethttp.Question{Name: "recovered", Request: get("/panic")},
		nethttp.Question{Name: "file", Request: get("/files/large.txt")},
		nethttp.Question{Name: "range", Request: get("/files/large.txt", "Range: bytes=0-4")},
	)
}
