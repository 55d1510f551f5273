package main

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/xds"
)

type modeMessage struct {
	Address string `json:"address"`
	Mode    string `json:"mode"`
	Error   string `json:"error"`
}

// runServer ADDRESS NAME: answers every call of test.Echo with NAME, as xDS tells it to.
func runServer(args []string) {
	if len(args) != 2 {
		fail("usage: server ADDRESS NAME")
	}
	name := []byte(args[1])
	credentials, err := xdscreds.NewServerCredentials(
		xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()},
	)
	if err != nil {
		fail("credentials: %v", err)
	}
	server, err := xds.NewGRPCServer(
		grpc.Creds(credentials),
		grpc.ForceServerCodec(rawCodec{}),
		xds.ServingModeCallback(func(address net.Addr, mode xds.ServingModeChangeArgs) {
			told := modeMessage{Address: address.String(), Mode: "not serving"}
			if mode.Mode == connectivity.ServingModeServing {
				told.Mode = "serving"
			}
			if mode.Err != nil {
				told.Error = mode.Err.Error()
			}
			tell(told)
		}),
	)
	if err != nil {
		fail("server: %v", err)
	}
	// The interceptor is where xDS (RBAC) comes in.
	answer := func(method string) grpc.MethodHandler {
		info := &grpc.UnaryServerInfo{FullMethod: "/test.Echo/" + method}
		return func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			question := []byte{}
			if err := decode(&question); err != nil {
				return nil, err
			}
			return intercept(ctx, &question, info, func(context.Context, any) (any, error) {
				return &name, nil
			})
		}
	}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			{MethodName: "Who", Handler: answer("Who")},
			{MethodName: "Secret", Handler: answer("Secret")},
		},
	}, struct{}{})
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		fail("listen: %v", err)
	}
	go func() {
		commands(func([]byte) {})
		server.Stop()
	}()
	if err := server.Serve(listener); err != nil {
		fail("serve: %v", err)
	}
}
