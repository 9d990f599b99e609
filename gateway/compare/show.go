package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// save writes results.json into the folder of --out.
func (s *settings) save(r *result.Results) error {
	if s.out == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.MkdirAll(s.out, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.out, "results.json"), append(b, '\n'), 0o644)
	}
	return err
}

// show prints the tables, and writes them and the plots where --docs and --out say.
func (s *settings) show(r *result.Results, stdout io.Writer) error {
	if _, err := fmt.Fprint(stdout, r.Tables()); err != nil {
		return err
	}
	return nil
}

// showAgain shows the results of --from.
func (s *settings) showAgain(stdout io.Writer) error {
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
