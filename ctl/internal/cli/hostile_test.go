package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// hostileText drives a terminal in every way, begins lines that look like names, errors and YAML documents, and ends
// words of shells.
const hostileText = "x\x1b]0;own\x07\x1b[35;5mA\u009b2J\x00\x08\x7f\u0085\u00ad\u061c\u200b\u200e\u200f\u202a\u202e\u2066\u2069" +
	"\u2028\u2029\ufeff\U000e0041\r\nevil.1.666\nctl: evil\n--- evil\n\tt\"'`$(evil)\\ é"

// badRune is a character that a gateway must not bring to a terminal.
func badRune(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// ownColour is a colour of ctl's own; hostileText has none of these.
var ownColour = regexp.MustCompile(`\x1b\[(0|1|3[1-6])m`)

// expectHarmless checks one output as a terminal and a script would get it.
func expectHarmless(t *testing.T, what, output string) {
	t.Helper()
	text := ownColour.ReplaceAllString(output, "")
	if i := strings.IndexFunc(text, badRune); i >= 0 || !utf8.ValidString(text) {
		t.Errorf("%s: raw %q in\n%q", what, text[max(i, 0):min(len(text), max(i, 0)+8)], text)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "evil") || strings.HasPrefix(line, "ctl: evil") || strings.HasPrefix(line, "--- evil") {
			t.Errorf("%s: a line of the gateway's own: %q", what, line)
		}
	}
}

// hostile makes answers with hostileText in every text. Names, which ctl checks, are right unless names is set.
type hostile struct{ names bool }

// nameValues are right values of the fields that ctl checks.
var nameValues = map[protoreflect.Name]string{"node": "n", "via_node": "n", "missing_nodes": "n", "incarnation": "1",
	"cursor": "n.1@1"}

// text is the value of a string field.
func (h hostile) text(d protoreflect.FieldDescriptor) protoreflect.Value {
	value, isName := nameValues[d.Name()]
	switch d.FullName() {
	case "sockgate.v1.Connection.id", "sockgate.v1.TargetOutcome.id":
		value, isName = "n.1.1", true
	case "sockgate.v1.Node.name", "sockgate.v1.Instance.handler", "sockgate.v1.HandlerStatus.handler":
		value, isName = "n", true
	case "sockgate.v1.Instance.instance":
		value, isName = "i", true
	case "sockgate.v1.ListConnectionsResponse.next_page_token", "sockgate.v1.ListBansResponse.next_page_token":
		value, isName = "", true // a walk that ends
	}
	if !isName || h.names && value != "" {
		value = hostileText
	}
	return protoreflect.ValueOfString(value)
}

// value is the value of a field that is no message.
func (h hostile) value(d protoreflect.FieldDescriptor) protoreflect.Value {
	switch d.Kind() {
	case protoreflect.StringKind:
		return h.text(d)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(hostileText + "\xff"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(d.Enum().Values().Get(d.Enum().Values().Len() - 1).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(2)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(2)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(2)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(2)
	default:
		return protoreflect.ValueOfUint64(2)
	}
}

// fill sets every field of a message, and two elements of every list.
func (h hostile) fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		switch {
		case d.ContainingOneof() != nil: // hostileEvents has one event for each
		case d.IsMap() && d.MapValue().Kind() == protoreflect.StringKind:
			m.Mutable(d).Map().Set(h.value(d.MapKey()).MapKey(), protoreflect.ValueOfString(hostileText))
		case d.IsMap():
			m.Mutable(d).Map().Set(h.value(d.MapKey()).MapKey(), h.value(d.MapValue()))
		case d.IsList():
			h.fillList(d, m.Mutable(d).List())
		case d.Message() != nil:
			h.fill(m.Mutable(d).Message())
		default:
			m.Set(d, h.value(d))
		}
	}
}

func (h hostile) fillList(d protoreflect.FieldDescriptor, list protoreflect.List) {
	for range 2 {
		if d.Message() == nil {
			list.Append(h.value(d))
			continue
		}
		element := list.NewElement()
		h.fill(element.Message())
		list.Append(element)
	}
}

// events are one event of each type, and one of each kind of details, with the type that it is for.
func (h hostile) events() []*pb.Event {
	var all []*pb.Event
	add := func(kind pb.EventType, details protoreflect.FieldDescriptor) {
		e := &pb.Event{}
		h.fill(e.ProtoReflect())
		e.Type = kind
		h.fill(e.ProtoReflect().Mutable(details).Message())
		all = append(all, e)
	}
	details := (&pb.Event{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	for n := 1; n < len(pb.EventType_name); n++ {
		add(pb.EventType(n), details.Get(0))
	}
	for i := range details.Len() {
		kind, ok := pb.EventType_value["EVENT_TYPE_"+strings.ToUpper(string(details.Get(i).Name()))]
		if !ok {
			kind = int32(pb.EventType_EVENT_TYPE_LISTENING)
		}
		add(pb.EventType(kind), details.Get(i))
	}
	return all
}

// failure is an error with hostileText in every text of every detail, in the answers' place.
func (h hostile) failure(code codes.Code, reason string) error {
	details := []proto.Message{&errdetails.BadRequest{}, &errdetails.PreconditionFailure{}, &errdetails.QuotaFailure{},
		&errdetails.Help{}, &errdetails.LocalizedMessage{}, &errdetails.DebugInfo{}, &errdetails.ResourceInfo{},
		&errdetails.RequestInfo{}, &errdetails.RetryInfo{RetryDelay: durationpb.New(1)}}
	for _, d := range details {
		h.fill(d.ProtoReflect())
	}
	return failure(code, hostileText, reason, map[string]string{"missing": hostileText + "," + hostileText,
		"line": "1", "column": "2", hostileText: hostileText}, details...)
}

// serve starts a gateway that answers every call of the contract by reflection, or with err. It calls ended with the
// number of each stream that ends.
func (h hostile) serve(t *testing.T, err error, ended func(int64)) string {
	t.Helper()
	var streams atomic.Int64
	answerCall := func(_ any, stream grpc.ServerStream) error {
		if e := stream.RecvMsg(&emptypb.Empty{}); e != nil || err != nil {
			return errors.Join(e, err)
		}
		name, _ := grpc.MethodFromServerStream(stream)
		method, e := protoregistry.GlobalFiles.FindDescriptorByName(
			protoreflect.FullName(strings.ReplaceAll(name[1:], "/", ".")))
		if e != nil {
			return e
		}
		kind, e := protoregistry.GlobalTypes.FindMessageByName(
			method.(protoreflect.MethodDescriptor).Output().FullName())
		if e != nil {
			return e
		}
		m := kind.New()
		h.fill(m)
		if events, ok := m.Interface().(*pb.StreamEventsResponse); ok {
			events.Events = h.events()
			defer func() { ended(streams.Add(1)) }()
		}
		return stream.SendMsg(m.Interface())
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(answerCall))
	listener := ctltest.Listen(t)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener.Addr().String()
}

// hostileRuns are runs of every command that takes text from elsewhere, by the command's path. DATA stands for a data
// plane. names is the number of lines of -o name when all names are right; 0 is not checked.
var hostileRuns = map[string][]struct {
	words string
	names int
}{
	"list":      {{"list", 2}, {"list --state all", 2}, {"list --watch --limit 5", 5}},
	"count":     {{"count", 1}, {"count --by listener", 2}},
	"get":       {{"get n.1.1 n.1.2", 2}},
	"send":      {{"send n.1.1 text", 0}, {"send n.1.1 text --wait written", 0}},
	"broadcast": {{"broadcast text", 0}},
	"kick":      {{"kick n.1.1 n.1.2", 0}, {"kick --filter true", 0}, {"kick --filter true --dry-run", 0}},
	"label":     {{"label n.1.1 a=b", 0}, {"label --filter true a=b", 0}},
	"stream-events": {{"events --limit 41", 41}, {"events --snapshot --limit 5", 5},
		{"events --reconnect --data --limit 90", 90}, {"events --no-follow", 0},
		{"events --data --encoding hex --limit 41", 41}},
	"shutdown":    {{"shutdown --all --yes --wait", 0}, {"shutdown --local --yes --wait", 0}, {"shutdown --all", 0}},
	"info":        {{"info", 1}, {"info --node n", 1}},
	"nodes":       {{"nodes", 2}},
	"node list":   {{"node list --local", 2}},
	"node forget": {{"node forget n --yes", 1}},
	"limits get":  {{"limits get", 0}, {"limits get allow listener-connections idle-action", 3}},
	"limits set":  {{"limits set max-connections=5", 1}},
	"handlers":    {{"handlers", 1}, {"handlers --interval 1s", 1}},
	"handlers drain": {{"handlers drain i --yes", 1}, {"handlers drain i --handler n --yes", 1},
		{"handlers drain i", 1}},
	"ban add":    {{"ban add 192.0.2.1", 1}},
	"ban list":   {{"ban list", 1}},
	"ban remove": {{"ban remove 192.0.2.1", 1}},
	"dial": {{"dial --send x DATA", 0}, {"dial --send x --encoding hex DATA", 0},
		{"dial --send x --encoding base64 DATA", 0}},
	"bench idle":      {{"bench idle -c 1 -d 1ms DATA", 0}},
	"bench echo":      {{"bench echo -c 1 -d 1ms --warmup 1ms DATA", 0}},
	"bench connect":   {{"bench connect -c 1 -d 1ms --warmup 1ms DATA", 0}},
	"bench broadcast": {{"bench broadcast -c 1 --count 1 --timeout 50ms DATA", 0}},
	"bench events":    {{"bench events -s 1 -c 1 -d 1ms DATA", 0}},
	"bench handler":   {{"bench handler n -c 1 -d 1ms --warmup 1ms --address DATA", 0}},
}

// ownRuns are the commands that take text from the user and the user's files alone.
var ownRuns = []string{"token create", "token list", "token remove", "context add", "context use", "context list",
	"context remove", "context show", "tls-dev", "version"}

// leaves are the paths of all commands that can be run.
func leaves(cmd *cobra.Command, path string) []string {
	if !cmd.HasSubCommands() {
		return []string{path}
	}
	var all []string
	for _, sub := range cmd.Commands() {
		all = append(all, leaves(sub, strings.TrimSpace(path+" "+sub.Name()))...)
	}
	return all
}

func TestEveryCommandMeetsAHostileGateway(t *testing.T) {
	for _, path := range leaves(rootCommand(&app.App{}), "") {
		if hostileRuns[path] == nil && !slices.Contains(ownRuns, path) {
			t.Errorf("ctl %s has no run in hostileRuns", path)
		}
	}
}

// hostilePeer answers its first bytes with hostileText, and ends.
func hostilePeer(_ int, conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = conn.Read(make([]byte, 1))
	_, _ = io.WriteString(conn, hostileText+"\xff\xfe")
}

// hostileRun runs one line of words. A run that follows for ever ends with its fourth stream.
func hostileRun(t *testing.T, h hostile, err error, words ...string) (run *invocation, code int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gateway := h.serve(t, err, func(n int64) {
		if n >= 4 {
			cancel()
		}
	})
	run = &invocation{ctx: ctx, gateway: gateway, stdout: ctltest.NewOutput(), stderr: ctltest.NewOutput(),
		terminal: true, stdin: strings.NewReader("y\n")}
	return run, run.run(words...)
}

// formats are all of -o.
var formats = []string{"table", "wide", "json", "yaml", "name"}

// TestHostileGateway runs every command in every format against gateways with control characters in every text: a
// wholly hostile one, and an honest one that passes on the texts of others.
func TestHostileGateway(t *testing.T) {
	data := ctltest.Serve(t, ctltest.Listen(t), hostilePeer)
	for path, runs := range hostileRuns {
		t.Run(strings.ReplaceAll(path, " ", "-"), func(t *testing.T) {
			for _, r := range runs {
				words := strings.Fields(strings.ReplaceAll(r.words, "DATA", data))
				for _, format := range formats {
					expectHostileRun(t, format, r.names, append(words, "-o", format))
				}
			}
		})
	}
}

func expectHostileRun(t *testing.T, format string, names int, words []string) {
	t.Helper()
	for _, h := range []hostile{{names: true}, {}} {
		run, code := hostileRun(t, h, nil, words...)
		what := strings.Join(words, " ")
		expectHarmless(t, what+" stdout", run.stdout.String())
		expectHarmless(t, what+" stderr", run.stderr.String())
		if !h.names && format == "name" && names > 0 {
			if got := strings.Count(run.stdout.String(), "\n"); got != names {
				t.Errorf("%s: exit code %d, %d lines, want %d:\n%s%s", what, code, got, names, run.stdout, run.stderr)
			}
		}
		expectDecoded(t, what, format, run.stdout.String())
	}
}

// expectDecoded checks that every text of a document is what the gateway sent.
func expectDecoded(t *testing.T, what, format, output string) {
	t.Helper()
	var decode func(any) error
	switch format {
	case "json":
		decode = json.NewDecoder(strings.NewReader(output)).Decode
	case "yaml":
		decode = yaml.NewDecoder(strings.NewReader(output)).Decode
	default:
		return
	}
	for {
		var document any
		err := decode(&document)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		eachText(document, func(text string) {
			// Bench and dial put texts together; U+FFFD is a byte that is not UTF-8.
			if strings.ContainsFunc(text, badRune) && !strings.Contains(text, hostileText) {
				t.Errorf("%s: decoded %q", what, text)
			}
			if strings.Contains(text, `\u009b`) && !strings.HasPrefix(what, "bench") { // it quotes errors in its notes
				t.Errorf("%s: escaped twice: %q", what, text)
			}
		})
	}
}

// eachText calls see with every text in a decoded document, keys included.
func eachText(v any, see func(string)) {
	switch v := v.(type) {
	case string:
		see(v)
	case []any:
		for _, element := range v {
			eachText(element, see)
		}
	case map[string]any:
		for key, element := range v {
			see(key)
			eachText(element, see)
		}
	}
}

// A decoder of JSON and of YAML gets back just what the gateway sent.
func TestHostileTextRoundTrips(t *testing.T) {
	var h hostile
	want := &pb.GetGatewayResponse{}
	h.fill(want.ProtoReflect())
	run, _ := hostileRun(t, h, nil, "info", "-o", "json")
	got := &pb.GetGatewayResponse{}
	if err := unmarshalJSON([]byte(run.stdout.String()), got); err != nil || !proto.Equal(got, want) {
		t.Errorf("%v: got\n%v\nwant\n%v", err, got, want)
	}
	run, _ = hostileRun(t, h, nil, "info", "-o", "yaml")
	var document map[string]any
	if err := yaml.Unmarshal([]byte(run.stdout.String()), &document); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(document)
	got = &pb.GetGatewayResponse{}
	if err = errors.Join(err, unmarshalJSON(again, got)); err != nil || !proto.Equal(got, want) {
		t.Errorf("%v: got\n%v\nwant\n%v", err, got, want)
	}
}

// TestHostileErrors has every code with every reason that ctl knows, in every verb.
func TestHostileErrors(t *testing.T) {
	reasons := []string{hostileText, "CREDENTIALS_REQUIRED", "NODE_REQUIRED", "NODES_MISSING", "NODE_UNREACHABLE", ""}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		for _, reason := range reasons {
			run, _ := hostileRun(t, hostile{}, hostile{}.failure(code, reason), "list", "--filter", "tru")
			expectHarmless(t, code.String()+" "+reason, run.stderr.String())
		}
	}
	data := ctltest.Serve(t, ctltest.Listen(t), hostilePeer)
	for path, runs := range hostileRuns {
		for _, r := range runs {
			err := hostile{}.failure(codes.InvalidArgument, hostileText)
			run, _ := hostileRun(t, hostile{}, err, strings.Fields(strings.ReplaceAll(r.words, "DATA", data))...)
			expectHarmless(t, path+" stdout", run.stdout.String())
			expectHarmless(t, path+" stderr", run.stderr.String())
		}
	}
}

// TestHostileCompletions asks for the words of every argument and flag.
func TestHostileCompletions(t *testing.T) {
	lines := []string{"get ", "send ", "kick ", "label ", "broadcast x --exclude ", "list --node ", "node forget ",
		"ban remove ", "handlers drain ", "handlers --handler ", "info --node ", "count --by ", "limits get ",
		"shutdown --node "}
	for _, h := range []hostile{{names: true}, {}} {
		for _, line := range lines {
			run, _ := hostileRun(t, h, nil, append([]string{"__complete"}, strings.Split(line, " ")...)...)
			text := strings.ReplaceAll(run.stdout.String(), "\t", "")
			expectHarmless(t, line, text)
			expectHarmless(t, line, run.stderr.String())
			if strings.Contains(text, "$(") && !strings.Contains(text, "n.1.1") {
				t.Errorf("%s: a word that a shell would carry out: %q", line, text)
			}
		}
	}
}

// TestHostileArguments checks that words of the command line, which a script may have from a peer, begin no line of
// their own in a complaint about them.
func TestHostileArguments(t *testing.T) {
	for _, args := range [][]string{
		{"list", "--" + hostileText}, {"list", "-" + hostileText}, {"list", "--timeout=" + hostileText},
		{"send", "edge-1.1.1", "--" + hostileText}, {hostileText}, {"ban", hostileText}, {"list", hostileText},
		{"list", "--node=" + hostileText}, {"list", "-o", hostileText}, {"kick", "--ban=" + hostileText, "edge-1.1.1"},
		{"list", "--context", hostileText}, {"list", "--gateway", hostileText}, {"dial", hostileText},
		{"events", "--type", hostileText}, {"limits", "set", hostileText}, {"list", "--tls-ca", hostileText},
	} {
		run := &invocation{ctx: t.Context(), gateway: ctltest.Refused(t), stdout: ctltest.NewOutput(),
			stderr: ctltest.NewOutput()}
		if code := run.run(args...); code == app.ExitDone {
			t.Errorf("%q: done", args)
		}
		expectHarmless(t, strings.Join(args, " "), run.stdout.String()+run.stderr.String())
	}
}
