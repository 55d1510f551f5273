package main

import (
	"fmt"
	"strings"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const certificateBytes = 1200

// content is what mesh-content.ts is.
type content struct {
	names                []string
	endpointsEach        int
	revision, generation int
	versions             map[types.ResponseType]int
	clusters, endpoints  []types.Resource
	listeners, tables    []types.Resource
}

func newContent(services, endpointsEach int) *content {
	c := &content{endpointsEach: endpointsEach, versions: map[types.ResponseType]int{
		types.Cluster: 1, types.Endpoint: 1, types.Listener: 1, types.Route: 1, types.Secret: 1,
	}}
	for i := 0; i < services; i++ {
		name := fmt.Sprintf("service-%d", i)
		c.names = append(c.names, name)
		c.clusters = append(c.clusters, clusterOf(name))
		c.endpoints = append(c.endpoints, endpointsOf(name, i, endpointsEach, 0))
	}
	c.listeners = []types.Resource{listenerOf("outbound", 15001), listenerOf("inbound", 15006)}
	c.tables = []types.Resource{routeTable("outbound", c.names, 0), routeTable("inbound", c.names[:1], 0)}
	return c
}

func (c *content) shared() map[resource.Type][]types.Resource {
	return map[resource.Type][]types.Resource{
		resource.ClusterType: c.clusters, resource.EndpointType: c.endpoints,
		resource.ListenerType: c.listeners, resource.RouteType: c.tables,
	}
}

func (c *content) secretsOf(sidecar int) []types.Resource {
	text := fmt.Sprintf("%d/%d ", sidecar, c.generation)
	return []types.Resource{
		secretOf("default", text+strings.Repeat("x", certificateBytes-len(text))),
		secretOf("roots", strings.Repeat("r", certificateBytes)),
	}
}

func (c *content) change(command string) {
	c.revision++
	switch command {
	case "endpoint":
		at := c.revision % len(c.names)
		c.endpoints = append([]types.Resource(nil), c.endpoints...)
		c.endpoints[at] = endpointsOf(c.names[at], at, c.endpointsEach, c.revision)
		c.versions[types.Endpoint]++
	case "route", "weight":
		c.tables = []types.Resource{routeTable("outbound", c.names, c.revision), c.tables[1]}
		c.versions[types.Route]++
	case "rotate":
		c.generation++
		c.versions[types.Secret]++
	default:
		panic("unknown command " + command)
	}
}

func pack(message proto.Message) *anypb.Any {
	packed, err := anypb.New(message)
	if err != nil {
		panic(err)
	}
	return packed
}

func ads() *core.ConfigSource {
	return &core.ConfigSource{
		ResourceApiVersion:    core.ApiVersion_V3,
		ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}},
	}
}

func sds(name string) *tls.SdsSecretConfig { return &tls.SdsSecretConfig{Name: name, SdsConfig: ads()} }

func clusterOf(name string) *cluster.Cluster {
	return &cluster.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig:     &cluster.Cluster_EdsClusterConfig{EdsConfig: ads()},
		ConnectTimeout:       durationpb.New(1e9),
		LbPolicy:             cluster.Cluster_LEAST_REQUEST,
		TransportSocket: &core.TransportSocket{
			Name: "envoy.transport_sockets.tls",
			ConfigType: &core.TransportSocket_TypedConfig{TypedConfig: pack(&tls.UpstreamTlsContext{
				Sni: name + ".mesh",
				CommonTlsContext: &tls.CommonTlsContext{
					TlsCertificateSdsSecretConfigs: []*tls.SdsSecretConfig{sds("default")},
					ValidationContextType: &tls.CommonTlsContext_CombinedValidationContext{
						CombinedValidationContext: &tls.CommonTlsContext_CombinedCertificateValidationContext{
							DefaultValidationContext:         &tls.CertificateValidationContext{},
							ValidationContextSdsSecretConfig: sds("roots"),
						},
					},
				},
			})},
		},
	}
}

func endpointsOf(name string, service, count, revision int) *endpoint.ClusterLoadAssignment {
	var hosts []*endpoint.LbEndpoint
	for i := 0; i < count; i++ {
		address := fmt.Sprintf("10.%d.%d.%d", service>>8, service&255, ((i+revision)&127)+1)
		hosts = append(hosts, &endpoint.LbEndpoint{HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{
			Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
				Address: address, PortSpecifier: &core.SocketAddress_PortValue{PortValue: 8443},
			}}},
		}}})
	}
	return &endpoint.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpoint.LocalityLbEndpoints{{
		Locality: &core.Locality{Region: "r", Zone: "a"}, LbEndpoints: hosts,
	}}}
}

func routeTable(name string, services []string, revision int) *route.RouteConfiguration {
	table := &route.RouteConfiguration{Name: name}
	for i, service := range services {
		action := &route.RouteAction{ClusterSpecifier: &route.RouteAction_Cluster{Cluster: service}}
		if i == 0 {
			action.ClusterSpecifier = &route.RouteAction_WeightedClusters{WeightedClusters: weighted(services, revision)}
		}
		table.VirtualHosts = append(table.VirtualHosts, &route.VirtualHost{
			Name: service, Domains: []string{service, service + ".mesh"},
			Routes: []*route.Route{{
				Match:  &route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}},
				Action: &route.Route_Route{Route: action},
			}},
		})
	}
	return table
}

func weighted(services []string, revision int) *route.WeightedCluster {
	share := uint32(revision % 100)
	canary := services[0]
	if len(services) > 1 {
		canary = services[1]
	}
	return &route.WeightedCluster{Clusters: []*route.WeightedCluster_ClusterWeight{
		{Name: services[0], Weight: wrapperspb.UInt32(100 - share)}, {Name: canary, Weight: wrapperspb.UInt32(share)},
	}}
}

func listenerOf(name string, port uint32) *listener.Listener {
	return &listener.Listener{
		Name: name,
		Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
			Address: "127.0.0.1", PortSpecifier: &core.SocketAddress_PortValue{PortValue: port},
		}}},
		FilterChains: []*listener.FilterChain{{Filters: []*listener.Filter{{
			Name: "envoy.filters.network.http_connection_manager",
			ConfigType: &listener.Filter_TypedConfig{TypedConfig: pack(&hcm.HttpConnectionManager{
				StatPrefix: name,
				RouteSpecifier: &hcm.HttpConnectionManager_Rds{Rds: &hcm.Rds{
					RouteConfigName: name, ConfigSource: ads(),
				}},
				HttpFilters: []*hcm.HttpFilter{{
					Name:       "envoy.filters.http.router",
					ConfigType: &hcm.HttpFilter_TypedConfig{TypedConfig: pack(&router.Router{})},
				}},
			})},
		}}}},
	}
}

func secretOf(name, text string) *tls.Secret {
	inline := func(value string) *core.DataSource {
		return &core.DataSource{Specifier: &core.DataSource_InlineString{InlineString: value}}
	}
	return &tls.Secret{Name: name, Type: &tls.Secret_TlsCertificate{TlsCertificate: &tls.TlsCertificate{
		CertificateChain: inline(text), PrivateKey: inline(text[:240]),
	}}}
}
