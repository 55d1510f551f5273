package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strconv"

	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/config"
	"github.com/envoyproxy/go-control-plane/pkg/server/sotw/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"github.com/envoyproxy/go-control-plane/pkg/test/resource/v3"
	testv3 "github.com/envoyproxy/go-control-plane/pkg/test/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
)

// snapshotCommand: everything that a node has from now on. Resources are JSON of Anys, with `@type`; or else they are
// what the integration test of go-control-plane generates.
type snapshotCommand struct {
	Id        int                          `json:"id"`
	Node      string                       `json:"node"`
	Version   string                       `json:"version"`
	Resources map[string][]json.RawMessage `json:"resources"`
	Generate  *generated                   `json:"generate"`
}

type generated struct {
	Mode         string `json:"mode"`
	BasePort     uint32 `json:"basePort"`
	UpstreamPort uint32 `json:"upstreamPort"`
	Clusters     int    `json:"clusters"`
	Http         int    `json:"http"`
	Scoped       int    `json:"scoped"`
	Vhds         int    `json:"vhds"`
	Tcp          int    `json:"tcp"`
	Runtimes     int    `json:"runtimes"`
	Tls          bool   `json:"tls"`
}

// seen is what a client said in one request that answers something.
type seen struct {
	Event   string `json:"event"`
	Type    string `json:"type"`
	Version string `json:"version"`
	Error   string `json:"error"`
}

// runControlPlane serves the snapshots that it is told, over gRPC (aggregated and one service per type, both protocols)
// and REST. Its first line says on which ports.
func runControlPlane() {
	isAds := len(os.Args) > 2 && os.Args[2] == "ads"
	options := []config.XDSOption{}
	if isAds {
		options = append(options, sotw.WithOrderedADS())
	}
	snapshots := cache.NewSnapshotCache(isAds, cache.IDHash{}, nil)
	xds := server.NewServer(context.Background(), snapshots, server.CallbackFuncs{
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			said(request.GetTypeUrl(), request.GetVersionInfo(), request.GetResponseNonce(), request.GetErrorDetail())
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			said(request.GetTypeUrl(), "", request.GetResponseNonce(), request.GetErrorDetail())
			return nil
		},
		FetchRequestFunc: func(_ context.Context, request *discovery.DiscoveryRequest) error {
			said(request.GetTypeUrl(), request.GetVersionInfo(), request.GetVersionInfo(), request.GetErrorDetail())
			return nil
		},
	}, options...)

	grpcServer := grpc.NewServer()
	testv3.RegisterServer(grpcServer, xds)
	grpcListener, grpcPort := listen()
	go func() { fail("gRPC: %v", grpcServer.Serve(grpcListener)) }()

	gateway := &server.HTTPGateway{Server: xds}
	restListener, restPort := listen()
	go func() { fail("REST: %v", http.Serve(restListener, rest(gateway))) }()

	tell(map[string]int{"grpc": grpcPort, "rest": restPort})
	commands(func(line []byte) {
		var command snapshotCommand
		if err := json.Unmarshal(line, &command); err != nil {
			fail("bad command: %v", err)
		}
		if err := set(snapshots, command); err != nil {
			tell(map[string]any{"id": command.Id, "error": err.Error()})
			return
		}
		tell(map[string]any{"id": command.Id, "error": ""})
	})
}

func said(typeUrl, version, nonce string, problem *status.Status) {
	if nonce == "" {
		return
	}
	event := seen{Event: "ack", Type: typeUrl, Version: version}
	if problem != nil {
		event.Event = "nack"
		event.Error = problem.GetMessage()
	}
	tell(event)
}

// generate makes the resources of pkg/test/main, without their access log over gRPC.
func generate(version string, wanted *generated) (*cache.Snapshot, error) {
	test := resource.TestSnapshot{
		Xds:                    wanted.Mode,
		Version:                version,
		UpstreamPort:           wanted.UpstreamPort,
		BasePort:               wanted.BasePort,
		NumClusters:            wanted.Clusters,
		NumHTTPListeners:       wanted.Http,
		NumScopedHTTPListeners: wanted.Scoped,
		NumVHDSHTTPListeners:   wanted.Vhds,
		NumTCPListeners:        wanted.Tcp,
		NumRuntimes:            wanted.Runtimes,
		TLS:                    wanted.Tls,
	}
	snapshot := test.Generate()
	for _, each := range snapshot.GetResources(resourcev3.ListenerType) {
		for _, chain := range each.(*listener.Listener).GetFilterChains() {
			for _, filter := range chain.GetFilters() {
				manager := &hcm.HttpConnectionManager{}
				if filter.GetTypedConfig().UnmarshalTo(manager) != nil {
					continue
				}
				manager.AccessLog = nil
				if err := filter.GetTypedConfig().MarshalFrom(manager); err != nil {
					return nil, err
				}
			}
		}
	}
	return snapshot, nil
}

func set(snapshots cache.SnapshotCache, command snapshotCommand) error {
	snapshot, err := snapshotOf(command)
	if err != nil {
		return err
	}
	return snapshots.SetSnapshot(context.Background(), command.Node, snapshot)
}

func snapshotOf(command snapshotCommand) (*cache.Snapshot, error) {
	if command.Generate != nil {
		return generate(command.Version, command.Generate)
	}
	resources := map[string][]types.Resource{}
	for typeUrl, texts := range command.Resources {
		resources[typeUrl] = []types.Resource{}
		for _, text := range texts {
			packed := &anypb.Any{}
			if err := protojson.Unmarshal(text, packed); err != nil {
				return nil, err
			}
			message, err := packed.UnmarshalNew()
			if err != nil {
				return nil, err
			}
			resources[typeUrl] = append(resources[typeUrl], message)
		}
	}
	return cache.NewSnapshot(command.Version, resources)
}

// rest answers with what the gateway says.
func rest(gateway *server.HTTPGateway) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, code, err := gateway.ServeHTTP(request)
		if err != nil {
			http.Error(answer, err.Error(), code)
			return
		}
		answer.Header().Set("content-type", "application/json")
		answer.WriteHeader(code)
		_, _ = answer.Write(body)
	})
}

func listen() (net.Listener, int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail("listen: %v", err)
	}
	_, text, _ := net.SplitHostPort(listener.Addr().String())
	port, _ := strconv.Atoi(text)
	return listener, port
}
