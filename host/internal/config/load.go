// load.go reads a file and checks everything in it that can be checked without the flags.

package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
		return nil, &Problem{Path: path, Text: cmp.Or(dangling(path), "there is no such file: name one with -c "+
			"FILE, or leave -c out")}
	}
	if info, e := os.Stat(path); e == nil && info.IsDir() {
		return nil, &Problem{Path: path, Text: fmt.Sprintf("it is a folder: name the file, as in -c %s", filepath.Join(path, FileName))}
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
