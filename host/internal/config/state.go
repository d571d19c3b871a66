// state.go decides where the host keeps what outlives it, and makes that folder once something needs it.

package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// defaultState is the folder of this machine and user; "" where there is none. It only looks.
func defaultState(env func(string) (string, bool)) string {
	absolutely := func(variable string) string {
		path, _ := env(variable)
		if first, _, _ := strings.Cut(path, string(os.PathListSeparator)); filepath.IsAbs(first) {
			return filepath.Clean(first)
		}
		return ""
	}
	if service := absolutely("STATE_DIRECTORY"); service != "" { // of systemd; the unit may name several
		return service
	}
	if info, err := os.Stat(systemState); err == nil && info.IsDir() && usable(systemState) ||
		errors.Is(err, fs.ErrNotExist) && usable(filepath.Dir(systemState)) {
		return systemState
	}
	if own := absolutely("XDG_STATE_HOME"); own != "" {
		return filepath.Join(own, "host")
	}
	if home := absolutely("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "host")
	}
	if own, err := os.UserCacheDir(); err == nil && systemState == "" { // where there is no such thing
		return filepath.Join(own, "host")
	}
	return ""
}

// journals is the folder of the journals in State: hosts of one user share it.
const journals = "journal"

// JournalPath is where the host keeps the journal of what went live, once PrepareJournal has made the folder. Its name
// is that of the control socket, which no other host has.
func (c *Config) JournalPath() string { return journalPath(c.State, c.Control) }

// PrepareJournal makes the folder of JournalPath.
func (c *Config) PrepareJournal() error {
	_, err := c.StateFolder(journals)
	return err
}

// FindJournal is JournalPath for those who ask in the host's absence, by its control socket and its file, which may be
// empty.
func FindJournal(control, configPath string, env func(string) (string, bool)) (string, error) {
	c, err := Load(configPath, env)
	if err != nil {
		return "", err
	}
	return journalPath(cmp.Or(c.State, defaultState(env)), control), nil
}

func journalPath(state, control string) string {
	name, isDefault := strings.CutSuffix(filepath.Base(control), socketSuffix)
	if !isDefault || !strings.HasPrefix(name, socketPrefix) {
		name = pathName(control)
	}
	return filepath.Join(state, journals, name+".jsonl")
}

// MaintenancePath is where the host keeps that it is under maintenance, in a folder of State that StateFolder makes.
func (c *Config) MaintenancePath() string {
	return filepath.Join(c.State, "maintenance", strings.TrimSuffix(filepath.Base(c.JournalPath()), ".jsonl")+".json")
}

// StateFolder is the folder of that name in State, which it makes, mode 0700. The error says what to do about it.
func (c *Config) StateFolder(name string) (string, error) {
	if c.State == "" {
		return "", fmt.Errorf("no place to keep %s in: there is no $HOME: write state = \"FOLDER\" at the top of %s",
			name, FileName)
	}
	if err := os.MkdirAll(filepath.Dir(c.State), 0o755); err != nil {
		return "", fmt.Errorf("can't keep %s: %w: %s", name, err, stateRemedy)
	}
	if err := os.Mkdir(c.State, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("can't keep %s: %w: %s", name, err, stateRemedy)
	}
	return c.privateFolder(filepath.Join(c.State, name), name)
}

const stateRemedy = "let this user write there, or name another folder with state = \"FOLDER\""

// privateFolder makes the folder, mode 0700, in one that is there, and sees that it is this user's alone.
func (c *Config) privateFolder(folder, name string) (string, error) {
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("can't keep %s: %w: %s", name, err, stateRemedy)
	}
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		return "", fmt.Errorf("can't keep %s: %w: %s", name, err, stateRemedy)
	case !info.IsDir() || !ownedByUs(info):
		return "", fmt.Errorf("can't keep %s: %s is not a folder of this user: %s", name, folder, stateRemedy)
	case !privateMode(info):
		return "", fmt.Errorf("can't keep %s: %s is open to other users (mode %04o): chmod 700 it", name, folder,
			info.Mode().Perm())
	}
	return folder, nil
}
