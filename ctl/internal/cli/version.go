package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// develVersion is the version of a build from a working copy.
const develVersion = "devel"

// versionInfo is what `ctl version` prints.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Show the version of ctl",
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.run(func(*cobra.Command, []string) error { return a.printVersion(readVersion()) }),
	}
}

// readVersion takes the version from what the Go toolchain stamped into the binary.
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

func (a *app) printVersion(v versionInfo) error {
	switch {
	case a.structured():
		return a.printValue(v)
	case a.output == formatName:
		return a.printName(v.Version)
	case a.wide():
		_, err := fmt.Fprintf(a.stdout, "ctl version %s %s %s\n", v.Version, v.Go, v.Platform)
		return err
	default:
		_, err := fmt.Fprintf(a.stdout, "ctl version %s\n", v.Version)
		return err
	}
}
