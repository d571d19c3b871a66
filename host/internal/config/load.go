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
// otherwise. env looks a variable up; os.LookupEnv is the usual one. The error is a Problems, every
// mistake with its line, unless this user may not read the file.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return Default()
	}
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data, env)
}

// read gives what is in a configuration file. The error is a Problems, unless this user may not read it.
func read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		return data, nil
	}
	why := err
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		why = at.Err // the path comes before it
	}
	text := fmt.Sprintf("it can't be read: %v: mend that, or name another file with -c FILE", why)
	switch info, e := os.Stat(path); {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("can't read the configuration: %w: chmod it, or run this as a user who may", err)
	case errors.Is(err, fs.ErrNotExist):
		text = cmp.Or(dangling(path), "there is no such file: name one with -c FILE, or leave -c out")
	case e == nil && info.IsDir():
		text = fmt.Sprintf("it is a folder: name the file, as in -c %s", filepath.Join(path, FileName))
	}
	return nil, Problems{{Path: path, Text: text}}
}

// FileFor is the configuration file that path means, that of -c: without one, the host.toml of a WORKER that is a
// folder, unless the working directory has another one. "" is that of the working directory, if there is one.
func FileFor(path, worker string) string {
	own := fileIn(worker)
	if _, err := os.Lstat(FileName); path != "" || own == "" || err == nil {
		return path
	}
	return own
}

// fileIn is the configuration file in a folder that is given as WORKER; "" if there is none.
func fileIn(worker string) string {
	if worker == "" {
		return ""
	}
	file := filepath.Join(worker, FileName)
	if info, err := os.Stat(file); err != nil || info.IsDir() {
		return ""
	}
	return file
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	two, other := os.Stat(b)
	return err == nil && other == nil && os.SameFile(one, two)
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
	c.Tracing.complete(env, d.fail)
	c.check(d.fail)
	if len(c.Pools) > 0 {
		c.link(d.fail)
	}
	if err := d.problems.err(); err != nil {
		return nil, err
	}
	return c, nil
}
