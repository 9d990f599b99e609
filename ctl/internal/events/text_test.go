package events

import (
	"strings"
	"testing"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A line of refusals has the reason, the newest address and the number; every reason has its name.
func TestRefusedLines(t *testing.T) {
	for n := range pb.CloseReason_name {
		reason := pb.CloseReason(n)
		if text := refusedText(&pb.RefusedDetails{Reason: reason, Count: 1}); (text == "") != (n == 0) ||
			strings.ContainsAny(text, "=\"") {
			t.Errorf("%s: %q", reason, text)
		}
	}
	got := refusedText(&pb.RefusedDetails{Reason: pb.CloseReason_CLOSE_REASON_TLS_HANDSHAKE,
		Message: "\x1b", Listener: "g", RemoteAddress: "unix:\x1b", Count: 2})
	if want := `TLS_HANDSHAKE "\x1b" listener=g remote=unix:\x1b count=2`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An identity that looks like several fields stays one field.
func TestPeerTextQuotesAnIdentity(t *testing.T) {
	if got, want := peerText(&pb.Connection{PeerIdentity: "a proxy=192.0.2.1:5"}),
		` identity="a proxy=192.0.2.1:5"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
