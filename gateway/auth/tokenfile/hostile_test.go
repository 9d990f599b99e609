package tokenfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
)

// TestHostileText checks that a large file of any form gives a short error that repeats nothing of it.
func TestHostileText(t *testing.T) {
	const size = tokenfile.MaxBytes
	var many strings.Builder
	for i := range tokenfile.MaxTokens + 1 {
		fmt.Fprintf(&many, "n%d viewer sha256:%064x\n", i, i)
	}
	line := "a viewer sha256:" + strings.Repeat("0", 64) + "\n"
	for name, c := range map[string]struct {
		text string
		want tokenfile.Problem
		line int
	}{
		"duplicates":   {strings.Repeat(line, size/len(line)), tokenfile.NameTwice, 2},
		"many tokens":  {many.String(), tokenfile.TooMany, tokenfile.MaxTokens + 1},
		"fields":       {strings.Repeat("a ", size/2), tokenfile.WrongFields, 1},
		"one word":     {strings.Repeat("a", size), tokenfile.WrongFields, 1},
		"NUL":          {strings.Repeat("\x00", size), tokenfile.WrongFields, 1},
		"long name":    {strings.Repeat("a", size-200) + " viewer sha256:0\n", tokenfile.WrongName, 1},
		"empty lines":  {strings.Repeat("\n", size-2) + "a\n", tokenfile.WrongFields, size - 1},
		"long comment": {"#" + strings.Repeat("a", size-10) + "\nb", tokenfile.WrongFields, 2},
		"too large":    {strings.Repeat("\n", size+1), tokenfile.TooLarge, 0},
	} {
		entries, err := tokenfile.Parse([]byte(c.text))
		var wrong *tokenfile.Error
		if !errors.As(err, &wrong) || wrong.Problem != c.want || wrong.Line != c.line || len(entries) > 0 ||
			len(err.Error()) > 200 {
			t.Errorf("%s: %d entries, %.200v", name, len(entries), err)
		}
	}
}
