package daemon

import (
	"errors"
	"strings"

	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/lane"
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
	case !lane.ValidName(name):
		return errors.New("expected remote: and a name of 1 to 32 of a-z, 0-9 and -")
	}
	return nil
}

// handlerSet makes the handlers of the listeners. Listeners with the same words share a handler.
type handlerSet struct {
	greeting, echoPrefix string
	remotes              *lane.Table
	made                 map[string]server.Handler
}

// of returns the handler of words that checkHandler has accepted.
func (h *handlerSet) of(text string) server.Handler {
	if h.made[text] == nil {
		h.made[text] = h.newHandler(text)
	}
	return h.made[text]
}

func (h *handlerSet) newHandler(text string) server.Handler {
	name, remote := strings.CutPrefix(text, remoteWord)
	switch {
	case remote:
		return h.remotes.Handler(name)
	case text == sinkWord:
		return handler.Sink{Greeting: []byte(h.greeting)}
	}
	return handler.Echo{Greeting: []byte(h.greeting), Prefix: []byte(h.echoPrefix)}
}
