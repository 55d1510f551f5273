// A fleet of pretended sidecars: real gRPC streams to one control plane, each on a connection of its own, that ask and
// answer as Envoy does (clusters, their endpoints, listeners, their routes, secrets), keep nothing but names and
// versions, and tell when all of them have answered. bench/scale.ts starts it.
//
//	stdin, one command a line:   mark TYPE          from now on count the first response of TYPE that each sidecar answers
//	                             expect N TYPE      the same, of N sidecars
//	                             stop
//	stdout, one JSON object a line: synced, marked, all
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
)

const (
	deltaPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
	sotwPath  = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
)

// bytesCodec hands messages through as they are on the wire.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error) { return *(v.(*[]byte)), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	*(v.(*[]byte)) = append([]byte(nil), data...)
	return nil
}
func (bytesCodec) Name() string { return "proto" }

// fleet is what all sidecars share.
type fleet struct {
	target  string
	delta   bool
	started time.Time
	total   int

	connected, synced, lost atomic.Int64

	mu         sync.Mutex
	generation int64
	markType   string
	expected   int
	markedAt   time.Time
	latencies  []time.Duration
	bytes      atomic.Int64
	messages   atomic.Int64
}

func (f *fleet) emit(event string, fields map[string]any) {
	fields["event"] = event
	line, _ := json.Marshal(fields)
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Println(string(line))
}

func (f *fleet) mark(typeName string, expected int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.generation++
	f.markType = typeName
	f.expected = expected
	f.markedAt = time.Now()
	f.latencies = f.latencies[:0]
	f.bytes.Store(0)
	f.messages.Store(0)
}

// answered is called after a response was answered; own is the generation that this sidecar counted last.
func (f *fleet) answered(typeName string, own *int64) {
	f.mu.Lock()
	if typeName != f.markType || *own == f.generation {
		f.mu.Unlock()
		return
	}
	*own = f.generation
	f.latencies = append(f.latencies, time.Since(f.markedAt))
	if len(f.latencies) != f.expected {
		f.mu.Unlock()
		return
	}
	sorted := append([]time.Duration(nil), f.latencies...)
	f.mu.Unlock()
	sort.Slice(sorted, func(a, b int) bool { return sorted[a] < sorted[b] })
	ms := func(share float64) float64 {
		return float64(sorted[int(float64(len(sorted)-1)*share)].Microseconds()) / 1000
	}
	f.emit("all", map[string]any{
		"type": typeName, "p50Ms": ms(0.5), "p99Ms": ms(0.99), "lastMs": ms(1),
		"bytes": f.bytes.Load(), "messages": f.messages.Load(),
	})
}

func (f *fleet) countSynced() {
	if f.synced.Add(1) == int64(f.total) {
		f.emit("synced", map[string]any{"ms": time.Since(f.started).Milliseconds(), "sidecars": f.total, "bytes": f.bytes.Load()})
	}
}

func main() {
	target := flag.String("target", "127.0.0.1:18000", "host:port of the control plane's plaintext xDS")
	count := flag.Int("sidecars", 100, "how many")
	ids := flag.String("ids", "node-%d", "node id of the n-th, as a format")
	protocol := flag.String("protocol", "delta", "delta or sotw")
	perSecond := flag.Int("per-second", 0, "new connections per second; 0 = all at once")
	flag.Parse()
	encoding.RegisterCodec(bytesCodec{})
	f := &fleet{target: *target, delta: *protocol == "delta", started: time.Now(), total: *count, markType: "none"}
	for i := 0; i < *count; i++ {
		go (&sidecar{fleet: f, id: fmt.Sprintf(*ids, i)}).run()
		if *perSecond > 0 {
			time.Sleep(time.Second / time.Duration(*perSecond))
		}
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var command, typeName string
		expected := f.total
		fmt.Sscan(input.Text(), &command)
		switch command {
		case "mark":
			fmt.Sscan(input.Text(), &command, &typeName)
			f.mark(typeName, expected)
			f.emit("marked", map[string]any{"type": typeName})
		case "expect":
			fmt.Sscan(input.Text(), &command, &expected, &typeName)
			f.mark(typeName, expected)
			f.emit("marked", map[string]any{"type": typeName})
		case "stop":
			return
		}
	}
}

func dial(target string) (*grpc.ClientConn, error) {
	return grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithReadBufferSize(4096), grpc.WithWriteBufferSize(4096), grpc.WithSharedWriteBuffer(true),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256<<20)))
}
