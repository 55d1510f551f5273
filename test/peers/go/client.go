package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

// rawCodec leaves messages as they are.
type rawCodec struct{}

func (rawCodec) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = data
	return nil
}
func (rawCodec) Name() string { return "raw" }

type clientCommand struct {
	Id         int               `json:"id"`
	Op         string            `json:"op"`
	Target     string            `json:"target"`
	Method     string            `json:"method"`
	Metadata   map[string]string `json:"metadata"`
	Count      int               `json:"count"`
	DeadlineMs int               `json:"deadlineMs"`
	PauseMs    int               `json:"pauseMs"`
}

type tally struct {
	lock    sync.Mutex
	Id      int            `json:"id"`
	Answers map[string]int `json:"answers"`
	Errors  map[string]int `json:"errors"`
}

func newTally(id int) *tally {
	return &tally{Id: id, Answers: map[string]int{}, Errors: map[string]int{}}
}

type client struct {
	lock        sync.Mutex
	credentials credentials.TransportCredentials
	channels    map[string]*grpc.ClientConn
	stop        chan struct{}
	stopped     chan *tally
}

// runClient: `call` makes `count` calls one after the other; `start` makes one every `pauseMs` until `stop`.
func runClient() {
	plain := insecure.NewCredentials()
	c := &client{credentials: plain, channels: map[string]*grpc.ClientConn{}}
	if os.Getenv("XDS_CREDENTIALS") != "" {
		secured, err := xds.NewClientCredentials(xds.ClientOptions{FallbackCreds: plain})
		if err != nil {
			fail("credentials: %v", err)
		}
		c.credentials = secured
	}
	commands(func(line []byte) {
		var command clientCommand
		if err := json.Unmarshal(line, &command); err != nil {
			fail("bad command %s: %v", line, err)
		}
		c.take(command)
	})
}

func (c *client) take(command clientCommand) {
	switch command.Op {
	case "call":
		go func() {
			result := newTally(command.Id)
			for i := 0; i < command.Count; i++ {
				c.call(command, result)
			}
			tell(result)
		}()
	case "start":
		c.stop = make(chan struct{})
		c.stopped = make(chan *tally)
		go c.repeat(command, c.stop, c.stopped)
		tell(newTally(command.Id))
	case "stop":
		close(c.stop)
		result := <-c.stopped
		result.Id = command.Id
		tell(result)
	default:
		fail("no command %q", command.Op)
	}
}

func (c *client) repeat(command clientCommand, stop chan struct{}, stopped chan *tally) {
	result := newTally(0)
	var calls sync.WaitGroup
	ticker := time.NewTicker(time.Duration(command.PauseMs) * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			calls.Wait()
			stopped <- result
			return
		case <-ticker.C:
			calls.Add(1)
			go func() {
				defer calls.Done()
				c.call(command, result)
			}()
		}
	}
}

func (c *client) call(command clientCommand, result *tally) {
	channel := c.channel(command.Target)
	deadline := time.Duration(command.DeadlineMs) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(command.Metadata))
	question, answer := []byte{}, []byte{}
	err := channel.Invoke(ctx, command.Method, &question, &answer, grpc.ForceCodec(rawCodec{}))
	result.lock.Lock()
	defer result.lock.Unlock()
	if err != nil {
		reason := status.Convert(err)
		result.Errors[fmt.Sprintf("%d %s", reason.Code(), reason.Message())]++
		return
	}
	result.Answers[string(answer)]++
}

func (c *client) channel(target string) *grpc.ClientConn {
	c.lock.Lock()
	defer c.lock.Unlock()
	channel := c.channels[target]
	if channel == nil {
		made, err := grpc.NewClient(target, grpc.WithTransportCredentials(c.credentials))
		if err != nil {
			fail("channel %s: %v", target, err)
		}
		channel = made
		c.channels[target] = channel
	}
	return channel
}
