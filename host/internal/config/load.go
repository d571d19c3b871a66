// load.go reads a file and checks everything in it that can be checked without the flags.

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Load reads the file at path. An empty path means host.toml in the working directory if there is one, and Default
// otherwise. env looks a variable up; os.LookupEnv is the usual one. The error is a Problems where the file could be
// read: every mistake in it, with its line.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return Default()
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Problem{Path: path, Text: "there is no such file: name one with -c FILE, or leave -c out"}
	}
	if err != nil {
		return nil, fmt.Errorf("can't read the configuration: %w", err)
	}
	return Parse(path, data, env)
}

// find turns an empty path into host.toml where that exists.
func find(path string) (string, error) {
	if path != "" {
		return path, nil
	}
	_, err := os.Lstat(FileName)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return FileName, err
}

// Parse is Load for bytes already read. path names the file in messages, and its folder is where relative paths start.
func Parse(path string, data []byte, env func(string) (string, bool)) (*Config, error) {
	document, err := parseDocument(path, data)
	if err != nil {
		return nil, err
	}
	c, err := Default()
	if err != nil {
		return nil, err
	}
	c.Path, c.Folder = path, filepath.Dir(absolute(c.Folder, path))
	c.lines = findLines(trimMark(data))
	d := &decoder{path: path, env: env, lines: c.lines, failed: map[string]bool{}}
	d.table("", document, c)
	c.check(d.fail)
	if len(c.Pools) > 0 {
		c.link(d.fail)
	}
	if err := d.problems.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// parseDocument reads TOML. Nothing can be said of the keys of a document with a syntax error, so that stands alone.
func parseDocument(path string, data []byte) (map[string]any, error) {
	var document map[string]any
	err := toml.Unmarshal(trimMark(data), &document)
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, _ := wrong.Position()
		return nil, Problems{{Path: path, Line: line, Text: "not TOML: " + strings.TrimPrefix(wrong.Error(), "toml: ")}}
	}
	if err != nil {
		return nil, Problems{{Path: path, Text: "not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}}
	}
	return document, nil
}

// trimMark drops the byte-order mark that some editors put first.
func trimMark(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }
