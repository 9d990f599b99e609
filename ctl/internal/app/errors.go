package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// usageError is a mistake on the command line. help names the command whose help has the right form.
type usageError struct {
	text  string
	cobra bool // the text is cobra's, which lays its suggestions out in lines and quotes words
	help  string
}

func (e *usageError) Error() string { return e.text }

// Usagef makes an error that ends ctl with the usage exit code.
func Usagef(format string, args ...any) error {
	return &ExitError{Code: ExitUsage, Err: &usageError{text: fmt.Sprintf(format, args...)}}
}

// isUsage reports whether the command line caused the error.
func isUsage(err error) bool {
	var usage *usageError
	return errors.As(err, &usage)
}

// asUsage turns an error of cobra's into a usage error.
func asUsage(err error) error {
	if isUsage(err) {
		return err
	}
	return &ExitError{Code: ExitUsage, Err: &usageError{text: err.Error(), cobra: true, help: "ctl"}}
}

// usageFor is asUsage, with the command whose help the message names.
func usageFor(cmd *cobra.Command, err error) error {
	var usage *usageError
	err = asUsage(err)
	if errors.As(err, &usage) {
		usage.help = cmd.CommandPath()
	}
	return err
}

// Exactly is cobra.ExactArgs with a message that names the expected arguments.
func Exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageFor(cmd, Usagef("%s expects %s, and was given %s", cmd.Name(), what,
				Plural(uint64(len(args)), "argument")))
		}
		return nil
	}
}

// AtLeastOne is cobra.MinimumNArgs(1) with a message that names the expected argument.
func AtLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageFor(cmd, Usagef("%s expects at least %s, and was given none", cmd.Name(), what))
		}
		return nil
	}
}

// CallError is a failed call: the gateway's answer, or the reason why there was none.
type CallError struct {
	addr      string
	secure    *tls.Config // nil: TLS was not used
	connected bool        // whether the gateway was connected when the call ended
	answered  bool        // whether something accepted the network connection
	filter    string      // the filter that the request had
	err       error

	probed  bool // problem is known
	problem *tlsProblem
}

// Error returns the text of the status.
func (e *CallError) Error() string { return e.err.Error() }

// Unwrap returns the error of gRPC.
func (e *CallError) Unwrap() error { return e.err }

// Unreachable reports whether no gateway answered. A deadline that ends on a working connection is a slow gateway.
func (e *CallError) Unreachable() bool {
	switch status.Code(e.err) {
	case codes.Unavailable:
		return reasonOf(e.err) == "" // a status with a reason comes from the gateway
	case codes.DeadlineExceeded:
		return !e.connected
	default:
		return false
	}
}

// hint suggests why a gateway cannot be reached.
func (e *CallError) hint() string {
	text := status.Convert(e.err).Message()
	switch {
	case strings.Contains(text, "server preface") && !strings.HasSuffix(text, "EOF\""), strings.Contains(text,
		"frame too large"):
		return "that is not a control plane."
	case e.answered && (status.Code(e.err) == codes.DeadlineExceeded || strings.HasPrefix(text, noConnection)):
		return "that is not a control plane, or it needs a longer --timeout."
	default:
		return "is it running?"
	}
}

// StatusOf finds the gRPC status in err; nil if there is none.
func StatusOf(err error) *status.Status {
	var s interface{ GRPCStatus() *status.Status }
	if errors.As(err, &s) {
		return s.GRPCStatus()
	}
	return nil
}

// infoOf finds the ErrorInfo of a status; nil if there is none.
func infoOf(err error) *errdetails.ErrorInfo {
	for _, d := range StatusOf(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}

func reasonOf(err error) string { return infoOf(err).GetReason() }

// Say writes one message to stderr, of one line whatever is in its arguments.
func (a *App) Say(format string, args ...any) {
	_ = a.Stderr.Line("ctl: " + fmt.Sprintf(format, args...))
}

// SayLines writes one message of several lines to stderr.
func (a *App) SayLines(lines ...string) {
	for i, line := range lines {
		if i == 0 {
			line = "ctl: " + line
		}
		_ = a.Stderr.Line(line)
	}
}

// report prints the error, unless the command has explained it already.
func (a *App) report(err error) {
	var exit *ExitError
	var usage *usageError
	switch {
	case err == nil, errors.As(err, &exit) && exit.Err == nil:
	case errors.Is(err, syscall.EPIPE) && StatusOf(err) == nil:
		// The reader of our output has closed it, as with `| head`: that is no failure.
	case errors.As(err, &usage):
		a.sayUsage(usage)
	default:
		a.SayLines(Explain(err)...)
	}
}

// sayUsage writes the mistake, and names the help to read.
func (a *App) sayUsage(e *usageError) {
	if e.cobra {
		_ = a.Stderr.layout("ctl: " + e.text + "\n")
	} else {
		a.Say("%s", e.text)
	}
	_ = a.Stderr.Line("Run '" + e.help + " --help' for usage.")
}

// Sentence is Explain in one line.
func Sentence(err error) string {
	lines := Explain(err)
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "; ")
}

// Explain makes one message of any error: the lines of it.
func Explain(err error) []string {
	st := StatusOf(err)
	if st == nil {
		return []string{err.Error()}
	}
	var call *CallError
	if !errors.As(err, &call) {
		call = &CallError{err: err}
	}
	if p := call.tlsProblem(); p != nil {
		return []string{fmt.Sprintf("cannot reach the gateway at %s: %s", call.addr, p.text)}
	}
	if call.Unreachable() {
		return []string{fmt.Sprintf("cannot reach the gateway at %s: %s; %s Name another with --gateway ADDR or "+
			"SOCKGATE_GATEWAY", call.addr, transportText(st), call.hint())}
	}
	switch st.Code() {
	case codes.DeadlineExceeded:
		return []string{fmt.Sprintf("the gateway at %s did not answer in time; allow it more with --timeout", call.addr)}
	case codes.Canceled:
		return []string{"interrupted before the gateway answered"}
	}
	return slices.Concat([]string{statusText(st)}, detailLines(call), credentialsHint(err), nodeHint(err))
}

// credentialsHint tells, in a line of its own, how to give credentials where the gateway requires them.
func credentialsHint(err error) []string {
	if reasonOf(err) != "CREDENTIALS_REQUIRED" {
		return nil
	}
	return []string{"  give a token with --token-file FILE or SOCKGATE_TOKEN, or a client certificate with --tls-cert " +
		"and --tls-key"}
}

// nodeHint tells, in a line of its own, which flag to add where the gateway refused the nodes of a request.
func nodeHint(err error) []string {
	switch reasonOf(err) {
	case reasonNodeRequired:
		return []string{"  say which with --node NAME (ctl nodes lists them), --local for the gateway that is asked, or " +
			"--all"}
	case reasonNodeUnreachable, reasonNodeTimedOut, reasonNodeRefused:
		return []string{"  ctl nodes shows how the nodes are"}
	}
	return nil
}

// The reasons of a fleet's errors.
const (
	reasonNodeRequired    = "NODE_REQUIRED"
	reasonNodesMissing    = "NODES_MISSING"
	reasonNodeUnreachable = "NODE_UNREACHABLE"
	reasonNodeTimedOut    = "NODE_TIMED_OUT"
	reasonNodeRefused     = "NODE_REFUSED"
)

// AboutNode reports whether the gateway answered, and other nodes failed to.
func AboutNode(err error) bool {
	switch reasonOf(err) {
	case reasonNodesMissing, reasonNodeUnreachable, reasonNodeTimedOut, reasonNodeRefused:
		return true
	default:
		return false
	}
}

// statusText is the gateway's sentence with its reason, or with the code where it has no reason.
func statusText(st *status.Status) string {
	tag := reasonOf(st.Err())
	if tag == "" {
		tag = st.Code().String()
	}
	text := st.Message()
	if text == "" {
		text = "the gateway refused the call"
	}
	return fmt.Sprintf("%s (%s)", text, tag)
}

// detailLines shows the rest of the gateway's answer: the place in the filter, the fields, when to try again.
func detailLines(call *CallError) []string {
	var lines []string
	for _, d := range StatusOf(call).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			lines = append(lines, CaretLines(call.filter, d.GetMetadata())...)
			if d.GetReason() == reasonNodesMissing {
				lines = append(lines, missingLines(StatusOf(call).Message(), d.GetMetadata())...)
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				if v.GetDescription() == StatusOf(call).Message() {
					continue // said already
				}
				lines = append(lines, fmt.Sprintf("  %s: %s", v.GetField(), v.GetDescription()))
			}
		case *errdetails.RetryInfo:
			lines = append(lines, fmt.Sprintf("  try again in %s", d.GetRetryDelay().AsDuration()))
		}
	}
	return lines
}

// CaretLines shows the line of the filter that the gateway could not read, with a caret under the place.
func CaretLines(filter string, metadata map[string]string) []string {
	line, errLine := strconv.Atoi(metadata["line"])
	column, errColumn := strconv.Atoi(metadata["column"])
	lines := strings.Split(filter, "\n")
	if errLine != nil || errColumn != nil || filter == "" || line < 1 || line > len(lines) || column < 1 {
		return nil
	}
	text := []rune(strings.ReplaceAll(lines[line-1], "\t", " "))
	column = min(column, len(text)+1)
	for i, r := range text {
		if unprintable(r) { // its escape would move the caret
			text[i] = '·'
		}
	}
	return []string{"  " + string(text), "  " + strings.Repeat(" ", column-1) + "^"}
}

// missingLines names the nodes that an error is about and that its sentence does not name.
func missingLines(sentence string, metadata map[string]string) []string {
	var untold []string
	for name := range strings.SplitSeq(metadata["missing"], ",") {
		if !strings.Contains(sentence, name) {
			untold = append(untold, name)
		}
	}
	if len(untold) == 0 {
		return nil
	}
	return []string{"  also missing: " + strings.Join(untold, ", ")}
}

// transportText is the transport's error without the layers that gRPC wraps around it.
func transportText(st *status.Status) string {
	text := st.Message()
	if i := strings.LastIndex(text, "Error while dialing: "); i >= 0 {
		text = strings.TrimSuffix(text[i+len("Error while dialing: "):], `"`)
	}
	return text
}
