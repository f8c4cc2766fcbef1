package main

import (
	"path/filepath"
	"strings"
	"time"
)

// largeLoad is a load of many clients or watchers, with the resident memory that its generator
// may take, see docs/measuring.md.
type largeLoad struct {
	args []string
	most int64 // bytes
}

func largeLoads() []largeLoad {
	return []largeLoad{
		{[]string{"kubernetes", "--param", "nodes=100"}, 256 << 20},
		{[]string{"watch", "--streams", "100", "--watch-per-stream", "100", "--rate", "20"}, 128 << 20},
		{[]string{"put", "--clients", "100000", "--rate", "1000"}, 256 << 20},
	}
}

// tryLargeLoads carries out a large load, whose memory has a bound of its own.
func tryLargeLoads(t *trial) error {
	load := pick(t, largeLoads())
	args := append([]string{"run"}, load.args...)
	args = append(args, "--members", "1", "--warmup", "0s", "--duration", "10s")
	t.what, t.most = strings.Join(args, " "), load.most
	limit, err := t.announced(args)
	if err != nil {
		return err
	}
	c, err := t.start(append(args, "--data-dir", t.dir, "--out", filepath.Join(t.dir, "out"))...)
	if err != nil {
		return err
	}
	t.finish(c, limit+2*time.Minute, 0, 5) // with its population, which the announced time is without
	t.orphans()
	return nil
}
