package member

import (
	"fmt"
	"strings"

	"github.com/sockgate/sockgate/gateway/event"
)

// Everybody stands for all nodes in a subject. No node can have the name.
const Everybody = "_all"

// Subjects are the subjects of a fleet. The contract (sockgate.fleet.v1) describes each.
type Subjects struct{ prefix string }

// NewSubjects returns the subjects of a fleet with a valid name.
func NewSubjects(fleet string) Subjects { return Subjects{"sockgate." + fleet + "."} }

func (s Subjects) hello(from string) string { return s.prefix + "hello." + from }
func (s Subjects) beat(from string) string  { return s.prefix + "beat." + from }

// Ask is the subject of requests from one node to another, or to Everybody.
func (s Subjects) Ask(from, to string) string { return s.prefix + "ask." + from + "." + to }

// Answer is the subject of answers from one node to another.
func (s Subjects) Answer(from, to string) string { return s.prefix + "answer." + from + "." + to }

// From returns the node that sent a message: the word after the kind in the subject. It returns an error if that is no
// node's name.
func (s Subjects) From(subject string) (string, error) {
	words := strings.Split(strings.TrimPrefix(subject, s.prefix), ".")
	if !strings.HasPrefix(subject, s.prefix) || len(words) < 2 || !event.ValidNode(words[1]) {
		return "", fmt.Errorf("%.100q is no subject of this fleet", subject)
	}
	return words[1], nil
}
