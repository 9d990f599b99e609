package app

import (
	"strings"
	"testing"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Every outcome that is a failure is shown as a sentence, and not by its name.
func TestEveryFailedOutcomeHasASentence(t *testing.T) {
	for n := range sockgatev1.Outcome_name {
		o := sockgatev1.Outcome(n)
		// A malformed ID has a message of its own, and no verb answers UNSPECIFIED.
		if n == 0 || o == sockgatev1.Outcome_OUTCOME_MALFORMED_ID || OutcomeExitCode(o) == ExitDone {
			continue
		}
		if text := OutcomeSentence(o); text == OutcomeText(o) || !strings.Contains(text, " ") {
			t.Errorf("%s: %q", o, text)
		}
	}
}
