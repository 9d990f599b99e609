package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// The output formats of -o.
const (
	FormatTable = "table"
	formatWide  = "wide"
	formatJSON  = "json"
	formatYAML  = "yaml"
	FormatName  = "name"
)

// formats are the values of -o.
func formats() []string { return []string{FormatTable, formatWide, formatJSON, formatYAML, FormatName} }

// Wide reports whether the output is a table with all columns.
func (a *App) Wide() bool { return a.Output == formatWide }

// Tabular reports whether the output is for people: table or wide.
func (a *App) Tabular() bool { return a.Output == FormatTable || a.Output == formatWide }

// Structured reports whether the output is for programs: json or yaml.
func (a *App) Structured() bool { return a.Output == formatJSON || a.Output == formatYAML }

// Color reports whether colour may be used on stdout.
func (a *App) Color() bool { return a.Env.StdoutIsTerminal && a.ColorWanted() }

// ColorWanted reports whether colour is not turned off by flag or environment.
func (a *App) ColorWanted() bool {
	return !a.noColor && a.Env.Getenv("NO_COLOR") == "" && a.Env.Getenv("TERM") != "dumb"
}

// PrintMessage prints one message as json or yaml.
func (a *App) PrintMessage(m proto.Message) error {
	text, err := Marshal(m)
	if err != nil {
		return err
	}
	return a.printJSON(text)
}

// PrintValue prints a value that is no protobuf message as json or yaml.
func (a *App) PrintValue(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return a.printJSON(bytes.TrimSpace(b.Bytes()))
}

// PrintName prints one ID, or another name, on a line of its own.
func (a *App) PrintName(id string) error {
	return a.Stdout.Line(id)
}

func (a *App) printJSON(text []byte) error {
	if a.Output != formatYAML {
		return a.Stdout.Line(string(escapeJSON(text)))
	}
	document, err := toYAML(text)
	if err != nil {
		return err
	}
	return a.Stdout.layout("---\n" + string(escapeYAML(document)))
}

// Marshal makes one line of JSON. Equal messages give equal lines, with every scalar field present.
func Marshal(m proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	// protojson varies its spaces on purpose.
	if err := json.Compact(&b, text); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// toYAML makes one YAML document of a JSON text, with the fields in the same order. Strings with unprintable characters
// are double-quoted.
func toYAML(text []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	node, err := yamlNode(dec)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err = enc.Encode(node)
	return b.Bytes(), err
}

// yamlNode reads one JSON value. Going over tokens keeps the order of the fields, which a map would lose.
func yamlNode(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		return yamlCollection(dec, t)
	case string:
		node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: t}
		if strings.ContainsFunc(t, unprintable) {
			node.Style = yaml.DoubleQuotedStyle
		}
		return node, nil
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(t.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(t)}, nil
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	}
}

// yamlCollection reads the rest of an object or array. In an object the keys come as values do.
func yamlCollection(dec *json.Decoder, open json.Delim) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if open == '{' {
		node = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	for dec.More() {
		child, err := yamlNode(dec)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	_, err := dec.Token()
	return node, err
}
