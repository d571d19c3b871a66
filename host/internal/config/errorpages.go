// errorpages.go reads the pages that stand in for answers of errors.

package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// ErrorPages are files by statuses, such as "404", or "5xx" for all that begin so.
type ErrorPages map[string]string

// ErrorPage is one of them, as it was when the file was read.
type ErrorPage struct {
	Type string // of its content
	Body []byte
}

var statuses = regexp.MustCompile(`^[45]([0-9][0-9]|xx)$`)

// mostOfPage bounds what stays in memory of each page.
const mostOfPage = 1 << 20

// check reads the files, whose names become absolute.
func (p ErrorPages) check(c *Config, at string, fail fail) {
	for _, status := range slices.Sorted(maps.Keys(p)) {
		key := at + "." + status
		if !statuses.MatchString(status) {
			fail(key, "expected a status from 400 to 599, or 4xx or 5xx for all that begin so, found %s",
				describe(status))
			continue
		}
		p[status] = absolute(c.Folder, p[status])
		page, err := readPage(p[status])
		if err != nil {
			fail(key, "can't read the page: %v", unreadable(p[status], err))
			continue
		}
		if c.ErrorFiles == nil {
			c.ErrorFiles = map[string]ErrorPage{}
		}
		c.ErrorFiles[p[status]] = page
	}
}

func readPage(path string) (page ErrorPage, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return page, err
	case !info.Mode().IsRegular():
		return page, fmt.Errorf("%s is no regular file: name one", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return page, err
	}
	defer f.Close()
	if page.Body, err = io.ReadAll(io.LimitReader(f, mostOfPage+1)); err != nil {
		return page, err
	}
	if len(page.Body) > mostOfPage {
		return page, fmt.Errorf("%s has more than 1 MiB, which would stay in memory: name a smaller file", path)
	}
	if page.Type = mime.TypeByExtension(filepath.Ext(path)); page.Type == "" {
		return page, errors.New("its name says nothing of what it holds: call it NAME.html, NAME.txt or NAME.json")
	}
	return page, nil
}
