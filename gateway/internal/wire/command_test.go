package wire_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/internal/wire"
	"github.com/sockgate/sockgate/gateway/lane"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// request has every field of a command, in several commands.
func request() *pb.AttachRequest {
	yes := true
	return &pb.AttachRequest{Drain: durationpb.New(90 * time.Second), Commands: []*pb.Command{
		{Connection: 1},
		{Connection: 1 << 63, Data: []byte("data"), Acknowledged: 300, State: []byte{},
			SetLabels: map[string]string{"a": "1", "b": ""}, RemoveLabels: []string{"c", ""},
			IdleTimeout: durationpb.New(1500 * time.Millisecond), NotifyIdle: &yes},
		{Connection: 2, State: []byte("state"), Close: &pb.Close{Text: "bye", Reset_: true}},
		{Connection: 3, Close: &pb.Close{}, MoveTo: "other"},
	}}
}

// TestCommands compares the decoder with protobuf's.
func TestCommands(t *testing.T) {
	r := request()
	b, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	drain, err := wire.EachCommand(b, func(c *lane.Command) error {
		if !same(c, r.GetCommands()[i]) {
			t.Errorf("%+v; expected %v", c, r.GetCommands()[i])
		}
		i++
		return nil
	})
	if err != nil || i != len(r.GetCommands()) || drain == nil || *drain != 90*time.Second {
		t.Errorf("%d commands, drain %v, %v", i, drain, err)
	}
}

func same(c *lane.Command, want *pb.Command) bool {
	return c.Connection == want.GetConnection() && string(c.Data) == string(want.GetData()) &&
		c.Acknowledged == want.GetAcknowledged() && (c.State == nil) == (want.State == nil) &&
		string(c.State) == string(want.GetState()) && maps.Equal(c.SetLabels, want.GetSetLabels()) &&
		slices.Equal(c.RemoveLabels, want.GetRemoveLabels()) && (c.IdleTimeout == nil) == (want.IdleTimeout == nil) &&
		(c.IdleTimeout == nil || *c.IdleTimeout == want.GetIdleTimeout().AsDuration()) &&
		(c.NotifyIdle == nil) == (want.NotifyIdle == nil) && (c.NotifyIdle == nil || *c.NotifyIdle == want.GetNotifyIdle()) &&
		c.Close == (want.Close != nil) && c.Reset == want.GetClose().GetReset_() && c.Text == want.GetClose().GetText() &&
		c.MoveTo == want.GetMoveTo()
}

// TestWrongRequests checks the errors about requests.
func TestWrongRequests(t *testing.T) {
	again, _ := proto.Marshal(&pb.AttachRequest{Hello: &pb.Hello{Handler: "a"}})
	many, _ := proto.Marshal(&pb.AttachRequest{Commands: slices.Repeat([]*pb.Command{{Connection: 1}},
		wire.MaxCommands+1)})
	labels, _ := proto.Marshal(&pb.AttachRequest{Commands: []*pb.Command{{RemoveLabels: make([]string, 65)}}})
	for text, b := range map[string][]byte{
		"too many labels: at most 64":        labels,
		"hello comes a second time":          again,
		"too many commands: at most 4096":    many,
		"no sockgate.v1.AttachRequest":       {0x12, 0x05, 0x08},
		"is no sockgate.v1.AttachRequest":    {0xff},
		"request is no sockgate.v1.AttachRe": {0x12, 0x02, 0x12, 0x09},
	} {
		if _, err := wire.EachCommand(b, func(*lane.Command) error { return nil }); err == nil ||
			!strings.Contains(err.Error(), text) {
			t.Errorf("%v; expected %s", err, text)
		}
	}
	stop := errors.New("stop")
	b, _ := proto.Marshal(request())
	n := 0
	if _, err := wire.EachCommand(b, func(*lane.Command) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d commands", err, n)
	}
}

// FuzzAttachRequest compares the decoder with protobuf's on any bytes. Protobuf also refuses invalid UTF-8, which the
// decoder leaves to the checks of labels and texts.
func FuzzAttachRequest(f *testing.F) {
	b, err := proto.Marshal(request())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0x12, 0x05, 0x08})
	f.Fuzz(func(t *testing.T, b []byte) {
		decode := func(b []byte) (got []lane.Command, err error) {
			_, err = wire.EachCommand(b, func(c *lane.Command) error {
				got = append(got, *c)
				return nil
			})
			return got, err
		}
		_, _ = decode(b) // must not panic
		want := new(pb.AttachRequest)
		if proto.Unmarshal(b, want) != nil || want.Hello != nil || len(want.GetCommands()) > wire.MaxCommands {
			return
		}
		for _, c := range want.GetCommands() {
			if len(c.GetSetLabels()) > 64 || len(c.GetRemoveLabels()) > 64 {
				return
			}
		}
		once, err := proto.Marshal(want) // without fields that come twice, which protobuf merges
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(once)
		if err != nil || len(got) != len(want.GetCommands()) {
			t.Fatalf("%d commands, %v; expected %v", len(got), err, want)
		}
		for i := range got {
			if d := want.GetCommands()[i].GetIdleTimeout(); d != nil && !d.IsValid() {
				continue
			}
			if !same(&got[i], want.GetCommands()[i]) {
				t.Fatalf("%+v; expected %v", got[i], want.GetCommands()[i])
			}
		}
	})
}
