package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secret is a token, which no error may repeat.
const secret = "sgt_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

// hashOf is the hash of a token as a file has it.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// One bad line makes the whole file refused. The error has the line's number and repeats nothing that could be a token.
func TestParseDamagedTokens(t *testing.T) {
	good := "a viewer " + hashOf("a") + "\n"
	many := &bytes.Buffer{}
	for i := range maxTokens + 1 {
		fmt.Fprintf(many, "t%d viewer %s\n", i, hashOf(fmt.Sprint(i)))
	}
	tests := map[string]string{
		good + "b viewer\n":                                    "line 2: expected NAME ROLE",
		good + "B viewer " + hashOf("b"):                       "line 2: the name is not",
		good + "b root " + hashOf("b"):                         "line 2: the role of b is not one of viewer, operator, admin",
		good + "b viewer " + secret:                            "line 2: the hash of b is not",
		good + "b viewer " + strings.ToUpper(hashOf("b")):      "line 2: the hash of b is not",
		good + "b viewer " + hashOf("b") + "0":                 "line 2: the hash of b is not",
		good + "b viewer " + hashOf("b") + " expires:tomorrow": "line 2: the last field of b is not",
		good + "b viewer " + hashOf("b") + " x expires:1":      "line 2: expected NAME ROLE",
		good + "\n#\na admin " + hashOf("b"):                   "line 4: the name or the token of a is there twice",
		good + "b admin " + hashOf("a"):                        "line 2: the name or the token of b is there twice",
		many.String(): fmt.Sprintf("line %d: more than %d tokens", maxTokens+1,
			maxTokens),
	}
	for text, want := range tests {
		if _, err := parseTokens([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) ||
			strings.Contains(err.Error(), secret) {
			t.Errorf("%.200q: error %v, want %s", text, err, want)
		}
	}
}

// ctl accepts and refuses the same token files as the gateway: both parsers are tested with the same files.
func TestTokenFilesAsTheGatewayReadsThem(t *testing.T) {
	for kind, good := range map[string]bool{"good": true, "bad": false} {
		files, err := filepath.Glob(filepath.Join("..", "..", "..", "gateway", "auth", "tokenfile", "testdata", "tokens",
			kind, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d %s files, %v", len(files), kind, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parseTokens(data); (err == nil) != good {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}
