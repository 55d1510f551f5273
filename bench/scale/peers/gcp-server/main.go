// The control plane that ours is compared with: go-control-plane's snapshot cache and server, with the content of
// bench/scale/mesh-content.ts and a snapshot for each sidecar. scale.ts starts it and says what changes.
//
//	stdin, one command a line    endpoint | route | weight | rotate | usage | stop
//	stdout, one JSON object a line    {"event":"listening"|"done"|"usage", ...}
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

func say(event string, fields map[string]any) {
	fields["event"] = event
	line, _ := json.Marshal(fields)
	fmt.Println(string(line))
}

type publisher struct {
	cache    cache.SnapshotCache
	content  *content
	sidecars int
	version  int
}

// publish gives every sidecar what the mesh is now.
func (p *publisher) publish() float64 {
	started := time.Now()
	p.version++
	shared := p.content.shared()
	for i := 0; i < p.sidecars; i++ {
		resources := map[resource.Type][]types.Resource{resource.SecretType: p.content.secretsOf(i)}
		for kind, list := range shared {
			resources[kind] = list
		}
		snapshot, err := cache.NewSnapshot("", resources)
		if err != nil {
			panic(err)
		}
		// A version of its own for what changed alone, as the versions of ours are hashes of content.
		for kind, version := range p.content.versions {
			snapshot.Resources[kind].Version = strconv.Itoa(version)
		}
		if err := p.cache.SetSnapshot(context.Background(), fmt.Sprintf("node-%d", i), snapshot); err != nil {
			panic(err)
		}
	}
	return float64(time.Since(started).Microseconds()) / 1000
}

func usage() map[string]any {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	ms := func(t syscall.Timeval) float64 { return float64(t.Sec)*1000 + float64(t.Usec)/1000 }
	status, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.Atoi(strings.Fields(string(status))[1])
	return map[string]any{
		"cpuMs": ms(used.Utime) + ms(used.Stime), "rssMib": float64(pages) * float64(os.Getpagesize()) / (1 << 20),
	}
}

func main() {
	sidecars := flag.Int("sidecars", 100, "how many")
	services := flag.Int("services", 100, "services in the mesh")
	endpoints := flag.Int("endpoints", 10, "endpoints of each")
	port := flag.Int("port", 0, "where to listen; 0 = any")
	changes := flag.String("changes", "", "changes that came before this process was there, separated by commas")
	flag.Parse()
	snapshots := cache.NewSnapshotCache(true, cache.IDHash{}, nil)
	p := &publisher{cache: snapshots, content: newContent(*services, *endpoints), sidecars: *sidecars}
	for _, command := range strings.Split(*changes, ",") {
		if command != "" {
			p.content.change(command)
		}
	}
	firstMs := p.publish()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		panic(err)
	}
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), snapshots, nil))
	go func() { _ = grpcServer.Serve(listener) }()
	say("listening", map[string]any{"port": listener.Addr().(*net.TCPAddr).Port, "publishMs": firstMs})
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		switch command := input.Text(); command {
		case "stop":
			return
		case "usage":
			say("usage", usage())
		default:
			p.content.change(command)
			say("done", map[string]any{"command": command, "publishMs": p.publish()})
		}
	}
}
