package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// save writes results into a file in the folder of --out. Without --out it does nothing.
func (s *settings) save(r *result.Results, name string) error {
	if s.out == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.MkdirAll(s.out, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.out, name), append(b, '\n'), 0o644)
	}
	return err
}

// show prints the tables, writes them into the document of --docs, and writes the plots into the folder of --out.
func (s *settings) show(r *result.Results, stdout io.Writer) error {
	if _, err := fmt.Fprint(stdout, r.Tables()); err != nil {
		return err
	}
	plots := r.Plots()
	if s.out != "" {
		if err := os.MkdirAll(s.out, 0o755); err != nil {
			return err
		}
		for _, p := range plots {
			if err := os.WriteFile(filepath.Join(s.out, p.Name), []byte(p.SVG), 0o644); err != nil {
				return err
			}
		}
	}
	if s.docs == "" {
		return nil
	}
	return s.writeDocument(r, plots)
}

// writeDocument puts the tables, and links to the plots if there is a folder for them, into the document of --docs.
func (s *settings) writeDocument(r *result.Results, plots []result.Plot) error {
	var b strings.Builder
	if s.out != "" {
		folder, err := relative(filepath.Dir(s.docs), s.out)
		if err != nil {
			return err
		}
		for _, p := range plots {
			fmt.Fprintf(&b, "![%s](%s)\n\n", p.Title, filepath.ToSlash(filepath.Join(folder, p.Name)))
		}
	}
	text, err := os.ReadFile(s.docs)
	if err != nil {
		return fmt.Errorf("--docs: %w", err)
	}
	written, err := result.Insert(string(text), b.String()+r.Tables())
	if err != nil {
		return fmt.Errorf("--docs %s: %w", s.docs, err)
	}
	return os.WriteFile(s.docs, []byte(written), 0o644)
}

// relative returns a path relative to a folder.
func relative(from, path string) (string, error) {
	a, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	b, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.Rel(a, b)
}

// showAgain shows the results of --from.
func (s *settings) showAgain(_ context.Context, stdout, _ io.Writer) error {
	b, err := os.ReadFile(s.from)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	r := &result.Results{}
	if err := json.Unmarshal(b, r); err != nil {
		return fmt.Errorf("--from %s: %w; expected a results.json of --out", s.from, err)
	}
	return s.show(r, stdout)
}
