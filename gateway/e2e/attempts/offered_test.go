package attempts

import (
	"context"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
	"github.com/sockgate/sockgate/gateway/e2e/internal/table"
)

var cipherLine = regexp.MustCompile(`(?m)^New, \S+, Cipher is (\S+)$`)

// offers returns the cipher suite on which openssl's client and the gateway agree; "" when they do not.
func offers(t *testing.T, address string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", address}, args...)...)
	command.Stdin = strings.NewReader("Q\n")
	out, _ := command.CombinedOutput() // it fails when there is no agreement
	m := cipherLine.FindSubmatch(out)
	if ctx.Err() != nil || m == nil && !strings.Contains(string(out), "alert") &&
		!strings.Contains(string(out), "no protocols available") && !strings.Contains(string(out), "no ciphers available") {
		t.Fatalf("openssl s_client %s:\n%s", strings.Join(args, " "), out)
	}
	if m == nil || string(m[1]) == "(NONE)" {
		return ""
	}
	return string(m[1])
}

// TestOffered asks a TLS listener with openssl's client for every version and every suite that the client knows, and
// compares the offer with security.md.
func TestOffered(t *testing.T) {
	t.Parallel()
	program.Require(t, "REQUIRE_OPENSSL", "openssl")
	g := startGuarded(t)
	known, err := exec.CommandContext(t.Context(), "openssl", "ciphers", "-s", "-tls1_2",
		"ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	if err != nil {
		t.Fatal(err)
	}
	address := g.listeners["tls"]
	var b strings.Builder
	b.WriteString("| version | suites |\n|---|---|\n")
	for _, v := range []struct{ name, flag string }{{"TLS 1.0", "-tls1"}, {"TLS 1.1", "-tls1_1"}, {"TLS 1.2", "-tls1_2"}} {
		row(&b, v.name, accepted(t, strings.Split(strings.TrimSpace(string(known)), ":"), func(suites []string) string {
			return offers(t, address, v.flag, "-cipher", strings.Join(suites, ":")+":@SECLEVEL=0")
		}))
	}
	row(&b, "TLS 1.3", accepted(t, []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
		"TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"}, func(suites []string) string {
		return offers(t, address, "-tls1_3", "-ciphersuites", strings.Join(suites, ":"))
	}))
	table.Compare(t, "gateway/docs/security.md", "attempts", map[string]string{"offered": b.String()})
}

func row(b *strings.Builder, version string, suites []string) {
	if len(suites) == 0 {
		suites = []string{"none"}
	}
	b.WriteString("| " + version + " | " + strings.Join(suites, ", ") + " |\n")
}

// accepted returns the suites that the gateway agrees on when it is asked for each alone. By default the test asks only
// for the suites that the gateway chooses out of all: the gateway has no suite that it never chooses until nothing is
// left to agree on.
func accepted(t *testing.T, suites []string, ask func(suites []string) string) []string {
	t.Helper()
	if !scale.Full() {
		suites = chosen(t, suites, ask)
	}
	var yes []string
	for _, suite := range suites {
		if got := ask([]string{suite}); got != "" {
			if got != suite {
				t.Errorf("asked for %s and got %s", suite, got)
			}
			yes = append(yes, suite)
		}
	}
	return yes
}

// chosen returns the suites that the gateway chooses, in the order of suites. It asks for all, then for all but the one
// chosen, until the gateway agrees on none.
func chosen(t *testing.T, suites []string, ask func(suites []string) string) []string {
	t.Helper()
	var all []string
	for rest := slices.Clone(suites); len(rest) > 0; {
		got := ask(rest)
		if got == "" {
			break
		}
		if !slices.Contains(rest, got) {
			t.Fatalf("got %s, which was not asked for", got)
		}
		all = append(all, got)
		rest = slices.DeleteFunc(rest, func(s string) bool { return s == got })
	}
	return slices.DeleteFunc(slices.Clone(suites), func(s string) bool { return !slices.Contains(all, s) })
}
