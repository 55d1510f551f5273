package main

import (
	"hash/fnv"
	"strings"
	"sync"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

var typeURLs = map[string]string{
	"cluster":  "type.googleapis.com/envoy.config.cluster.v3.Cluster",
	"endpoint": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
	"secret":   "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
	"listener": "type.googleapis.com/envoy.config.listener.v3.Listener",
	"route":    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}

var typeNames = func() map[string]string {
	names := map[string]string{}
	for name, url := range typeURLs {
		names[url] = name
	}
	return names
}()

type resource struct {
	name, version string
	value         []byte
}

type response struct {
	typeName, nonce, version string
	resources                []resource
	removed                  []string
}

type reference struct{ typeName, name string }

// eachField calls back with every length-delimited field of a message.
func eachField(message []byte, visit func(number protowire.Number, value []byte)) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return
		}
		message = message[n:]
		if kind == protowire.BytesType {
			value, m := protowire.ConsumeBytes(message)
			if m < 0 {
				return
			}
			visit(number, value)
			message = message[m:]
			continue
		}
		m := protowire.ConsumeFieldValue(number, kind, message)
		if m < 0 {
			return
		}
		message = message[m:]
	}
}

func parseResponse(bytes []byte, isDelta bool) response {
	var parsed response
	var resources [][]byte
	eachField(bytes, func(number protowire.Number, value []byte) {
		switch {
		case number == 1:
			parsed.version = string(value)
		case number == 2:
			resources = append(resources, value)
		case number == 4:
			parsed.typeName = typeNames[string(value)]
		case number == 5:
			parsed.nonce = string(value)
		case number == 6 && isDelta:
			parsed.removed = append(parsed.removed, string(value))
		}
	})
	for _, encoded := range resources {
		if isDelta {
			parsed.resources = append(parsed.resources, parseResource(encoded))
		} else {
			value := anyValue(encoded)
			parsed.resources = append(parsed.resources, resource{name: nameIn(value), version: parsed.version, value: value})
		}
	}
	return parsed
}

func parseResource(encoded []byte) resource {
	var parsed resource
	eachField(encoded, func(number protowire.Number, value []byte) {
		switch number {
		case 1:
			parsed.version = string(value)
		case 2:
			parsed.value = anyValue(value)
		case 3:
			parsed.name = string(value)
		}
	})
	return parsed
}

func anyValue(encoded []byte) []byte {
	var found []byte
	eachField(encoded, func(number protowire.Number, value []byte) {
		if number == 2 {
			found = value
		}
	})
	return found
}

// nameIn: field 1 of all five types.
func nameIn(message []byte) string {
	name := ""
	eachField(message, func(number protowire.Number, value []byte) {
		if number == 1 {
			name = string(value)
		}
	})
	return name
}

// references by content: thousands of sidecars get the same bytes.
var references sync.Map

func referencesOf(typeName string, of resource) []reference {
	if typeName != "cluster" && typeName != "listener" {
		return nil
	}
	hash := fnv.New64a()
	hash.Write(of.value)
	if known, ok := references.Load(hash.Sum64()); ok {
		return known.([]reference)
	}
	var found []reference
	if typeName == "cluster" {
		found = clusterReferences(of.value)
	} else {
		found = listenerReferences(of.value)
	}
	references.Store(hash.Sum64(), found)
	return found
}

func clusterReferences(bytes []byte) []reference {
	message := &cluster.Cluster{}
	must(proto.Unmarshal(bytes, message))
	var found []reference
	if message.GetType() == cluster.Cluster_EDS {
		name := message.GetEdsClusterConfig().GetServiceName()
		if name == "" {
			name = message.GetName()
		}
		found = append(found, reference{"endpoint", name})
	}
	return append(found, socketReferences(message.GetTransportSocket())...)
}

func listenerReferences(bytes []byte) []reference {
	message := &listener.Listener{}
	must(proto.Unmarshal(bytes, message))
	var found []reference
	for _, chain := range append(message.GetFilterChains(), message.GetDefaultFilterChain()) {
		found = append(found, socketReferences(chain.GetTransportSocket())...)
		for _, filter := range chain.GetFilters() {
			manager := &hcm.HttpConnectionManager{}
			if filter.GetTypedConfig().UnmarshalTo(manager) == nil && manager.GetRds() != nil {
				found = append(found, reference{"route", manager.GetRds().GetRouteConfigName()})
			}
		}
	}
	return found
}

func socketReferences(socket *core.TransportSocket) []reference {
	var common *tls.CommonTlsContext
	upstream, downstream := &tls.UpstreamTlsContext{}, &tls.DownstreamTlsContext{}
	switch {
	case strings.HasSuffix(socket.GetTypedConfig().GetTypeUrl(), "UpstreamTlsContext"):
		must(socket.GetTypedConfig().UnmarshalTo(upstream))
		common = upstream.GetCommonTlsContext()
	case strings.HasSuffix(socket.GetTypedConfig().GetTypeUrl(), "DownstreamTlsContext"):
		must(socket.GetTypedConfig().UnmarshalTo(downstream))
		common = downstream.GetCommonTlsContext()
	}
	var found []reference
	for _, secret := range common.GetTlsCertificateSdsSecretConfigs() {
		found = append(found, reference{"secret", secret.GetName()})
	}
	validation := common.GetValidationContextSdsSecretConfig()
	if combined := common.GetCombinedValidationContext(); combined != nil {
		validation = combined.GetValidationContextSdsSecretConfig()
	}
	if validation != nil {
		found = append(found, reference{"secret", validation.GetName()})
	}
	return found
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func text(message []byte, number protowire.Number, value string) []byte {
	if value == "" {
		return message
	}
	return protowire.AppendString(protowire.AppendTag(message, number, protowire.BytesType), value)
}

func node(message []byte, id string) []byte {
	if id == "" {
		return message
	}
	var encoded []byte
	encoded = text(encoded, 1, id)
	encoded = text(encoded, 2, "fleet")
	encoded = text(encoded, 6, "envoy")
	number := protowire.Number(1)
	return protowire.AppendBytes(protowire.AppendTag(message, number, protowire.BytesType), encoded)
}

// DeltaDiscoveryRequest.
func encodeDelta(id, typeName string, subscribe []string, versions map[string]string, nonce string) []byte {
	message := node(nil, id)
	message = text(message, 2, typeURLs[typeName])
	for _, name := range subscribe {
		message = text(message, 3, name)
	}
	for name, version := range versions {
		entry := text(text(nil, 1, name), 2, version)
		message = protowire.AppendBytes(protowire.AppendTag(message, 5, protowire.BytesType), entry)
	}
	return text(message, 6, nonce)
}

// DiscoveryRequest.
func encodeSotw(id, typeName string, names []string, version, nonce string) []byte {
	message := text(nil, 1, version)
	if id != "" {
		var encoded []byte
		encoded = text(encoded, 1, id)
		encoded = text(encoded, 2, "fleet")
		encoded = text(encoded, 6, "envoy")
		message = protowire.AppendBytes(protowire.AppendTag(message, 2, protowire.BytesType), encoded)
	}
	for _, name := range names {
		message = text(message, 3, name)
	}
	message = text(message, 4, typeURLs[typeName])
	return text(message, 5, nonce)
}
