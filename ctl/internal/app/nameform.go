package app

import (
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// nameForm is the form of a name that a gateway gives to a thing, and that ctl prints for programs or sends back.
type nameForm struct {
	what  string // the name, with its article
	looks string // the expected form
	ok    func(string) bool
}

var (
	connectionID = &nameForm{"a connection ID", "node.incarnation.seq, for example " + exampleID, isConnectionID}
	nodesName    = &nameForm{"a node's name", "1 to 32 of a-z, 0-9 and -", emptyOr(nodeName.MatchString)}
	incarnation  = &nameForm{"an incarnation", "1 to 16 hex digits", emptyOr(isIncarnation)}
	cursor       = &nameForm{"a cursor", "node.incarnation@sequence, separated by commas", emptyOr(isCursor)}
	handlersName = &nameForm{"a handler's name", nodesName.looks, HandlerName.MatchString}
	instanceName = &nameForm{"an instance's name", "1 to 64 of A-Z, a-z, 0-9, ., _ and -", InstanceName.MatchString}
	pageToken    = &nameForm{"a page token", "at most 4096 characters of ASCII without spaces", isPageToken}
)

// The forms of the names that a remote handler and its instances have.
var (
	HandlerName  = nodeName
	InstanceName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

// nameForms are the fields of answers that have such a name. Every other text is free, and only printed.
var nameForms = map[protoreflect.FullName]*nameForm{
	"sockgate.v1.Connection.id":                           connectionID,
	"sockgate.v1.Connection.node":                         nodesName,
	"sockgate.v1.TargetOutcome.id":                        connectionID,
	"sockgate.v1.Event.node":                              nodesName,
	"sockgate.v1.Event.incarnation":                       incarnation,
	"sockgate.v1.NodeDetails.node":                        nodesName,
	"sockgate.v1.NodeDetails.incarnation":                 incarnation,
	"sockgate.v1.ControlDetails.via_node":                 nodesName,
	"sockgate.v1.SnapshotCompleteDetails.cursor":          cursor,
	"sockgate.v1.SnapshotCompleteDetails.missing_nodes":   nodesName,
	"sockgate.v1.NodeResult.node":                         nodesName,
	"sockgate.v1.Node.name":                               nodesName,
	"sockgate.v1.Node.incarnation":                        incarnation,
	"sockgate.v1.Instance.handler":                        handlersName,
	"sockgate.v1.Instance.instance":                       instanceName,
	"sockgate.v1.Instance.node":                           nodesName,
	"sockgate.v1.HandlerStatus.handler":                   handlersName,
	"sockgate.v1.HandlerStatus.node":                      nodesName,
	"sockgate.v1.Welcome.node":                            nodesName,
	"sockgate.v1.Welcome.incarnation":                     incarnation,
	"sockgate.v1.NodeAddress.node":                        nodesName,
	"sockgate.v1.NodeLimits.node":                         nodesName,
	"sockgate.v1.Ban.node":                                nodesName,
	"sockgate.v1.GetGatewayResponse.node":                 nodesName,
	"sockgate.v1.GetGatewayResponse.incarnation":          incarnation,
	"sockgate.v1.GetGatewayResponse.cursor":               cursor,
	"sockgate.v1.ListConnectionsResponse.cursor":          cursor,
	"sockgate.v1.ListConnectionsResponse.next_page_token": pageToken,
	"sockgate.v1.ListBansResponse.next_page_token":        pageToken,
	"sockgate.v1.CountConnectionsResponse.cursor":         cursor,
	"sockgate.v1.StreamEventsResponse.cursor":             cursor,
}

// fits reports whether a text has the form. An outcome repeats the text that was given in place of an ID.
func (f *nameForm) fits(m protoreflect.Message, text string) bool {
	if o, ok := m.Interface().(*pb.TargetOutcome); ok && o.GetOutcome() == pb.Outcome_OUTCOME_MALFORMED_ID {
		return true
	}
	return f.ok(text)
}

// emptyOr lets a name be absent.
func emptyOr(ok func(string) bool) func(string) bool {
	return func(s string) bool { return s == "" || ok(s) }
}

func isConnectionID(s string) bool {
	origin, seq, _ := cutLast(s, ".")
	return isOrigin(origin) && isNumber(seq) && seq != "0"
}

// isOrigin reports whether a text is node.incarnation.
func isOrigin(s string) bool {
	node, life, ok := strings.Cut(s, ".")
	return ok && nodeName.MatchString(node) && isIncarnation(life)
}

func isIncarnation(s string) bool {
	return len(s) >= 1 && len(s) <= 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// isCursor reports whether a text is the position of a node, or those of several.
func isCursor(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		origin, sequence, _ := strings.Cut(part, "@")
		if !isOrigin(origin) || !isNumber(sequence) {
			return false
		}
	}
	return true
}

// isNumber reports whether a text is a whole number as the gateway writes one.
func isNumber(s string) bool {
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// isPageToken accepts any token that can be printed: gateways choose its form. An empty one ends a walk.
func isPageToken(s string) bool {
	return len(s) <= 4096 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
