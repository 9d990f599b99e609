// Package control is the gRPC adapter of a gateway: it answers sockgate.v1.GatewayService by calling a [Gateway] and
// converting.
//
// The way of a call: session.go (what its connection proves), authenticate.go (who makes it), interceptors.go (log,
// errors to statuses, recover, authorize, validate), service.go or stream.go (call the gateway), convert.go (from the
// server's types to the contract's). errors.go is the one table from errors to statuses.
package control
