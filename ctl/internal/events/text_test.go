package events

import (
	"strings"
	"testing"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A line of refusals has the reason, the newest address and the number; every reason has its name.
func TestRefusedLines(t *testing.T) {
	for n := range sockgatev1.CloseReason_name {
		reason := sockgatev1.CloseReason(n)
		if text := refusedText(&sockgatev1.RefusedDetails{Reason: reason, Count: 1}); (text == "") != (n == 0) ||
			strings.ContainsAny(text, "=\"") {
			t.Errorf("%s: %q", reason, text)
		}
	}
	got := refusedText(&sockgatev1.RefusedDetails{Reason: sockgatev1.CloseReason_CLOSE_REASON_TLS_HANDSHAKE,
		Message: "\x1b", Listener: "g", RemoteAddress: "unix:\x1b", Count: 2})
	if want := `TLS_HANDSHAKE "\x1b" listener=g remote=unix:\x1b count=2`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An identity that looks like several fields stays one field.
func TestPeerTextQuotesAnIdentity(t *testing.T) {
	if got, want := peerText(&sockgatev1.Connection{PeerIdentity: "a proxy=192.0.2.1:5"}),
		` identity="a proxy=192.0.2.1:5"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
