// The Go peers of the interop tests in one program: a gRPC client and a gRPC server that are configured by xDS (grpc-go),
// and an xDS server (go-control-plane). Commands come as lines of JSON on stdin, answers go to stdout in the same way;
// test/interop/xds-clients and test/interop/go-control-plane.test.ts write and read them.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

var output sync.Mutex

// tell writes one line of JSON.
func tell(message any) {
	line, err := json.Marshal(message)
	if err != nil {
		fail("cannot write an answer: %v", err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

// commands calls take with each line of stdin until it ends.
func commands(take func(line []byte)) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		take(append([]byte(nil), lines.Bytes()...))
	}
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: xds_peer client|server|control-plane ...")
	}
	switch os.Args[1] {
	case "client":
		runClient()
	case "server":
		runServer(os.Args[2:])
	case "control-plane":
		runControlPlane()
	default:
		fail("no peer %q", os.Args[1])
	}
}
