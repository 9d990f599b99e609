package app

import (
	"strings"
	"testing"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Every outcome that is a failure is shown as a sentence, and not by its name.
func TestEveryFailedOutcomeHasASentence(t *testing.T) {
	for n := range pb.Outcome_name {
		o := pb.Outcome(n)
		// A malformed ID has a message of its own, and no verb answers UNSPECIFIED.
		if n == 0 || o == pb.Outcome_OUTCOME_MALFORMED_ID || OutcomeExitCode(o) == ExitDone {
			continue
		}
		if text := OutcomeSentence(o); text == OutcomeText(o) || !strings.Contains(text, " ") {
			t.Errorf("%s: %q", o, text)
		}
	}
}
