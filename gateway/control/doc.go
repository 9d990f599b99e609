// Package control is the gRPC control plane of a gateway: it answers sockgate.v1.GatewayService by calling a [Gateway]
// and converting.
//
//	plane := control.New(srv, control.Config{})   // srv is a *server.Server
//	err := plane.Serve(listener)                  // until plane.Stop
//
// The example LineProtocol is a whole program: a protocol of its own, its control plane and a client.
//
// The way of a call: package auth finds out what its connection and its token prove; interceptors.go logs it, makes
// statuses of errors, recovers, authorizes and validates; service.go or stream.go calls the gateway; convert.go
// converts the server's types into the contract's. errors.go is the one table from errors to statuses.
package control
