package server

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A Send to a peer that takes nothing answers QUEUED when its wait is over. When its caller's deadline comes first, it
// answers 20 ms earlier, so that the answer arrives in time.
func TestSendAnswersBeforeItsDeadline(t *testing.T) {
	for _, c := range []struct {
		name                 string
		wait, deadline, want time.Duration
	}{
		{"wait", time.Second, time.Minute, time.Second},
		{"deadline", time.Minute, time.Second, time.Second - answerMargin},
		{"deadline that is too near", time.Minute, answerMargin / 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := idleServer(t, Config{})
				k := s.connect(t, "", 0)
				defer k.finish()
				ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
				defer cancel()
				began := time.Now()
				r, err := s.Send(ctx, SendRequest{ID: k.end.ID(), Data: []byte("x"), Wait: c.wait})
				if took := time.Since(began); err != nil || r.Outcome != OutcomeQueued || r.Queued != 1 || took != c.want {
					t.Errorf("%+v, %v after %s; expected one byte QUEUED after %s", r, err, took, c.want)
				}
			})
		})
	}
}
