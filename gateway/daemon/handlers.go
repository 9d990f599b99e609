package daemon

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// The words for --handler, and for handler= behind an address. A name follows the last one.
const (
	echoWord   = "echo"
	sinkWord   = "sink"
	remoteWord = "remote:"
)

// checkHandler refuses a text that is no handler.
func checkHandler(text string) error {
	name, remote := strings.CutPrefix(text, remoteWord)
	switch {
	case text == echoWord, text == sinkWord:
		return nil
	case !remote:
		return errors.New("expected echo, sink or remote:NAME")
	case !event.ValidNode(name): // the names of handlers have the form of nodes' names
		return errors.New("expected remote: and a name of 1 to 32 of a-z, 0-9 and -")
	}
	return nil
}

// remotes returns the server's handler for the programs that attach under a name. It is asked once for each name.
type remotes func(name string) (server.Handler, error)

// noRemotes are the remotes of a gateway that no program can attach to.
func noRemotes(name string) (server.Handler, error) {
	return nil, fmt.Errorf("handler %s%s: no program can attach to this gateway; expected echo or sink", remoteWord, name)
}

// handlerSet makes the handlers of the listeners. Listeners with the same words share a handler.
type handlerSet struct {
	greeting, echoPrefix string
	remotes              remotes
	made                 map[string]server.Handler
}

// of returns the handler of words that checkHandler has accepted.
func (h *handlerSet) of(text string) (server.Handler, error) {
	if known := h.made[text]; known != nil {
		return known, nil
	}
	made, err := h.newHandler(text)
	if err != nil {
		return nil, err
	}
	h.made[text] = made
	return made, nil
}

func (h *handlerSet) newHandler(text string) (server.Handler, error) {
	name, remote := strings.CutPrefix(text, remoteWord)
	switch {
	case remote:
		return h.remotes(name)
	case text == sinkWord:
		return handler.Sink{Greeting: []byte(h.greeting)}, nil
	}
	return handler.Echo{Greeting: []byte(h.greeting), Prefix: []byte(h.echoPrefix)}, nil
}
