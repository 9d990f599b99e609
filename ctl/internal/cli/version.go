package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

// develVersion is the version of a build from a working copy.
const develVersion = "devel"

// versionInfo is the output of `ctl version`.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Show the version of ctl",
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(*cobra.Command, []string) error { return printVersion(a, readVersion()) }),
	}
}

// readVersion takes the version that the Go toolchain stamped into the binary: a tag's after `go install ...@vX`.
func readVersion() versionInfo {
	v := versionInfo{Version: develVersion, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

func printVersion(a *app.App, v versionInfo) error {
	switch {
	case a.Structured():
		return a.PrintValue(v)
	case a.Output == app.FormatName:
		return a.PrintName(v.Version)
	case a.Wide():
		return a.Stdout.Line(fmt.Sprintf("ctl version %s %s %s", v.Version, v.Go, v.Platform))
	default:
		return a.Stdout.Line("ctl version " + v.Version)
	}
}
