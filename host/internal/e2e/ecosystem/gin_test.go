package ecosystem

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/workerhost/workerhost/host/internal/e2e/nethttp"
)

func ginProgram() http.Handler {
	gin.SetMode(gin.TestMode)
	r := gin.New()
	r.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(500) }))
	r.GET("/users/:id", func(c *gin.Context) {
		c.String(200, "%s of %s, %s", c.Param("id"), c.ClientIP(), c.FullPath())
	})
	r.GET("/json", func(c *gin.Context) { c.IndentedJSON(200, gin.H{"text": "<é>", "n": 1}) })
	r.POST("/bind", func(c *gin.Context) {
		var v struct {
			Name string `json:"name" form:"name" binding:"required"`
		}
		if err := c.ShouldBind(&v); err != nil {
			c.AbortWithStatusJSON(400, gin.H{"error": err.Error()})
			return
		}
		c.JSON(201, v)
	})
	r.POST("/upload", func(c *gin.Context) {
		f, err := c.FormFile("f")
		if err != nil {
			c.AbortWithError(400, err)
			return
		}
		c.String(200, "%s %d %s", f.Filename, f.Size, c.PostForm("a"))
	})
	r.GET("/stream", func(c *gin.Context) {
		n := 0
		c.Stream(func(w io.Writer) bool {
			n++
			fmt.Fprintln(w, "piece", n)
			return n < 3
		})
	})
	r.GET("/events", func(c *gin.Context) {
		for n := range 3 {
			c.SSEvent("tick", n)
			c.Writer.Flush()
		}
	})
	r.GET("/cookie", func(c *gin.Context) {
		before, _ := c.Cookie("seen")
		c.SetCookie("seen", "yes", 3600, "/", "", true, true)
		c.String(200, "%q", before)
	})
	r.GET("/redirect", func(c *gin.Context) { c.Redirect(302, "/json") })
	r.GET("/reader", func(c *gin.Context) {
		c.DataFromReader(200, 7, "text/x", http.NoBody, map[string]string{"X-A": "1"})
	})
	r.GET("/none", func(c *gin.Context) { c.Status(204) })
	r.GET("/panic", func(*gin.Context) { panic("no") })
	r.StaticFS("/files", http.FS(tree))
	return r
}

func TestAProgramOfGinIsTheSameBehindTheHost(t *testing.T) {
	nethttp.Compare(t, ginProgram,
		nethttp.Question{Name: "parameter", Request: get("/users/7")},
		nethttp.Question{Name: "no match", Request: get("/none/such")},
		nethttp.Question{Name: "slash at the end", Request: get("/json/")},
		nethttp.Question{Name: "JSON", Request: get("/json")},
		nethttp.Question{Name: "bound JSON", Request: request("POST", "/bind", `{"name":"ada"}`, json)},
		nethttp.Question{Name: "bound form", Request: request("POST", "/bind", "name=ada", form)},
		nethttp.Question{Name: "bound in vain", Request: request("POST", "/bind", "{}", json)},
		nethttp.Question{Name: "upload", Request: request("POST", "/upload", multipart, multipartType)},
		nethttp.Question{Name: "stream", Request: get("/stream"), Differs: "Framing"},
		nethttp.Question{Name: "events", Request: get("/events"), Differs: "Framing"},
		nethttp.Question{Name: "cookie", Request: get("/cookie")},
		nethttp.Question{Name: "cookie that comes back", Request: get("/cookie", "Cookie: {cookie}")},
		nethttp.Question{Name: "redirect", Request: get("/redirect")},
		nethttp.Question{Name: "too short a reader", Request: get("/reader"), Differs: "Broken responses"},
		nethttp.Question{Name: "no content", Request: get("/none")},
		nethttp.Question{Name: "recovered", Request: get("/panic")},
		nethttp.Question{Name: "file", Request: get("/files/large.txt")},
		nethttp.Question{Name: "range", Request: get("/files/large.txt", "Range: bytes=-5")},
	)
}
