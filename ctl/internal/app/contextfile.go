package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sockgate/sockgate/ctl/internal/fileedit"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

// MaxContextFile bounds the file of contexts, which is read whole.
const MaxContextFile = 1 << 20

// Contexts are the contents of the file of contexts.
type Contexts struct {
	Current  string         `yaml:"current,omitempty"` // the name of the one that is used; empty: none
	Contexts []NamedContext `yaml:"contexts"`          // in the order of their names
}

// NamedContext is a way to reach one gateway, with a name for it.
type NamedContext struct {
	Name   string `yaml:"name" json:"name"`
	Access `yaml:",inline"`
}

// Find returns the context of that name; nil if there is none.
func (c *Contexts) Find(name string) *NamedContext {
	i := slices.IndexFunc(c.Contexts, func(n NamedContext) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Contexts[i]
}

// names returns the names of all contexts.
func (c *Contexts) names() []string {
	var names []string
	for _, n := range c.Contexts {
		names = append(names, n.Name)
	}
	return names
}

// contextsPath is the file's name; empty where the system knows no directory for it.
func (a *App) contextsPath() string {
	if path := a.Env.Getenv("SOCKGATE_CONTEXTS"); path != "" {
		return path
	}
	if a.Env.ConfigDir == nil {
		return ""
	}
	dir, err := a.Env.ConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "sockgate", "contexts.yaml")
}

// ReadContexts reads the file; one that does not exist has no contexts. A file that others can write is refused, as ssh
// refuses such a configuration: their change could send a token to another gateway.
func (a *App) ReadContexts() (*Contexts, error) {
	path := a.contextsPath()
	if path == "" {
		return &Contexts{}, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Contexts{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the contexts cannot be read: %w", err)
	}
	defer f.Close()
	if err := checkContextMode(f); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxContextFile+1))
	if err != nil {
		return nil, fmt.Errorf("the contexts cannot be read: %w", err)
	}
	c, err := parseContexts(data)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged (%w); mend it, or move it away and add the contexts again", path, err)
	}
	return c, nil
}

// checkContextMode refuses a file that others could have changed.
func checkContextMode(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("the contexts cannot be read: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be changed by others than its owner (mode %04o), so that it is not used; look into it, "+
			"then chmod 600 it",
			f.Name(), info.Mode().Perm())
	}
	return nil
}

// parseContexts reads the file's contents. An unknown field is an error: writing the file again would lose it.
func parseContexts(data []byte) (*Contexts, error) {
	if len(data) > MaxContextFile {
		return nil, fmt.Errorf("it has more than %s", units.HumanBytes(MaxContextFile))
	}
	var c Contexts
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for i, n := range c.Contexts {
		if !ContextName().MatchString(n.Name) {
			return nil, fmt.Errorf("%.100q is not the name of a context", n.Name)
		}
		if c.Find(n.Name) != &c.Contexts[i] {
			return nil, fmt.Errorf("there are two contexts of the name %q", n.Name)
		}
		if err := checkGateway(n.Gateway); err != nil {
			return nil, fmt.Errorf("context %q: %v", n.Name, err) //nolint:errorlint // a wrong file is not wrong usage
		}
	}
	if c.Current != "" && c.Find(c.Current) == nil {
		return nil, fmt.Errorf("the current context %.100q is not among them", c.Current)
	}
	return &c, nil
}

// ContextName matches the names that a context can have.
func ContextName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`) }

// ChangeContexts reads the file, lets change work on the contexts, and writes the file again, unless change fails.
func (a *App) ChangeContexts(change func(*Contexts) error) error {
	path := a.contextsPath()
	if path == "" {
		return errors.New("the system names no directory for the contexts (XDG_CONFIG_HOME, HOME); name a file with " +
			"SOCKGATE_CONTEXTS")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("the contexts cannot be written: %w", err)
	}
	edit, err := fileedit.Begin(path)
	if err != nil {
		return err
	}
	defer edit.Abandon()
	c, err := a.ReadContexts()
	if err != nil {
		return err
	}
	if err := change(c); err != nil {
		return err
	}
	slices.SortFunc(c.Contexts, func(x, y NamedContext) int { return strings.Compare(x.Name, y.Name) })
	var b bytes.Buffer
	b.WriteString("# The contexts of ctl; ctl context changes them. No secret is in here, only the names of files.\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(c); err != nil {
		return err
	}
	return edit.Commit(b.Bytes(), 0o600)
}
