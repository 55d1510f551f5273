package main

import (
	"context"
	"math/rand"
	"time"

	"google.golang.org/grpc"
)

// What one pretended sidecar knows: names and versions, per type.
type sidecar struct {
	fleet  *fleet
	id     string
	counts int64

	types    map[string]*typeState
	isSynced bool
}

type typeState struct {
	wildcard bool
	wanted   map[string]bool
	held     map[string]string
	version  string
	nonce    string
	started  bool
	answered bool
}

var order = []string{"cluster", "endpoint", "secret", "listener", "route"}

func (s *sidecar) run() {
	s.types = map[string]*typeState{}
	for _, name := range order {
		s.types[name] = &typeState{
			wildcard: name == "cluster" || name == "listener",
			wanted:   map[string]bool{}, held: map[string]string{},
		}
	}
	// As Envoy: jittered, from 0.5 s up to 30 s, anew after something came.
	backoff := 500 * time.Millisecond
	for {
		if s.stream() {
			backoff = 500 * time.Millisecond
		}
		s.fleet.lost.Add(1)
		s.isSynced = false
		time.Sleep(time.Duration(rand.Int63n(int64(backoff) + 1)))
		backoff = min(2*backoff, 30*time.Second)
	}
}

// stream runs one stream until it ends; true if something came on it.
func (s *sidecar) stream() bool {
	conn, err := dial(s.fleet.target)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	path := deltaPath
	if !s.fleet.delta {
		path = sotwPath
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path)
	if err != nil {
		return false
	}
	send := func(message []byte) bool { return stream.SendMsg(&message) == nil }
	node := s.id
	for _, name := range order {
		state := s.types[name]
		// What was asked for on the stream before is asked for at once.
		if isWanted := state.started || name == "cluster"; !isWanted {
			continue
		}
		state.started, state.nonce = false, ""
		if !send(s.request(name, node, nil, nil)) {
			return false
		}
		node = ""
	}
	s.fleet.connected.Add(1)
	hasHeard := false
	for {
		var bytes []byte
		if stream.RecvMsg(&bytes) != nil {
			return hasHeard
		}
		hasHeard = true
		if !s.onResponse(bytes, send) {
			return true
		}
	}
}

func (s *sidecar) onResponse(bytes []byte, send func([]byte) bool) bool {
	response := parseResponse(bytes, s.fleet.delta)
	state := s.types[response.typeName]
	if state == nil {
		return true
	}
	s.fleet.messages.Add(1)
	s.fleet.bytes.Add(int64(len(bytes)))
	state.nonce, state.version, state.answered = response.nonce, response.version, true
	news := map[string][]string{}
	for _, resource := range response.resources {
		state.held[resource.name] = resource.version
		for _, reference := range referencesOf(response.typeName, resource) {
			to := s.types[reference.typeName]
			if !to.wanted[reference.name] {
				to.wanted[reference.name] = true
				news[reference.typeName] = append(news[reference.typeName], reference.name)
			}
		}
	}
	for _, name := range response.removed {
		delete(state.held, name)
	}
	if !send(s.request(response.typeName, "", nil, &response)) {
		return false
	}
	s.fleet.answered(response.typeName, &s.counts)
	for _, name := range order {
		if to := s.types[name]; len(news[name]) > 0 || (!to.started && len(to.wanted) > 0) {
			if !send(s.request(name, "", news[name], nil)) {
				return false
			}
		}
	}
	// As Envoy: listeners after the first clusters.
	if response.typeName == "cluster" && !s.types["listener"].started {
		if !send(s.request("listener", "", nil, nil)) {
			return false
		}
	}
	s.checkSynced()
	return true
}

func (s *sidecar) checkSynced() {
	if s.isSynced || !s.types["listener"].answered || !s.types["listener"].started {
		return
	}
	for _, state := range s.types {
		for name := range state.wanted {
			if _, ok := state.held[name]; !ok {
				return
			}
		}
	}
	s.isSynced = true
	s.fleet.countSynced()
}

// request makes the next request of a type: the first of a stream, an answer, or news of names.
func (s *sidecar) request(typeName, node string, added []string, answer *response) []byte {
	state := s.types[typeName]
	isFirst := !state.started
	state.started = true
	if s.fleet.delta {
		subscribe := added
		var versions map[string]string
		if isFirst {
			versions = state.held
			subscribe = subscribe[:0:0]
			for name := range state.wanted {
				subscribe = append(subscribe, name)
			}
		}
		nonce := ""
		if answer != nil {
			nonce = answer.nonce
		}
		return encodeDelta(node, typeName, subscribe, versions, nonce)
	}
	names := make([]string, 0, len(state.wanted))
	for name := range state.wanted {
		names = append(names, name)
	}
	return encodeSotw(node, typeName, names, state.version, state.nonce)
}
