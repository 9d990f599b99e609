package control

import (
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxMethodName is the most bytes of a method's full name.
const maxMethodName = 512

// checkMethodName refuses a name that gRPC itself would refuse, and quote at full length, outside of the interceptors.
func checkMethodName(name string) error {
	if len(name) > maxMethodName || strings.LastIndexByte(name, '/') < 1 {
		return status.Errorf(codes.Unimplemented, "malformed method name: %.50q of %d bytes; expected /service/method", name,
			len(name))
	}
	return nil
}

// methodsOf lists the methods of a server by their full names.
func methodsOf(s *grpc.Server) map[string]struct{} {
	all := make(map[string]struct{})
	for service, info := range s.GetServiceInfo() {
		for _, m := range info.Methods {
			all["/"+service+"/"+m.Name] = struct{}{}
		}
	}
	return all
}

// knownMethod is the interceptor that refuses methods that do not exist, so that also such a call holds memory.
func (l *Local) knownMethod(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo,
	handler grpc.StreamHandler) error {
	if _, ok := l.methods()[info.FullMethod]; ok {
		return handler(service, stream)
	}
	at := strings.LastIndexByte(info.FullMethod, '/')
	return status.Errorf(codes.Unimplemented, "unknown method %s for service %s", info.FullMethod[at+1:],
		strings.TrimPrefix(info.FullMethod[:at], "/"))
}
