package control

import "context"

// meaning is the part of a request that validation has parsed. It travels in the call's context to the service, which
// parses nothing again.
type meaning struct {
	request any // the message itself: a fleet may pass on another message with the same context
	parsed  any // a server.GroupBy or *changes
}

type meaningKey struct{}

// withMeaning validates a request and returns a context that carries its meaning.
func withMeaning(ctx context.Context, request any) (context.Context, error) {
	parsed, err := parse(request)
	if err != nil || parsed == nil {
		return ctx, err
	}
	return context.WithValue(ctx, meaningKey{}, meaning{request, parsed}), nil
}

// meaningOf returns the meaning that validation found, or parses a request that was not validated on its way.
func meaningOf[T any, R comparable](ctx context.Context, request R, parse func(R) (T, error)) (T, error) {
	if m, ok := ctx.Value(meaningKey{}).(meaning); ok && m.request == any(request) {
		if parsed, ok := m.parsed.(T); ok {
			return parsed, nil
		}
	}
	return parse(request)
}
