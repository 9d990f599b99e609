package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A text in place of an ID is named with its gateway, quoted, and the rest of a list is shown all the same.
func TestNamesAreChecked(t *testing.T) {
	good := testConnection("n.1.1")
	bad := func(change func(*pb.Connection)) *pb.Connection {
		c := testConnection("n.1.2")
		change(c)
		return c
	}
	id := bad(func(c *pb.Connection) { c.Id = "n.1.2\nn.1.3" })
	node := bad(func(c *pb.Connection) { c.Node = "a\u202eb" })
	against(t, &fakeGateway{list: pages(id, good)}).expect(t, app.ExitPartial, "n.1.1\n",
		`ctl: the gateway at GATEWAY gave "n.1.2\nn.1.3" for a connection ID (expected node.incarnation.seq, for example `+
			`edge-1.19ab0d3f1c2.42); left out of its answer: 1 part with such a mistake`+"\n", "list", "-o", "name")
	against(t, &fakeGateway{list: pages(node, id)}).expect(t, app.ExitPartial, "",
		`ctl: the gateway at GATEWAY gave "a\u202eb" for a node's name (expected 1 to 32 of a-z, 0-9 and -); left out of `+
			`its answer: 2 parts with such a mistake`+"\n", "list", "-o", "name")
	g := &fakeGateway{get: func(*pb.GetConnectionRequest) (*pb.GetConnectionResponse, error) {
		return &pb.GetConnectionResponse{Connection: id}, nil
	}}
	against(t, g).expect(t, app.ExitFailed, "",
		`ctl: the gateway at GATEWAY gave "n.1.2\nn.1.3" for a connection ID (expected node.incarnation.seq, for example `+
			`edge-1.19ab0d3f1c2.42), so that its answer is refused`+"\n", "get", "n.1.2", "-o", "name")
	g = &fakeGateway{stream: func(_ *pb.StreamEventsRequest, s eventStream) error {
		return s.Send(&pb.StreamEventsResponse{Cursor: "n.1@1; rm -rf /"})
	}}
	against(t, g).expect(t, app.ExitFailed, "",
		`ctl: the gateway at GATEWAY gave "n.1@1; rm -rf /" for a cursor (expected node.incarnation@sequence, separated by `+
			`commas), so that its answer is refused`+"\n", "events", "--after", "0", "--reconnect")
}

// FuzzHostileGateway puts any text into every text of an answer.
func FuzzHostileGateway(f *testing.F) {
	for _, text := range []string{hostileText, "", "a", "\u202e", "a\nb", "\x9b", "\u009b31m", "\xff", "\\u009b", "日本"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "\ufffd") // others do not pass protobuf
		conn := testConnection("n.1.1")
		conn.Listener, conn.CloseText, conn.PeerIdentity, conn.Labels = text, text, text, map[string]string{text: text}
		ban := &pb.Ban{Target: text, Reason: text}
		g := &fakeGateway{
			list: pages(conn, conn),
			listBans: func(*pb.ListBansRequest) (*pb.ListBansResponse, error) {
				return &pb.ListBansResponse{Bans: []*pb.Ban{ban}}, nil
			},
			nodes: func(*pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
				return nil, failure(codes.FailedPrecondition, text, text, map[string]string{"missing": text})
			},
		}
		run := against(t, g)
		for _, words := range []string{"list -o wide", "list -o json", "list -o yaml", "ban list -o name",
			"ban list", "nodes"} {
			run.run(strings.Fields(words)...)
		}
		for _, output := range []string{run.stdout.String(), run.stderr.String()} {
			if i := strings.IndexFunc(output, badRune); i >= 0 || !utf8.ValidString(output) {
				t.Errorf("%q: raw text in %q", text, output)
			}
		}
		run.stdout = ctltest.NewOutput()
		run.run("list", "-o", "json")
		first, _, _ := bytes.Cut([]byte(run.stdout.String()), []byte("\n"))
		got := &pb.Connection{}
		if err := unmarshalJSON(first, got); err != nil || !proto.Equal(got, conn) {
			t.Errorf("%q: %v, got %v", text, err, got)
		}
	})
}
