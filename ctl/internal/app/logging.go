package app

import (
	"io"
	"log"
	"strings"

	"google.golang.org/grpc/grpclog"
)

// LogThroughLayer makes the logs of libraries pass the layer of all output: gRPC logs errors to stderr by itself, and
// they have texts from the network. GRPC_GO_LOG_SEVERITY_LEVEL holds as it does elsewhere.
func LogThroughLayer(stderr io.Writer, getenv func(string) string) {
	w := lineWriter{newOutput(stderr, false)}
	log.SetOutput(w)
	infos, warnings, errors := io.Discard, io.Discard, io.Discard
	switch strings.ToLower(getenv("GRPC_GO_LOG_SEVERITY_LEVEL")) {
	case "", "error":
		errors = w
	case "warning":
		warnings = w
	case "info":
		infos = w
	}
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(infos, warnings, errors))
}

// lineWriter makes one line of each entry of a log.
type lineWriter struct{ out *Output }

// Write writes one entry.
func (w lineWriter) Write(p []byte) (int, error) {
	if err := w.out.Line(strings.TrimSuffix(string(p), "\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}
