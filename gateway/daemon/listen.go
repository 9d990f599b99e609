package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
	"github.com/sockgate/sockgate/gateway/server"
)

// listenerSettings are the settings of one listener: the settings for all listeners, changed by its own words.
type listenerSettings struct {
	server.ListenerConfig                  // without TLS, because its files are not open yet
	files                 *tlsfiles.Config // nil without TLS
	maxConnections        int              // 0: no limit of its own
	handler               string           // in words
}

// name returns the listener's name, which is its address if none was given.
func (l *listenerSettings) name() string { return cmp.Or(l.Name, l.Address) }

// config makes the listener's configuration, and opens its certificates.
func (l *listenerSettings) config(held *certificates, handlers *handlerSet) (c server.ListenerConfig, err error) {
	c = l.ListenerConfig
	c.Name = l.name()
	c.Handler = handlers.of(l.handler)
	if l.files != nil {
		c.TLS, err = held.open(*l.files)
	}
	return c, err
}

// listenWords are the words after the address of one --listen. An empty field was not given.
type listenWords struct {
	onOff          string // whether the listener speaks TLS
	tls            tlsFlags
	proxy          proxyFlags
	maxConnections string
	frame          frameWords
	handler        string
}

// parseListen parses `[name=]address [word=value]…` into a listener. tls and proxy are the settings for all
// listeners. The error quotes the text.
func parseListen(text string, tls tlsFlags, proxy proxyFlags) (listenerSettings, error) {
	l, err := readListen(text, tls, proxy)
	if err != nil {
		return l, fmt.Errorf("--listen %.200q: %w", text, err)
	}
	return l, nil
}

// readListen does the same as parseListen, but its errors do not quote the text.
func readListen(text string, tls tlsFlags, proxy proxyFlags) (l listenerSettings, err error) {
	fields, err := splitWords(text)
	if err != nil {
		return l, err
	}
	address := ""
	if len(fields) > 0 {
		address = fields[0]
	}
	if l.Name, l.Address, err = parseAddress(address); err != nil {
		return l, err
	}
	var w listenWords
	for _, field := range fields[1:] {
		if err := w.set(field); err != nil {
			return l, err
		}
	}
	if l.files, err = w.files(tls); err != nil {
		return l, err
	}
	settled := w.proxy.over(proxy)
	mode, trusted, err := settled.settled()
	if err != nil {
		return l, err
	}
	if mode == server.ProxyOff && len(w.proxy.trusted) > 0 {
		return l, errors.New("proxy-trusted does nothing without PROXY headers: add proxy=required or proxy=optional")
	}
	l.Proxy, l.ProxyTrusted = mode, trusted
	f, err := w.frame.framing()
	if err != nil {
		return l, err
	}
	l.Frame, l.MaxFrame, l.FrameTimeout = f.Frame, f.MaxFrame, f.FrameTimeout
	if l.handler, err = w.ownHandler(); err != nil {
		return l, err
	}
	if w.maxConnections != "" {
		if l.maxConnections, err = strconv.Atoi(w.maxConnections); err != nil || l.maxConnections < 1 {
			return l, fmt.Errorf("max-connections=%.100s: expected a whole number from 1", w.maxConnections)
		}
	}
	return l, nil
}

// splitWords cuts a text at white space. Double quotes keep a word together, as in tls-cert="/my files/a.pem", and are
// not part of it.
func splitWords(text string) ([]string, error) {
	var all []string
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range text {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
		case !quoted && unicode.IsSpace(r):
			if begun {
				all = append(all, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quoted {
		return nil, errors.New(`a double quote begins and does not end; expected for example tls-cert="/my files/a.pem"`)
	}
	if begun {
		all = append(all, word.String())
	}
	return all, nil
}

// parseAddress reads [name=]address and checks its form. Listening shows later whether it can be bound.
func parseAddress(text string) (name, address string, err error) {
	name, address, named := strings.Cut(text, "=")
	if !named {
		name, address = "", text
	}
	if path, ok := strings.CutPrefix(address, unixScheme); ok {
		if strings.HasPrefix(path, "/") {
			return name, address, nil
		}
		return name, address, errors.New("expected an absolute path, [name=]unix:///path")
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return name, address, fmt.Errorf("expected [name=]host:port or [name=]unix:///path, and perhaps words behind it "+
			"such as tls=off: %w", err)
	}
	return name, address, nil
}

// texts maps each word with a single value to its field.
func (w *listenWords) texts() map[string]*string {
	return map[string]*string{
		"tls":             &w.onOff,
		"client-auth":     &w.tls.clientAuth,
		"min-version":     &w.tls.minVersion,
		"proxy":           &w.proxy.mode,
		"max-connections": &w.maxConnections,
		"handler":         &w.handler,
		"frame":           &w.frame.format,
		"max-frame":       &w.frame.most,
		"frame-timeout":   &w.frame.timeout,
	}
}

// lists maps each word that may be repeated to its field.
func (w *listenWords) lists() map[string]*[]string {
	return map[string]*[]string{
		"tls-cert":  &w.tls.certs,
		"tls-key":   &w.tls.keys,
		"client-ca": &w.tls.clientCA,
		"alpn":      &w.tls.alpn,
	}
}

// knownWords lists all words, in the order of the documents.
func knownWords() []string {
	return []string{"tls", "tls-cert", "tls-key", "client-ca", "client-auth", "min-version", "alpn", "proxy",
		"proxy-trusted", "max-connections", "handler", "frame", "max-frame", "frame-timeout"}
}

// set takes one word=value.
func (w *listenWords) set(field string) error {
	word, value, ok := strings.Cut(field, "=")
	if !slices.Contains(knownWords(), word) {
		return fmt.Errorf("unknown word %.100q behind the address; the words are %s, each with = and a value", word,
			strings.Join(knownWords(), ", "))
	}
	if !ok || value == "" {
		return fmt.Errorf("%s has no value; expected %s= and one", word, word)
	}
	if list := w.lists()[word]; list != nil {
		*list = append(*list, value)
		return nil
	}
	if word == "proxy-trusted" {
		if err := w.proxy.trusted.Append(value); err != nil {
			return fmt.Errorf("proxy-trusted: %w", err)
		}
		return nil
	}
	text := w.texts()[word]
	if *text != "" {
		return fmt.Errorf("%s is there twice: %.100s and %.100s; expected it once", word, *text, value)
	}
	*text = value
	return nil
}

// ownHandler returns the handler's words, or "" if the listener has none of its own.
func (w *listenWords) ownHandler() (string, error) {
	if w.handler == "" {
		return "", nil
	}
	if err := checkHandler(w.handler); err != nil {
		return "", fmt.Errorf("handler=%.100s: %w", w.handler, err)
	}
	return w.handler, nil
}

// files returns the configuration of the listener's TLS, or nil if it has none. A listener speaks TLS if a certificate
// is given, for it or for all, unless it has tls=off.
func (w *listenWords) files(defaults tlsFlags) (*tlsfiles.Config, error) {
	own := w.tls.said()
	settled := w.tls.over(defaults)
	switch {
	case w.onOff != "" && w.onOff != "on" && w.onOff != "off":
		return nil, fmt.Errorf("tls=%.100s: expected on or off", w.onOff)
	case w.onOff == "off" && own:
		return nil, errors.New("tls=off, and words that are for TLS; expected the one or the other")
	case w.onOff == "off", w.onOff == "" && !own && len(settled.certs)+len(settled.keys) == 0:
		return nil, nil
	}
	c, err := settled.files()
	if err != nil {
		return nil, err
	}
	return &c, nil
}
