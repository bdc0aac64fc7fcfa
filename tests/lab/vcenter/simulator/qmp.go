package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

var errGone = errors.New("QEMU is gone")

const answerWithin = 30 * time.Second

// qmp is QEMU's control channel: commands from any goroutine, and events as they come.
type qmp struct {
	channel net.Conn
	onEvent func(name string, data json.RawMessage)

	mu      sync.Mutex
	number  int
	waiting map[int]chan answer
	gone    bool
}

type answer struct {
	ID     int             `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

func newQmp(channel net.Conn, onEvent func(string, json.RawMessage)) (*qmp, error) {
	q := &qmp{channel: channel, onEvent: onEvent, waiting: map[int]chan answer{}}
	go q.read()
	_, err := q.do("qmp_capabilities", nil)
	return q, err
}

func (q *qmp) read() {
	lines := bufio.NewScanner(q.channel)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var said answer
		if json.Unmarshal(lines.Bytes(), &said) != nil {
			continue
		}
		if said.Event != "" {
			go q.onEvent(said.Event, said.Data)
			continue
		}
		q.mu.Lock()
		waiting := q.waiting[said.ID]
		delete(q.waiting, said.ID)
		q.mu.Unlock()
		if waiting != nil {
			waiting <- said
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone = true
	for _, waiting := range q.waiting {
		close(waiting)
	}
	q.waiting = map[int]chan answer{}
}

func (q *qmp) do(command string, arguments any) (json.RawMessage, error) {
	q.mu.Lock()
	if q.gone {
		q.mu.Unlock()
		return nil, errGone
	}
	q.number++
	waiting := make(chan answer, 1)
	q.waiting[q.number] = waiting
	message := map[string]any{"execute": command, "id": q.number}
	if arguments != nil {
		message["arguments"] = arguments
	}
	text, err := json.Marshal(message)
	if err == nil {
		_, err = q.channel.Write(append(text, '\n'))
	}
	q.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case said, ok := <-waiting:
		if !ok {
			return nil, errGone
		}
		if said.Error != nil {
			return nil, fmt.Errorf("%s: %s", command, said.Error.Desc)
		}
		return said.Return, nil
	case <-time.After(answerWithin):
		return nil, fmt.Errorf("%s: no answer", command)
	}
}

// press holds modifiers and key down together, then lets them go in the other order.
func (q *qmp) press(hold time.Duration, modifiers []string, key string) error {
	down := append(append([]string{}, modifiers...), key)
	if err := q.keys(true, down); err != nil {
		return err
	}
	time.Sleep(hold)
	up := make([]string, len(down))
	for i, name := range down {
		up[len(down)-1-i] = name
	}
	return q.keys(false, up)
}

func (q *qmp) keys(down bool, names []string) error {
	var events []any
	for _, name := range names {
		key := map[string]any{"type": "qcode", "data": name}
		events = append(events, map[string]any{"type": "key", "data": map[string]any{"down": down, "key": key}})
	}
	_, err := q.do("input-send-event", map[string]any{"events": events})
	return err
}
