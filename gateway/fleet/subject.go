package fleet

import (
	"fmt"
	"strings"

	"github.com/sockgate/sockgate/gateway/event"
)

// everybody stands for all nodes in a subject: no node can have the name.
const everybody = "_all"

// subjects are the subjects of a fleet; the contract (sockgate.fleet.v1) says what each is for.
type subjects struct{ prefix string }

func newSubjects(fleet string) subjects { return subjects{"sockgate." + fleet + "."} }

func (s subjects) hello(from string) string      { return s.prefix + "hello." + from }
func (s subjects) beat(from string) string       { return s.prefix + "beat." + from }
func (s subjects) ask(from, to string) string    { return s.prefix + "ask." + from + "." + to }
func (s subjects) answer(from, to string) string { return s.prefix + "answer." + from + "." + to }

// from returns the node that sent a message: the one word after the kind that is a node's name.
func (s subjects) from(subject string) (string, error) {
	words := strings.Split(strings.TrimPrefix(subject, s.prefix), ".")
	if !strings.HasPrefix(subject, s.prefix) || len(words) < 2 || !event.ValidNode(words[1]) {
		return "", fmt.Errorf("%.100q is no subject of this fleet", subject)
	}
	return words[1], nil
}
