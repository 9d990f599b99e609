package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

// hashOf is the hash of a token as a file has it.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// A token is printed once and alone, and the file has its hash, name, role and expiry, for its owner only.
func TestTokenCreate(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tokens")
	code, stdout, stderr := ctlIn(t, dir, nil, "token create ci --role operator --expires 720h --file "+file)
	if code != app.ExitDone || !regexp.MustCompile(`^sgt_[A-Za-z0-9_-]{43}\n$`).MatchString(stdout) {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if want := "ctl: ci is in " + file + " as operator; keep the token now, it is not shown again (ctl --token-file " +
		"FILE, or SOCKGATE_TOKEN)\n"; stderr != want {
		t.Errorf("stderr %q", stderr)
	}
	text, err := os.ReadFile(file)
	if want := "ci operator " + hashOf(strings.TrimSpace(stdout)) + " expires:2026-04-03T10:31:02Z\n"; err != nil ||
		string(text) != want {
		t.Errorf("file %q, want %q (%v)", text, want, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if code, stdout, _ = ctlIn(t, dir, nil, "token create ci --role viewer --file "+file); code != app.ExitFailed ||
		stdout != "" {
		t.Errorf("a second one of the name: exit code %d, stdout %q", code, stdout)
	}
	code, again, _ := ctlIn(t, dir, nil, "token create b --role admin -o json --file "+file)
	if code != app.ExitDone || !strings.HasPrefix(again, `{"name":"b","role":"admin","expires":null,"token":"sgt_`) {
		t.Errorf("exit code %d, stdout %q", code, again)
	}
	want := "NAME   ROLE       EXPIRES\nci     operator   2026-04-03T10:31:02Z\nb      admin      never\n"
	if got := mustCtl(t, dir, "token list --file "+file); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if code, _, stderr := ctlIn(t, dir, nil, "token create be --role handler:chat --file "+file); code != app.ExitDone ||
		!strings.Contains(stderr, "as handler:chat;") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	want = "be\thandler:chat\n:4\n"
	if code, stdout, _ := ctlIn(t, dir, nil, "__complete token remove --file "+file+" be"); code != 0 || stdout != want {
		t.Errorf("completes to %q", stdout)
	}
	if code, stdout, _ := ctlIn(t, dir, nil, "__complete token remove --file "+file+" c"); code != 0 ||
		stdout != "ci\toperator\n:4\n" {
		t.Errorf("completes to %q", stdout)
	}
}

// A token that could not be printed is reported to be in the file all the same.
func TestTokenThatIsNotPrinted(t *testing.T) {
	run := against(t, &fakeGateway{})
	run.stdout.FailWith(fmt.Errorf("no space left on device"))
	if code := run.run("token", "create", "ci", "--role", "viewer", "--file",
		filepath.Join(t.TempDir(), "tokens")); code != app.ExitFailed ||
		!strings.Contains(run.stderr.String(), "could not be printed (no space left on device): remove it") {
		t.Errorf("exit code %d: %s", code, run.stderr)
	}
}

// Editing keeps comments, the order of the lines, and the mode.
func TestTokenFileIsKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tokens")
	line := func(name string) string {
		return name + "\tviewer  " + hashOf(name) + " expires:2020-01-01T00:00:00+02:00"
	}
	before := "# the CI's\n\n  " + line("a") + "\r\n # b is on holiday\n" + line("b") + "\n" + line("c")
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	mustCtl(t, dir, "token remove b --file "+file)
	if code, _, stderr := ctlIn(t, dir, nil, "token create d --role admin --file "+file); code != app.ExitDone {
		t.Fatal(stderr)
	}
	text, err := os.ReadFile(file)
	want := "# the CI's\n\n  " + line("a") + "\r\n # b is on holiday\n" + line("c") + "\nd admin sha256:"
	if err != nil || !strings.HasPrefix(string(text), want) {
		t.Errorf("file:\n%s\nwant:\n%s", text, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := mustCtl(t, dir, "token list --file "+file); !strings.Contains(got, "(expired)") {
		t.Errorf("got:\n%s", got)
	}
	if code, _, _ := ctlIn(t, dir, nil, "token remove b --file "+file); code != app.ExitNotFound {
		t.Errorf("removed twice: exit code %d", code)
	}
}

// A damaged file is refused, and stays as it was.
func TestTokenFileThatIsDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("b viewer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := ctlIn(t, t.TempDir(), nil,
		"token create a --role viewer --file "+file); code != app.ExitFailed || !strings.Contains(stderr, file+": line 1") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if text, _ := os.ReadFile(file); string(text) != "b viewer\n" {
		t.Errorf("the damaged file became %q", text)
	}
}

// Impossible names, roles and lifetimes are refused before the file is touched.
func TestTokenUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	for words, want := range map[string]string{
		"token":                                                   "one of create, list, remove",
		"token create a --role viewer":                            "give --file FILE",
		"token create A --role viewer --file F":                   "cannot be the name",
		"token create a --file F":                                 "give one of viewer, operator, admin",
		"token create a --role root --file F":                     "--role \"root\" is not a role",
		"token create a --role handler --file F":                  "handler:NAME, where NAME is a remote handler's",
		"token create a --role handler: --file F":                 "--role \"handler:\" is not a role",
		"token create a --role handler:Chat --file F":             "1 to 32 of a-z, 0-9 and dash",
		"token create a --role viewer --file F --expires 0s":      "more than 0",
		"token create a --role viewer --file F --expires 100000h": "at most 10 years",
		"token remove a":                                          "give --file FILE",
		"token list":                                              "give --file FILE",
	} {
		code, _, stderr := ctlIn(t, t.TempDir(), nil, strings.ReplaceAll(words, " F", " "+file))
		if code != app.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("ctl %s: exit code %d: %s", words, code, stderr)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file was made")
	}
}

// A name that could be a token is refused before the file has it: the gateway would refuse the whole file.
func TestTokenNameThatCouldBeAToken(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := ctlIn(t, dir, nil, "token create sgt_"+strings.Repeat("a",
		43)+" --role viewer --file "+filepath.Join(dir, "tokens"))
	if code != app.ExitUsage || !strings.Contains(stderr, "looks like a token") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}
