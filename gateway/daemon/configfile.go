package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Bounds of a configuration file. Reading it takes time in proportion to its size.
const (
	maxConfig = 1 << 20 // bytes
	maxValues = 10_000  // of one list
)

// configFile reads the settings in a YAML file: one map of values and lists of values. It looks at the tree of nodes
// first, because decoding a map with duplicate keys takes time, and makes an error, for each pair of them.
type configFile struct {
	flags  *pflag.FlagSet
	values map[string]any
	lines  map[string]int     // by key
	read   map[*yaml.Node]any // an anchor may stand for a long text, and have many aliases
}

// unknownKeyError says that a key of the file is no setting.
type unknownKeyError struct {
	line int
	key  string
}

// Error returns the line and the key.
func (e *unknownKeyError) Error() string {
	return fmt.Sprintf("line %d: unknown key %.100q", e.line, e.key)
}

// parseYAML returns the values of a file, by key. The error names the line.
func parseYAML(f *pflag.FlagSet, text []byte) (map[string]any, error) {
	if line := directive(text); line > 0 {
		return nil, fmt.Errorf("line %d: a YAML directive; expected settings only", line)
	}
	root, err := oneDocument(text)
	if err != nil || root == nil {
		return nil, err
	}
	c := configFile{flags: f, values: make(map[string]any), lines: make(map[string]int), read: make(map[*yaml.Node]any)}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: no key", root.Line)
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if err := c.add(root.Content[i], root.Content[i+1]); err != nil {
			return nil, err
		}
	}
	return c.values, nil
}

// directive returns the line of the first YAML directive, or 0. Reading directives takes time for each pair of them.
func directive(text []byte) int {
	for number, line := 0, []byte(nil); len(text) > 0; {
		line, text, _ = bytes.Cut(text, []byte("\n"))
		number++
		if bytes.HasPrefix(line, []byte("%")) {
			return number
		}
	}
	return 0
}

var errDocuments = errors.New("more than one YAML document; expected one")

// oneDocument returns the top node of the only document; nil if there is nothing in it.
func oneDocument(text []byte) (*yaml.Node, error) {
	var document, next yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	case !errors.Is(d.Decode(&next), io.EOF):
		return nil, errDocuments
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, nil
	}
	return root, nil
}

// add takes one key and its value. Every key is a setting and comes once, so that there are few of them.
func (c *configFile) add(key, value *yaml.Node) error {
	if key.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a key that is no text", key.Line)
	}
	name := key.Value
	if first, ok := c.lines[name]; ok {
		return fmt.Errorf("line %d: %q is already defined in line %d", key.Line, name, first)
	}
	if value.Kind == yaml.MappingNode && len(value.Content) > 0 {
		return &unknownKeyError{line: key.Line, key: name + keyDelimiter + value.Content[0].Value}
	}
	if setting(c.flags, name) == nil {
		return &unknownKeyError{line: key.Line, key: name}
	}
	c.lines[name] = key.Line
	var err error
	c.values[name], err = c.value(value)
	return err
}

// value reads a value or a list of values.
func (c *configFile) value(node *yaml.Node) (any, error) {
	list := aliased(node)
	if list.Kind != yaml.SequenceNode {
		return c.single(list, node.Line)
	}
	if len(list.Content) > maxValues {
		return nil, fmt.Errorf("line %d: a list of %d values; expected at most %d", node.Line, len(list.Content), maxValues)
	}
	all := make([]any, 0, len(list.Content))
	for _, item := range list.Content {
		one, err := c.single(aliased(item), item.Line)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// aliased returns the node that an alias stands for.
func aliased(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// single reads the value at a line. The node may be elsewhere, if an alias stands for it.
func (c *configFile) single(node *yaml.Node, line int) (value any, err error) {
	if node.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("line %d: a list or a map in place of one value", line)
	}
	if known, ok := c.read[node]; ok {
		return known, nil
	}
	if err := node.Decode(&value); err != nil {
		return nil, fmt.Errorf("line %d: %w", line, firstLine(err))
	}
	c.read[node] = value
	return value, nil
}

// firstLine returns the first line of an error of several lines.
func firstLine(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(text)
}
