package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sockgate/sockgate/"

// allowed says what each package may import directly: packages of this module by their exact path, and modules from
// outside by the beginning of theirs. Everything else is a wall; see gateway/docs/architecture.md.
var allowed = map[string][]string{
	"gateway":                           {"gateway/daemon"},
	"gateway/event":                     {},
	"gateway/frame":                     {},
	"gateway/internal/audit":            {"gateway/event", "github.com/hashicorp/go-hclog"},
	"gateway/internal/authority":        {},
	"gateway/internal/certid":           {},
	"gateway/internal/custody":          {"golang.org/x/sys"},
	"gateway/internal/digest":           {"github.com/hashicorp/go-hclog"},
	"gateway/internal/share":            {},
	"gateway/internal/turn":             {"gateway/internal/share", "golang.org/x/sys"},
	"gateway/internal/unread":           {},
	"gateway/server/internal/fair":      {},
	"gateway/server/internal/transport": {"gateway/server/internal/fair", "golang.org/x/sys"},
	"gateway/server/internal/admission": {"gateway/internal/ipnet", "gateway/event", "golang.org/x/time"},
	"gateway/server/internal/ban":       {"gateway/internal/ipnet", "gateway/event"},
	"gateway/server/internal/registry":  {},
	"gateway/server/internal/sendqueue": {},
	"gateway/server/internal/bind":      {},
	"gateway/server/internal/bounds":    {"gateway/internal/ipnet"},
	"gateway/server/internal/counter":   {"gateway/event"},
	"gateway/server/internal/credit":    {"gateway/server/internal/transport"},
	"gateway/server/internal/drain":     {},
	"gateway/server/internal/door": {"gateway/event", "gateway/internal/ipnet", "gateway/server/internal/admission",
		"gateway/server/internal/bind", "gateway/server/internal/entrance", "gateway/server/internal/registry",
		"gateway/server/internal/transport", "gateway/server/internal/trouble", "github.com/hashicorp/go-hclog"},
	"gateway/server/internal/entrance": {"gateway/event", "gateway/internal/certid",
		"gateway/server/internal/admission",
		"gateway/server/internal/fair", "gateway/server/internal/proxyheader", "gateway/server/internal/transport"},
	"gateway/server/internal/gather":    {},
	"gateway/server/internal/group":     {"gateway/event", "gateway/server/internal/label"},
	"gateway/server/internal/history":   {"gateway/event", "gateway/server/internal/registry"},
	"gateway/server/internal/label":     {},
	"gateway/server/internal/ownership": {"gateway/event"},
	"gateway/server/internal/pace":      {},
	"gateway/server/internal/framing":   {"gateway/frame", "gateway/server/internal/transport"},
	"gateway/server/internal/pause":     {"gateway/server/internal/transport"},
	"gateway/server/internal/plan": {"gateway/event", "gateway/internal/ipnet", "gateway/server/internal/bind",
		"gateway/server/internal/framing", "gateway/server/internal/transport"},
	"gateway/server/internal/process": {},
	"gateway/server/internal/replay":  {"gateway/event"},
	"gateway/server/internal/rounds": {"gateway/server/internal/pace", "gateway/server/internal/registry",
		"gateway/server/internal/transport"},
	"gateway/server/internal/scan":    {"gateway/event", "gateway/server/internal/pace"},
	"gateway/server/internal/silence": {"gateway/server/internal/transport"},
	"gateway/server/internal/tally":   {"gateway/event"},
	"gateway/server/internal/trouble": {"gateway/event", "gateway/server/internal/admission",
		"gateway/server/internal/counter", "gateway/server/internal/gather", "gateway/server/internal/transport",
		"github.com/hashicorp/go-hclog"},
	"gateway/server/internal/proxyheader": {"gateway/event", "gateway/internal/certid",
		"github.com/pires/go-proxyproto"},
	"gateway/server": {"gateway/internal/audit", "gateway/internal/ipnet", "gateway/event", "gateway/frame",
		"github.com/hashicorp/go-hclog"},
	"gateway/handler": {"gateway/server"},
	"gateway/lane":    {"gateway/event", "gateway/server"},
	"gateway/remote": {"gateway/event", "gen/sockgate/v1", "google.golang.org/grpc", "google.golang.org/protobuf",
		"github.com/hashicorp/go-hclog"},
	"gateway/filter": {"gateway/event", "gateway/server", "cel.dev/cel-go"},
	"gateway/auth": {"gateway/internal/ipnet", "gateway/internal/share", "gateway/internal/digest",
		"gateway/internal/turn", "gateway/internal/custody", "gateway/auth/tokenfile", "gateway/event",
		"gateway/internal/certid", "gateway/internal/contract",
		"gen/sockgate/v1", "google.golang.org/grpc", "google.golang.org/protobuf", "github.com/hashicorp/go-hclog"},
	"gateway/control": {"golang.org/x/time", "gateway/internal/audit", "gateway/internal/ipnet",
		"gateway/internal/share",
		"gateway/internal/digest", "gateway/internal/turn", "gateway/internal/unread", "gateway/auth",
		"gateway/internal/contract",
		"gateway/internal/wire", "gateway/lane", "gateway/server", "gateway/event", "gateway/filter",
		"gateway/internal/certid",
		"gen/sockgate/v1", "google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto",
		"github.com/google/uuid", "github.com/grpc-ecosystem/go-grpc-middleware", "github.com/hashicorp/go-hclog"},
	"gateway/bus": {},
	"gateway/internal/contract": {"gen/sockgate/v1", "google.golang.org/grpc/codes",
		"google.golang.org/protobuf"},
	"gateway/internal/wire": {"gateway/event", "gateway/lane", "gateway/server", "gateway/internal/contract",
		"gen/sockgate/v1",
		"google.golang.org/protobuf"},
	"gateway/control/internal/feed": {"gateway/internal/turn", "gateway/event", "gateway/filter",
		"gateway/internal/contract",
		"gateway/internal/wire", "gen/sockgate/v1", "google.golang.org/grpc", "google.golang.org/protobuf"},
	"gateway/fleet/internal/change": {"gen/sockgate/v1", "google.golang.org/protobuf"},
	"gateway/fleet/internal/page": {"gateway/event", "gateway/internal/contract", "google.golang.org/grpc/codes",
		"google.golang.org/protobuf"},
	"gateway/fleet/internal/room": {"gateway/internal/share"},
	"gateway/fleet/internal/member": {"golang.org/x/time", "gateway/bus", "gateway/event",
		"gateway/internal/contract",
		"gen/sockgate/v1", "gen/sockgate/fleet/v1", "google.golang.org/grpc", "google.golang.org/protobuf",
		"github.com/hashicorp/go-hclog"},
	"gateway/fleet/internal/exchange": {"gateway/bus", "gateway/event", "gateway/fleet/internal/member",
		"gateway/internal/share",
		"gateway/internal/contract", "gen/sockgate/v1", "gen/sockgate/fleet/v1", "google.golang.org/grpc",
		"google.golang.org/protobuf", "google.golang.org/genproto", "github.com/hashicorp/go-hclog"},
	"gateway/fleet": {"gateway/internal/share", "gateway/internal/wire", "gateway/internal/ipnet",
		"gateway/bus",
		"gateway/internal/contract", "gateway/server", "gateway/event", "gateway/filter",
		"gen/sockgate/v1", "gen/sockgate/fleet/v1", "google.golang.org/grpc", "google.golang.org/protobuf",
		"google.golang.org/genproto", "github.com/hashicorp/go-hclog"},
	"gateway/natsbus": {"gateway/bus", "github.com/nats-io", "github.com/hashicorp/go-hclog"},
	"gateway/fleet/fleettest": {"gateway/bus", "gateway/fleet", "gateway/control", "gateway/server",
		"gateway/handler",
		"gateway/event", "gen/sockgate/v1", "gen/sockgate/fleet/v1", "google.golang.org/grpc", "google.golang.org/protobuf",
		"github.com/hashicorp/go-hclog"},
	"gateway/gatewaytest": {"gateway/control", "gateway/event", "gateway/lane", "gateway/server",
		"gateway/handler", "gen/sockgate/v1",
		"google.golang.org/grpc"},
	"gateway/daemon/memory":   {},
	"gateway/daemon/tlsfiles": {"gateway/internal/custody", "github.com/hashicorp/go-hclog"},
	"gateway/daemon": {"gateway/internal/ipnet", "gateway/internal/custody", "gateway/auth", "gateway/control",
		"gateway/fleet", "gateway/lane", "gateway/natsbus", "gateway/server", "gateway/frame", "gateway/handler",
		"gateway/event",
		"gateway/filter", "gateway/daemon/memory", "gateway/daemon/tlsfiles", "gen/sockgate/v1",
		"github.com/hashicorp/go-hclog", "github.com/spf13", "github.com/knadh/koanf", "go.yaml.in/yaml", "golang.org/x/sys",
		"google.golang.org/grpc/grpclog"},
	"ctl": {"ctl/internal/cli"},
	"ctl/internal/app": {"ctl/internal/fileedit", "ctl/internal/loopback", "ctl/internal/textcode",
		"ctl/internal/units", "gen/sockgate/v1", "google.golang.org/grpc", "google.golang.org/protobuf",
		"google.golang.org/genproto", "github.com/spf13", "go.yaml.in/yaml", "golang.org/x/term", "golang.org/x/text"},
	"ctl/internal/backend": {"ctl/internal/app", "gen/sockgate/v1", "google.golang.org/grpc",
		"google.golang.org/protobuf", "github.com/google/uuid"},
	"ctl/internal/bench": {"ctl/internal/backend", "ctl/internal/fileedit", "ctl/internal/loopback",
		"ctl/internal/textcode", "ctl/internal/units", "ctl/internal/app", "gen/sockgate/v1", "google.golang.org/grpc",
		"google.golang.org/protobuf",
		"github.com/google/uuid", "github.com/spf13", "github.com/HdrHistogram/hdrhistogram-go"},
	"ctl/internal/dial": {"ctl/internal/fileedit", "ctl/internal/loopback", "ctl/internal/textcode",
		"ctl/internal/units", "ctl/internal/app", "github.com/spf13"},
	"ctl/internal/fileedit": {},
	"ctl/internal/loopback": {},
	"ctl/internal/textcode": {"golang.org/x/text"},
	"ctl/internal/units":    {"google.golang.org/protobuf"},
	"ctl/internal/ctltest":  {"gen/sockgate/v1"},
	"ctl/internal/events": {"ctl/internal/fileedit", "ctl/internal/loopback", "ctl/internal/textcode",
		"ctl/internal/units", "ctl/internal/app", "gen/sockgate/v1", "github.com/spf13"},
	"ctl/internal/handlers": {"ctl/internal/units", "ctl/internal/app", "gen/sockgate/v1", "google.golang.org/protobuf",
		"github.com/spf13"},
	"ctl/internal/limits": {"ctl/internal/fileedit", "ctl/internal/loopback", "ctl/internal/textcode",
		"ctl/internal/units", "ctl/internal/app", "gen/sockgate/v1", "google.golang.org/protobuf",
		"github.com/spf13"},
	"ctl/internal/local": {"ctl/internal/fileedit", "ctl/internal/loopback", "ctl/internal/textcode",
		"ctl/internal/units", "gateway/auth/tokenfile", "ctl/internal/app", "github.com/spf13"},
	"ctl/internal/cli": {"ctl/internal/fileedit", "ctl/internal/loopback", "ctl/internal/textcode",
		"ctl/internal/units", "ctl/internal/app", "ctl/internal/bench", "ctl/internal/dial",
		"ctl/internal/events", "ctl/internal/handlers",
		"ctl/internal/limits", "ctl/internal/local", "gen/sockgate/v1", "google.golang.org/grpc",
		"google.golang.org/protobuf", "github.com/google/uuid",
		"github.com/spf13", "golang.org/x/term"},
	"gateway/auth/tokenfile": {},
	"gateway/internal/ipnet": {},
	"gen/sockgate/fleet/v1":  {"gen/sockgate/v1", "google.golang.org/protobuf"},
	"gen/sockgate/v1":        {"google.golang.org/grpc", "google.golang.org/protobuf"},
	"gateway/e2e/docs":       {},
	"gateway/e2e/attempts":   {},
	"gateway/e2e/attempts/cmd": {"gateway/e2e/attempts/internal/attack", "gateway/e2e/attempts/internal/siege",
		"gateway/e2e/attempts/internal/soak"},
	"gateway/e2e/attempts/internal/attack": {"gateway/e2e/attempts/internal/frames", "gen/sockgate/v1",
		"github.com/google/uuid", "golang.org/x/net", "google.golang.org/grpc",
		"google.golang.org/protobuf"},
	"gateway/e2e/attempts/internal/frames": {"golang.org/x/net", "google.golang.org/grpc",
		"google.golang.org/protobuf"},
	"gateway/e2e/attempts/internal/siege": {"gateway/e2e/attempts/internal/attack",
		"gateway/e2e/internal/token",
		"gateway/internal/authority", "gen/sockgate/v1", "github.com/google/uuid", "golang.org/x/sys",
		"google.golang.org/grpc", "google.golang.org/protobuf"},
	"gateway/e2e/attempts/internal/soak": {"gateway/e2e/attempts/internal/attack",
		"gateway/e2e/attempts/internal/siege",
		"gen/sockgate/v1", "github.com/google/uuid", "google.golang.org/grpc", "google.golang.org/protobuf"},
	"gateway/e2e/deploy":           {},
	"gateway/e2e/fleet":            {},
	"gateway/e2e/internal/port":    {},
	"gateway/e2e/internal/program": {"gateway/e2e/internal/scale"},
	"gateway/e2e/internal/scale":   {},
	"gateway/e2e/internal/table":   {"gateway/e2e/internal/tree"},
	"gateway/e2e/internal/token":   {},
	"gateway/e2e/internal/tree":    {},
}

// TestPackagesImportOnlyWhatTheyMay holds the walls between the packages.
func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], module)
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not in the table of walls: say in gateway/imports_test.go what it may import", name)
			continue
		}
		for _, imported := range fields[1:] {
			if !mayImport(name, may, imported) {
				t.Errorf("%s imports %s, which is behind its walls", name, imported)
			}
		}
	}
}

// mayImport reports whether an import is of the standard library, an allowed package of this module or one in the
// package's own internal folder, or below an allowed path of another module.
func mayImport(name string, may []string, imported string) bool {
	if path, ours := strings.CutPrefix(imported, module); ours {
		return slices.Contains(may, path) || strings.HasPrefix(path, name+"/internal/")
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true
	}
	return slices.ContainsFunc(may, func(prefix string) bool {
		return imported == prefix || strings.HasPrefix(imported, prefix+"/")
	})
}
