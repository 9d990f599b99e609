// Package control is the gRPC control plane of a gateway. It answers sockgate.v1.GatewayService by calling a [Gateway]
// and converting its answers.
//
//	plane := control.New(srv, control.Config{})   // srv is a *server.Server
//	err := plane.Serve(listener)                  // until plane.Stop
//
// The example LineProtocol is a whole program: a protocol of its own, its control plane and a client.
//
// A call passes these steps. Package auth authenticates its connection and its token. The interceptors of
// interceptors.go log it, turn errors into statuses, recover from panics, authorize and validate. service.go or
// stream.go calls the gateway. convert.go converts the server's types to the contract's. errors.go has the one table
// from errors to statuses.
package control
