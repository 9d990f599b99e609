// Package control is the gRPC control plane of a gateway. It answers sockgate.v1.GatewayService by calling a [Gateway]
// and converting its answers.
//
//	plane := control.New(srv, control.Config{})   // srv is a *server.Server
//	err := plane.Serve(listener)                  // until plane.Stop
//
// The server ends first, then its event log (srv.Log().Close()) and with it the event streams, then the control plane.
// A program that embeds a server needs New, Config and Server; Local, Service and NewInFleet are for package fleet. The
// example LineProtocol is a whole program: a protocol of its own, its control plane and a client.
package control
