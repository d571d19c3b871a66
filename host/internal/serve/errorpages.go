// errorpages.go: what the configuration says of pages for errors, as listeners have it.

package serve

import (
	"bytes"
	"maps"
	"slices"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/web"
)

// errorPages are those of [http], and of a route in front of them, which may be nil; nil if there are none.
func errorPages(c *config.Config, r *config.Route) *web.ErrorPages {
	made := &web.ErrorPages{Pages: map[int]*web.ErrorPage{}, Intercept: c.HTTP.InterceptErrors}
	lists := []config.ErrorPages{c.HTTP.ErrorPages}
	if r != nil {
		if lists = append(lists, r.ErrorPages); r.Intercept != nil {
			made.Intercept = *r.Intercept
		}
	}
	for _, list := range lists {
		for status, file := range list {
			page := web.ErrorPage(c.ErrorFiles[file])
			made.Pages[statusOf(status)] = &page
		}
	}
	if len(made.Pages) == 0 {
		return nil
	}
	return made
}

// statusOf is 404 for "404", and 4 for "4xx".
func statusOf(text string) (status int) {
	for _, digit := range text {
		if digit != 'x' {
			status = 10*status + int(digit-'0')
		}
	}
	return status
}

// planErrorPages finds those whose files have changed under the same names.
func (p *plan) planErrorPages(now *config.Config) {
	files := map[string]bool{}
	for _, list := range append([]config.ErrorPages{p.config.HTTP.ErrorPages}, routePages(p.config)...) {
		for _, file := range list {
			files[file] = true
		}
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		before, after := now.ErrorFiles[file], p.config.ErrorFiles[file]
		if before.Type != "" && !bytes.Equal(before.Body, after.Body) {
			p.http = append(p.http, change{table: "error page " + file, live: true}.whole("changed"))
		}
	}
}

func routePages(c *config.Config) (all []config.ErrorPages) {
	for _, r := range c.Routes {
		all = append(all, r.ErrorPages)
	}
	return all
}
